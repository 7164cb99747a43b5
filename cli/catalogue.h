// SPDX-License-Identifier: Apache-2.0
//
// The catalogue of findings as a document: docs/findings.md, from the tables that the rules and the
// commands use. A test says when the document is older than the tables; `./dev docs` makes it anew.
#ifndef KEYMEDIC_CLI_CATALOGUE_H_
#define KEYMEDIC_CLI_CATALOGUE_H_

#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace keymedic::cli {

std::string CatalogueDocument();

// Which faults of the lab show a finding.
struct ShownBy {
  absl::string_view finding, faults;  // faults by name, with commas between
};
std::span<const ShownBy> LabFaults();

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_CATALOGUE_H_
