// SPDX-License-Identifier: Apache-2.0
#include "cli/finding_view.h"

#include <algorithm>
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
  // The same cause on many machines is one line, where its first one stands.
  struct Group {
    const v1::Finding* first;
    std::string what_to_do;
    int causes = 0;
    int affected = 0;
  };
  std::vector<Group> groups;
  for (const v1::Finding& finding : findings) {
    if (!finding.cause_code().empty()) continue;
    const std::string what_to_do = WhatToDo(finding);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.first->code() == finding.code() && g.first->severity() == finding.severity() &&
             g.what_to_do == what_to_do;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), {&finding, what_to_do});
    ++group->causes;
    group->affected += finding.affected_machines_size();
  }
  TextTable table({"SEVERITY", "CODE", "ON", "AFFECTED", "WHAT TO DO"});
  for (const Group& group : groups) {
    const std::string more =
        group.causes > 1 ? absl::StrCat(" and ", group.causes - 1, " more") : "";
    table.Add({SeverityName(group.first->severity()), group.first->code(),
               group.first->subject() + more, absl::StrCat(group.affected), group.what_to_do},
              StyleOf(group.first->severity()));
  }
  if (table.empty()) {
    out << Paint("no findings", Style::kGreen, color) << '\n';
  } else {
    table.Print(out, color);
  }
}

}  // namespace keymedic::cli
