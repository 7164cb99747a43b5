// SPDX-License-Identifier: Apache-2.0
//
// How a remediation looks: its plan, its way, its end; and how all of them are read. Shared by the
// remediation commands and the demonstration.
#ifndef KEYMEDIC_CLI_REMEDIATION_VIEW_H_
#define KEYMEDIC_CLI_REMEDIATION_VIEW_H_

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "cli/session.h"

namespace keymedic::cli {

// `details`: each target with what would change; otherwise targets folded by what is done to them.
void PrintPlan(const v1::Remediation& plan, std::ostream& out, bool color, bool details);
void PrintOutcome(const v1::Remediation& remediation, std::ostream& out, bool color);
int ExitCodeOf(v1::RemediationState state);

// All pages, newest first.
absl::StatusOr<v1::ListRemediationsResponse> ListRemediations(const Session& session);

// Follows it to its end and shows the progress on standard error. A controller that goes away is
// waited for: up to `patience_seconds` without a word.
absl::StatusOr<v1::Remediation> WatchToTheEnd(const Session& session, const std::string& name,
                                              int patience_seconds);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_REMEDIATION_VIEW_H_
