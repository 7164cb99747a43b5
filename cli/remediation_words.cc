// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_words.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace keymedic::cli {
namespace {

std::string Lower(absl::string_view name, absl::string_view prefix) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripPrefix(name, prefix)), {{"_", "-"}});
}

}  // namespace

std::string StateName(v1::RemediationState state) {
  return Lower(v1::RemediationState_Name(state), "REMEDIATION_STATE_");
}
std::string StateName(v1::TargetState state) {
  return Lower(v1::TargetState_Name(state), "TARGET_STATE_");
}

std::string WaveName(uint32_t wave) {
  if (wave == 0) return "hosts first";
  return wave == 1 ? "canary" : absl::StrCat("wave ", wave - 1);
}

bool IsEnd(v1::RemediationState state) { return state >= v1::REMEDIATION_STATE_SUCCEEDED; }

std::string ChangesText(const v1::Target& target) {
  std::vector<std::string> changes;
  for (const v1::Step& step : target.steps()) {
    for (const v1::Change& change : step.changes()) {
      changes.push_back(
          absl::StrCat(change.field(), ": ", change.before(), " -> ", change.after()));
    }
    if (step.changes().empty()) changes.push_back(step.action());
  }
  return absl::StrJoin(changes, "; ");
}

}  // namespace keymedic::cli
