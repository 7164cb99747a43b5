// SPDX-License-Identifier: Apache-2.0
#include "cli/finding_view.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/terminal.h"

namespace keymedic::cli {

std::string WhatToDo(const v1::Finding& finding) {
  std::vector<std::string> actions;
  for (const v1::Treatment& treatment : finding.treatments()) {
    actions.push_back(treatment.action() + (treatment.needs_approval() ? " (needs approval)" : ""));
  }
  if (!actions.empty()) return absl::StrJoin(actions, ", ");
  return finding.why_untreatable().empty() ? "nothing to do"
                                           : absl::StrCat("by hand: ", finding.why_untreatable());
}

void PrintFindingTable(const google::protobuf::RepeatedPtrField<v1::Finding>& findings,
                       std::ostream& out, bool color) {
  TextTable table({"SEVERITY", "CODE", "SUBJECT", "AFFECTED", "WHAT TO DO"});
  for (const v1::Finding& finding : findings) {
    if (!finding.cause_code().empty()) continue;
    table.Add({SeverityName(finding.severity()), finding.code(), finding.subject(),
               absl::StrCat(finding.affected_machines_size()), WhatToDo(finding)},
              StyleOf(finding.severity()));
  }
  if (table.empty()) {
    out << Paint("no findings", Style::kGreen, color) << '\n';
  } else {
    table.Print(out, color);
  }
}

}  // namespace keymedic::cli
