// SPDX-License-Identifier: Apache-2.0
//
// How a remediation looks: its plan, its progress on one line, its end. Shared by the remediation
// commands and the demonstration.
#ifndef KEYMEDIC_CLI_REMEDIATION_VIEW_H_
#define KEYMEDIC_CLI_REMEDIATION_VIEW_H_

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "cli/remediation_words.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace keymedic::cli {

// `details`: each target with what would change; otherwise targets folded by what is done to them.
void PrintPlan(const v1::Remediation& plan, std::ostream& out, bool color, bool details);
// "wave 2 of 5  [####....] 40/90  in flight 6  failed 0 (budget 18)"
std::string ProgressText(const v1::RemediationProgress& progress);
void PrintOutcome(const v1::Remediation& remediation, std::ostream& out, bool color);
int ExitCodeOf(v1::RemediationState state);

// Follows it to its end, with a progress line. A controller that goes away is waited for: up to
// `patience_seconds` without a word.
absl::StatusOr<v1::Remediation> WatchToTheEnd(const Session& session, const std::string& name,
                                              ProgressLine& line, int patience_seconds);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_REMEDIATION_VIEW_H_
