// SPDX-License-Identifier: Apache-2.0
//
// A remediation as Markdown, for a change ticket: who, when, what on which machine, how it ended,
// and what was not treated.
#ifndef KEYMEDIC_CLI_REMEDIATION_REPORT_H_
#define KEYMEDIC_CLI_REMEDIATION_REPORT_H_

#include <string>

#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::cli {

std::string MarkdownReport(const v1::Remediation& remediation);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_REMEDIATION_REPORT_H_
