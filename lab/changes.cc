// SPDX-License-Identifier: Apache-2.0
#include "lab/changes.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/product_key.h"
#include "kms/tables.h"
#include "lab/client.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kHrInvalidKey = 0xC004F050;
constexpr uint32_t kHrNoRearmsLeft = 0xC004D307;
constexpr uint32_t kHrInvalidArgument = 0x80070057;

struct Call {
  Landscape& landscape;
  Machine& machine;
  const v1::Act& act;
  absl::Time now;
};
using Result = absl::StatusOr<uint32_t>;

Result NotAHost(const Machine& machine) {
  return absl::FailedPreconditionError(absl::StrCat(machine.name, " is not a KMS host"));
}

void PlanFirstAttempt(const Call& call) {
  if (call.machine.product.is_gvlk() && call.machine.client.automatic)
    call.landscape.PlanAttempt(call.machine, call.now + kActivationInterval);
}

Result InstallKey(const Call& call) {
  const auto key = ProductKey::Parse(call.act.text());
  if (!key.ok()) return kHrInvalidKey;
  for (const auto& [family, host_key] : call.landscape.host_keys) {
    if (host_key.reveal() != key->reveal()) continue;
    if (call.machine.host == nullptr) return kHrKeyOfOtherEdition;
    // Serves again when it is activated, and for the new products when the service restarted.
    call.machine.product =
        MakeHostProduct(call.machine, *FindHostKeyFamily(family), key->partial(), call.now);
    return 0;
  }
  const kms::Gvlk* gvlk = kms::FindGvlkByPartial(key->partial());
  if (gvlk == nullptr || gvlk->key != key->reveal()) return kHrInvalidKey;
  const kms::Gvlk* own = kms::GvlkForEdition(call.machine.edition_id, call.machine.build);
  if (own == nullptr || own->partial_key != gvlk->partial_key) return kHrKeyOfOtherEdition;
  call.machine.product = MakeGvlkProduct(call.machine, gvlk->partial_key, call.now);
  PlanFirstAttempt(call);
  return 0;
}

Result Activate(const Call& call) {
  if (!call.act.text().empty() && call.act.text() != call.machine.product.activation_id)
    return kHrKeyGroupOnHost;  // that product is not installed here
  return AttemptActivation(call.landscape, call.machine, call.now, Trigger::kPerson);
}

Result SetKmsHost(const Call& call) {
  if (call.act.text().empty()) return kHrInvalidArgument;
  call.machine.client.registered_host = call.act.text();
  call.machine.client.registered_port = call.act.number();
  return 0;
}

Result ClearKmsHost(const Call& call) {
  call.machine.client.registered_host.clear();
  call.machine.client.registered_port = 0;
  return 0;
}

Result SetHostCaching(const Call& call) {
  call.machine.client.host_caching = call.act.flag();
  return 0;
}

Result SetActivationType(const Call& call) {
  if (!keymedic::v1::ActivationType_IsValid(static_cast<int>(call.act.number())) ||
      call.act.number() == keymedic::v1::ACTIVATION_TYPE_UNSPECIFIED) {
    return kHrInvalidArgument;
  }
  call.machine.client.type = static_cast<keymedic::v1::ActivationType>(call.act.number());
  return 0;
}

Result SetListeningPort(const Call& call) {
  if (call.machine.host == nullptr) return NotAHost(call.machine);
  if (call.act.number() == 0 || call.act.number() > 65535) return kHrInvalidArgument;
  call.machine.host->listening_port = call.act.number();  // in use after the service restarted
  return 0;
}

Result SetDnsPublishing(const Call& call) {
  if (call.machine.host == nullptr) return NotAHost(call.machine);
  call.machine.host->dns_publishing = call.act.flag();
  call.landscape.Publish(call.machine, call.now);
  return 0;
}

Result Rearm(const Call& call) {
  if (call.machine.rearms_left == 0) return kHrNoRearmsLeft;
  --call.machine.rearms_left;
  call.machine.rearm_pending = true;
  return 0;
}

absl::Status CheckService(const Machine& machine, absl::string_view name) {
  if (name == kLicensingService) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no service '", name, "' on ", machine.name));
}

void StartService(const Call& call) {
  Machine& machine = call.machine;
  machine.service_running = true;
  if (machine.host == nullptr) return;
  machine.host->bound_port = machine.host->listening_port;
  if (machine.product.is_csvlk()) {
    machine.host->csvlk_family = machine.product.family;
    machine.host->extended_pid = machine.product.extended_pid;
  }
  call.landscape.Publish(machine, call.now);
}

Result RestartService(const Call& call) {
  if (const absl::Status known = CheckService(call.machine, call.act.text()); !known.ok())
    return known;
  if (call.machine.service_disabled) {
    return absl::FailedPreconditionError(absl::StrCat("the service '", call.act.text(), "' on ",
                                                      call.machine.name,
                                                      " is disabled: enable it first"));
  }
  StartService(call);
  return 0;
}

Result SetServiceDisabled(const Call& call) {
  if (const absl::Status known = CheckService(call.machine, call.act.text()); !known.ok())
    return known;
  call.machine.service_disabled = call.act.flag();
  return 0;
}

Result Restart(const Call& call) {
  Machine& machine = call.machine;
  if (machine.rearm_pending) {
    machine.rearm_pending = false;
    machine.client.machine_id = machine.random.Uuid();
    machine.client.last_activation.reset();
    machine.client.found_host.clear();
    machine.client.found_port = 0;
    machine.client.remembers_found = false;
    if (machine.product.is_gvlk())
      machine.product = MakeGvlkProduct(machine, machine.product.partial_key, call.now);
    PlanFirstAttempt(call);
  }
  if (!machine.service_disabled) StartService(call);
  return 0;
}

Result SynchroniseClock(const Call& call) {
  call.machine.clock_error = absl::ZeroDuration();
  return 0;
}

Result SetRuleEnabled(const Call& call) {
  for (auto& rule : call.machine.rules) {
    if (rule.id() != call.act.text()) continue;
    rule.set_enabled(call.act.flag());
    return 0;
  }
  return absl::NotFoundError(
      absl::StrCat("there is no firewall rule '", call.act.text(), "' on ", call.machine.name));
}

Result AddInboundRule(const Call& call) {
  if (call.machine.FindRule(call.act.rule().id()) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("the firewall rule '", call.act.rule().id(),
                                                 "' exists on ", call.machine.name));
  }
  call.machine.rules.push_back(call.act.rule());
  return 0;
}

Result RemoveRule(const Call& call) {
  const size_t removed = std::erase_if(
      call.machine.rules, [&](const auto& rule) { return rule.id() == call.act.text(); });
  if (removed != 0) return 0;
  return absl::NotFoundError(
      absl::StrCat("there is no firewall rule '", call.act.text(), "' on ", call.machine.name));
}

Result SetLogMaxBytes(const Call& call) {
  if (call.act.text() == kApplicationChannel) {
    call.machine.application.SetMaxBytes(call.act.number());
  } else if (call.act.text() == kKmsChannel && call.machine.host != nullptr) {
    call.machine.host->log.SetMaxBytes(call.act.number());
  } else {
    return absl::NotFoundError(
        absl::StrCat("there is no event log '", call.act.text(), "' on ", call.machine.name));
  }
  return 0;
}

using Method = Result (*)(const Call&);
const std::map<absl::string_view, Method>& Methods() {
  static const auto* const methods = new std::map<absl::string_view, Method>{
      {"InstallKey", InstallKey},
      {"Activate", Activate},
      {"SetKmsHost", SetKmsHost},
      {"ClearKmsHost", ClearKmsHost},
      {"SetHostCaching", SetHostCaching},
      {"SetActivationType", SetActivationType},
      {"SetListeningPort", SetListeningPort},
      {"SetDnsPublishing", SetDnsPublishing},
      {"Rearm", Rearm},
      {"SetRuleEnabled", SetRuleEnabled},
      {"AddInboundRule", AddInboundRule},
      {"RemoveRule", RemoveRule},
      {"SetServiceDisabled", SetServiceDisabled},
      {"RestartService", RestartService},
      {"SetLogMaxBytes", SetLogMaxBytes},
      {"SynchroniseClock", SynchroniseClock},
      {"Restart", Restart},
  };
  return *methods;
}

// Without its text, which may be a key.
std::string EffectName(const v1::Act& act) {
  std::string name = act.method();
  if (act.number() != 0) absl::StrAppend(&name, " ", act.number());
  if (act.flag()) absl::StrAppend(&name, " on");
  return name;
}

}  // namespace

absl::StatusOr<uint32_t> Act(Landscape& landscape, Machine& machine, const v1::Act& act,
                             absl::Time now) {
  const auto method = Methods().find(act.method());
  if (method == Methods().end())
    return absl::UnimplementedError(absl::StrCat("a lab machine has no act '", act.method(), "'"));
  Result result = method->second(Call{landscape, machine, act, now});
  if (result.ok() && *result == 0) ++machine.effects[EffectName(act)];
  return result;
}

}  // namespace keymedic::lab
