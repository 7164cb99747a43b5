// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/diagnosis.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/types/span.h"
#include "kms/diagnosis/facts.h"
#include "kms/diagnosis/rules.h"

namespace keymedic::kms {
namespace {

constexpr std::span<const Rule> (*kClientRules[])() = {&ClientKeyRules, &ClientPathRules,
                                                       &ClientStateRules};
constexpr std::span<const Rule> (*kHostRules[])() = {&HostPathRules, &HostStateRules};

// Runs the rules of one stage; true if any of them said something.
bool Run(std::span<std::span<const Rule> (*const)()> tables, Stage stage, const Facts& facts,
         std::vector<v1::Finding>& findings) {
  const size_t before = findings.size();
  for (const auto table : tables) {
    for (const Rule& rule : table()) {
      if (rule.stage != stage) continue;
      if (Found finding = rule.look(facts)) findings.push_back(*std::move(finding));
    }
  }
  return findings.size() > before;
}

// A key that waits for the pool explains its own state, and so does a host that does not answer; a
// host's state is its own rules' business.
bool ExplainsItself(const Facts& facts, const std::vector<v1::Finding>& findings) {
  return facts.host_product != nullptr || absl::c_any_of(findings, [](const v1::Finding& finding) {
           return finding.code() == "CLIENT_MAK_UNTIL_COUNT" ||
                  finding.code() == "CLIENT_HOST_UNREACHABLE";
         });
}

// These do not explain what a host did that the client knows all the same, and asked.
bool LeavesItsHostOpen(const Facts& facts, absl::Span<const v1::Finding> causes) {
  return facts.attempt != nullptr &&
         (!facts.attempt->host().empty() || IsCountTooLow(facts.attempt_error)) &&
         absl::c_all_of(causes, [](const v1::Finding& cause) {
           return cause.code() == "CLIENT_DNS_NO_SRV" ||
                  cause.code() == "CLIENT_LOOKUP_DOMAIN_WRONG" ||
                  cause.code() == "CLIENT_CLOCK_SKEW" || cause.code() == "CLIENT_HARDWARE_CHANGED";
         });
}

}  // namespace

std::vector<v1::Finding> DiagnoseMachine(const Estate& estate, absl::string_view id,
                                         const v1::Policy& policy, absl::Time now) {
  std::vector<v1::Finding> findings;
  const MachineState* machine = estate.Find(id);
  if (machine == nullptr) return findings;
  const Facts facts(estate, *machine, policy, now);
  if (facts.is_host || machine->host.has_value()) Run(kHostRules, Stage::kFact, facts, findings);
  Run(kClientRules, Stage::kFact, facts, findings);
  const size_t facts_end = findings.size();
  bool explained = Run(kClientRules, Stage::kCause, facts, findings);
  if (!explained || LeavesItsHostOpen(facts, absl::MakeSpan(findings).subspan(facts_end)))
    explained = Run(kClientRules, Stage::kSymptom, facts, findings) || explained;
  if (!explained && !ExplainsItself(facts, findings))
    Run(kClientRules, Stage::kGeneric, facts, findings);
  std::stable_sort(
      findings.begin(), findings.end(),
      [](const v1::Finding& a, const v1::Finding& b) { return a.severity() > b.severity(); });
  return findings;
}

bool IsProblem(const v1::Finding& finding) {
  return finding.cause_code().empty() && finding.severity() >= v1::SEVERITY_WARNING;
}

}  // namespace keymedic::kms
