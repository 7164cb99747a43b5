// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/diagnosis.h"

#include <algorithm>

#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/rules.h"

namespace keymedic::kms {
namespace {

// Runs the rules of one stage; true if any of them said something.
bool Run(std::span<const Rule> rules, Stage stage, const Facts& facts,
         std::vector<v1::Finding>& findings) {
  const size_t before = findings.size();
  for (const Rule& rule : rules) {
    if (rule.stage != stage) continue;
    if (auto finding = rule.look(facts)) findings.push_back(*std::move(finding));
  }
  return findings.size() > before;
}

}  // namespace

std::vector<v1::Finding> DiagnoseMachine(const Estate& estate, absl::string_view id,
                                         const v1::Policy& policy, absl::Time now) {
  std::vector<v1::Finding> findings;
  const MachineState* machine = estate.Find(id);
  if (machine == nullptr) return findings;
  const Facts facts(estate, *machine, policy, now);
  if (facts.is_host || machine->host.has_value()) Run(HostRules(), Stage::kFact, facts, findings);
  Run(ClientRules(), Stage::kFact, facts, findings);
  const bool explained = Run(ClientRules(), Stage::kCause, facts, findings) ||
                         Run(ClientRules(), Stage::kSymptom, facts, findings);
  // A key that waits for the pool explains its own state; a host's state is its own rules'
  // business.
  const bool waits = std::any_of(findings.begin(), findings.end(), [](const v1::Finding& f) {
    return f.code() == "CLIENT_MAK_UNTIL_COUNT";
  });
  if (!explained && !waits && facts.host_product == nullptr)
    Run(ClientRules(), Stage::kGeneric, facts, findings);
  std::stable_sort(
      findings.begin(), findings.end(),
      [](const v1::Finding& a, const v1::Finding& b) { return a.severity() > b.severity(); });
  return findings;
}

bool IsProblem(const v1::Finding& finding) {
  return finding.cause_code().empty() && finding.severity() >= v1::SEVERITY_WARNING;
}

}  // namespace keymedic::kms
