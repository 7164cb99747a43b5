// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_words.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace keymedic::cli {

std::string WaveName(uint32_t wave) {
  if (wave == 0) return "hosts first";
  return wave == 1 ? "canary" : absl::StrCat("wave ", wave - 1);
}

std::string ForText(const v1::Target& target) {
  std::vector<std::string> codes(target.finding_codes().begin(), target.finding_codes().end());
  codes.insert(codes.end(), target.elsewhere_codes().begin(), target.elsewhere_codes().end());
  return absl::StrJoin(codes, ", ");
}

std::string ChangesText(const v1::Target& target) {
  std::vector<std::string> changes;
  for (const v1::Step& step : target.steps()) {
    const absl::string_view undone = step.undone() ? " (undone)" : "";
    for (const v1::Change& change : step.changes()) {
      changes.push_back(
          absl::StrCat(change.field(), ": ", change.before(), " -> ", change.after(), undone));
    }
    if (step.changes().empty()) changes.push_back(absl::StrCat(step.action(), undone));
  }
  return absl::StrJoin(changes, "; ");
}

std::string ForGoodText(const v1::Target& target) {
  std::vector<std::string> actions;
  for (const v1::Step& step : target.steps()) {
    if (step.inverse().action().empty()) actions.push_back(step.action());
  }
  return absl::StrJoin(actions, ", ");
}

}  // namespace keymedic::cli
