// SPDX-License-Identifier: Apache-2.0
#ifndef KEYMEDIC_CLI_SUGGEST_H_
#define KEYMEDIC_CLI_SUGGEST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::cli {

// The candidate that `word` was most likely meant to be; empty if none is near.
std::string Suggest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SUGGEST_H_
