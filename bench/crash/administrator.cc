// SPDX-License-Identifier: Apache-2.0
#include "bench/crash/administrator.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "controller/remediation/states.h"

namespace keymedic::bench {
namespace {

using controller::RemediationManager;

constexpr absl::Duration kPatience = absl::Hours(1);
constexpr char kWho[] = "spiffe://keymedic/operator/admin/ann";

lab::v1::Act Act(const std::string& method, const std::string& text = "", uint32_t number = 0,
                 bool flag = false) {
  lab::v1::Act act;
  act.set_method(method);
  act.set_text(text);
  act.set_number(number);
  act.set_flag(flag);
  return act;
}

bool AllGood(const v1::Remediation& remediation) {
  return std::ranges::all_of(remediation.targets(),
                             [](const v1::Target& target) { return IsGood(target.state()); });
}

// Which machine has which of the ailments, in the controller's eyes: all that it should.
bool IsKnown(controller::Fleet& fleet, const Administrator::Ill& ill) {
  for (const auto& [machine, ailments] : ill) {
    std::set<std::string> codes;
    for (const v1::Finding& finding : fleet.FindingsOf(machine)) codes.insert(finding.code());
    for (const Ailment* ailment : ailments) {
      if (!codes.contains(ailment->finding)) return false;
    }
  }
  return true;
}

v1::PlanRemediationRequest PlanFor(const Administrator::Ill& ill) {
  std::set<std::string> terms, actions;
  for (const auto& [machine, ailments] : ill) {
    for (const Ailment* ailment : ailments) {
      terms.insert(absl::StrCat("finding=", ailment->finding));
      actions.insert(ailment->action);
    }
  }
  v1::PlanRemediationRequest request;
  request.set_selector(absl::StrJoin(terms, " or "));
  for (const std::string& action : actions) request.add_treat(action);
  request.set_again(true);  // a person knows what died
  return request;
}

using Effects = std::map<std::string, std::map<std::string, uint64_t>>;  // by machine, by name

// What a change is, once what was taken back is taken off.
Tally Count(const Administrator::Ill& ill, Effects& before, Effects& after) {
  Tally tally;
  for (auto& [machine, then] : before) {
    auto& now = after[machine];
    const auto found = ill.find(machine);
    const auto& ailments = machine == kHostMachine ? HostAilments() : ClientAilments();
    for (const Ailment& ailment : ailments) {
      const bool wanted =
          found != ill.end() && std::ranges::any_of(found->second, [&](const Ailment* one) {
            return one->cure == ailment.cure;
          });
      const uint64_t cured = now[ailment.cure] - then[ailment.cure];
      const uint64_t undone = now[ailment.relapse] - then[ailment.relapse];
      const uint64_t expected = undone + (wanted ? 1 : 0);
      tally.doubled += cured > expected ? cured - expected : 0;
      tally.lost += cured < expected ? expected - cured : 0;
    }
  }
  return tally;
}

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  crashes += other.crashes;
  commands += other.commands;
  doubled += other.doubled;
  lost += other.lost;
  return *this;
}

const std::vector<Ailment>& ClientAilments() {
  static const auto* const ailments = new std::vector<Ailment>{
      {"CLIENT_HOST_OVERRIDE", "ensure_discovery", Act("SetKmsHost", "kms-1.office.example", 1688),
       "ClearKmsHost", "SetKmsHost 1688"},
      {"CLIENT_CACHING_OFF", "ensure_host_caching", Act("SetHostCaching"), "SetHostCaching on",
       "SetHostCaching"},
      {"CLIENT_ACTIVATION_TYPE_LIMITED", "ensure_activation_type",
       Act("SetActivationType", "", v1::ACTIVATION_TYPE_DIRECTORY), "SetActivationType 1",
       "SetActivationType 2"},
  };
  return *ailments;
}

const std::vector<Ailment>& HostAilments() {
  static const auto* const ailments = new std::vector<Ailment>{
      {"HOST_FIREWALL_CLOSED", "ensure_firewall_exception", Act("SetRuleEnabled", "SPPSVC-In-TCP"),
       "SetRuleEnabled on", "SetRuleEnabled"},
  };
  return *ailments;
}

absl::StatusOr<bool> Administrator::PassOn() {
  if (estate_.now() > give_up_) {
    return absl::DeadlineExceededError(
        "the estate is stuck: an hour has passed and nothing comes to an end");
  }
  return estate_.Pass();
}

absl::Status Administrator::PassUntilQuiet() {
  for (;;) {
    KM_ASSIGN_OR_RETURN(const bool happened, PassOn());
    if (!happened) return absl::OkStatus();
  }
}

// Whoever asks a controller that dies asks the next one.
absl::StatusOr<v1::Remediation> Administrator::Ask(const Asking& asking) {
  for (;;) {
    const auto answer = std::make_shared<std::optional<absl::StatusOr<v1::Remediation>>>();
    const uint64_t boot = estate_.controller_boots();
    Life& life = estate_.controller().life();
    asking(estate_.controller().manager(), [answer, &life](auto given) {
      if (!life.dead()) *answer = std::move(given);
    });
    while (!answer->has_value() && estate_.controller_boots() == boot) {
      KM_RETURN_IF_ERROR(PassOn().status());
    }
    if (answer->has_value()) return **answer;
  }
}

absl::Status Administrator::FallIll(const Ill& ill) {
  for (const auto& [machine, ailments] : ill) {
    for (const Ailment* ailment : ailments) KM_RETURN_IF_ERROR(estate_.Do(machine, ailment->cause));
  }
  while (!IsKnown(estate_.controller().fleet(), ill)) {
    for (const auto& [machine, ailments] : ill)
      estate_.controller().fleet().RequestCollect(machine, absl::StrCat("look-", requests_++));
    KM_RETURN_IF_ERROR(PassUntilQuiet());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Remediation> Administrator::StartAndWait(const v1::Remediation& plan) {
  v1::StartRemediationRequest start;
  start.set_name(plan.name());
  start.set_plan_hash(plan.plan_hash());
  start.set_request_id(absl::StrCat("start-", requests_++));
  KM_RETURN_IF_ERROR(
      Ask([&](auto& manager, auto done) { manager.Start(start, kWho, done); }).status());
  for (;;) {
    KM_RETURN_IF_ERROR(PassUntilQuiet());
    KM_ASSIGN_OR_RETURN(v1::Remediation now,
                        Ask([&](auto& manager, auto done) { manager.Get(plan.name(), done); }));
    if (controller::IsEnded(now)) return now;
  }
}

absl::StatusOr<Tally> Administrator::Treat(const Ill& ill) {
  give_up_ = estate_.now() + kPatience;
  KM_RETURN_IF_ERROR(FallIll(ill));
  const auto effects = [this] {
    Effects all;
    for (const std::string& machine : estate_.machines()) all[machine] = estate_.EffectsOn(machine);
    return all;
  };
  Effects before = effects();
  const uint64_t crashes = estate_.crashes(), commands = estate_.commands();
  estate_.Tempt();

  v1::PlanRemediationRequest request = PlanFor(ill);
  request.set_request_id(absl::StrCat("plan-", requests_++));
  KM_ASSIGN_OR_RETURN(v1::Remediation plan,
                      Ask([&](auto& manager, auto done) { manager.Plan(request, kWho, done); }));
  KM_ASSIGN_OR_RETURN(v1::Remediation treated, StartAndWait(plan));
  while (!AllGood(treated)) {
    v1::RetryRemediationRequest retry;
    retry.set_name(treated.name());
    retry.set_request_id(absl::StrCat("retry-", requests_++));
    absl::StatusOr<v1::Remediation> rest =
        Ask([&](auto& manager, auto done) { manager.Retry(retry, kWho, done); });
    if (absl::IsFailedPrecondition(rest.status())) break;  // what was left is cured
    KM_RETURN_IF_ERROR(rest.status());
    KM_ASSIGN_OR_RETURN(treated, StartAndWait(*rest));
  }
  Effects after = effects();
  Tally tally = Count(ill, before, after);
  tally.crashes = estate_.crashes() - crashes;
  tally.commands = estate_.commands() - commands;
  return tally;
}

}  // namespace keymedic::bench
