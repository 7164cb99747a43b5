// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_host/actions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "kms/tables.h"
#include "plugins/kms_host/firewall_exception.h"
#include "plugins/roles/action.h"
#include "plugins/roles/state.h"

namespace keymedic {
namespace {

using roles::Plan;
using systems::Hresult;
using Result = absl::StatusOr<Plan>;

constexpr char kKmsChannel[] = "Key Management Service";
constexpr uint64_t kLogStep = 64 << 10;
constexpr uint32_t kNameDoesNotExist = 0x8007232B;
constexpr uint32_t kNoRecords = 0x8007251D;

const char* Text(bool value) { return value ? "true" : "false"; }

absl::StatusOr<v1::KmsHostSection> RequireHost(HostContext& context) {
  auto host = context.systems.licensing->Host();
  if (absl::IsNotFound(host.status())) {
    return absl::FailedPreconditionError("this machine is not a KMS host");
  }
  return host;
}

uint32_t PortOf(const v1::KmsHostSection& host) {
  return host.listening_port() == 0 ? kms::kDefaultPort : host.listening_port();
}

// Steps of a treatment on the service itself, each only if the one before it was not refused.
absl::StatusOr<Hresult> ThenRestartService(HostContext& context, absl::StatusOr<Hresult> done) {
  if (!done.ok() || *done != 0) return done;
  KM_RETURN_IF_ERROR(Annotate(context.systems.services->Restart(kLicensingService),
                              "set, but in effect only after the service sppsvc has restarted"));
  return 0;
}

Result EnsureService(HostContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool enabled, roles::BoolParam(command, "enabled", true));
  KM_ASSIGN_OR_RETURN(const auto state, context.systems.services->Query(kLicensingService));
  Plan plan;
  if (state.disabled == enabled) {
    plan.Add("service_disabled", Text(state.disabled), Text(!enabled));
    plan.SetInverse("ensure_service", {{"enabled", Text(!enabled)}});
  }
  if (enabled && !state.running) plan.Add("service_running", "false", "true");
  plan.apply = [&context, enabled]() -> absl::StatusOr<Hresult> {
    KM_RETURN_IF_ERROR(context.systems.services->SetDisabled(kLicensingService, !enabled));
    if (enabled) KM_RETURN_IF_ERROR(context.systems.services->Restart(kLicensingService));
    return 0;
  };
  return plan;
}

// Without the parameter port it is for the port that the host listens on now. With the parameter
// rule it takes back what was done: see firewall_exception.h.
Result EnsureFirewallException(HostContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool enabled, roles::BoolParam(command, "enabled", true));
  const auto rule = command.params().find("rule");
  const std::string rule_id = rule == command.params().end() ? "" : rule->second;
  KM_ASSIGN_OR_RETURN(const uint64_t port, roles::NumberParam(command, "port", 0, 1, 65535));
  if (rule_id == kOwnRule && port != 0) {
    return PlanOwnRule(*context.systems.firewall, static_cast<uint32_t>(port), enabled);
  }
  if (!enabled) return PlanFirewallClosing(*context.systems.firewall, rule_id);
  KM_ASSIGN_OR_RETURN(const auto host, RequireHost(context));
  return PlanFirewallException(*context.systems.firewall,
                               port == 0 ? PortOf(host) : static_cast<uint32_t>(port));
}

Result EnsureListeningPort(HostContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const uint64_t wanted,
                      roles::NumberParam(command, "port", kms::kDefaultPort, 1, 65535));
  KM_ASSIGN_OR_RETURN(const auto host, RequireHost(context));
  Plan plan;
  if (PortOf(host) != wanted) {
    plan.Add("listening_port", absl::StrCat(PortOf(host)), absl::StrCat(wanted));
    plan.SetInverse("ensure_listening_port", {{"port", absl::StrCat(PortOf(host))}});
  }
  plan.apply = [&context, wanted] {
    return ThenRestartService(
        context, context.systems.licensing->SetListeningPort(static_cast<uint32_t>(wanted)));
  };
  return plan;
}

// Whether the record of the host's own domain names it: nothing if no name server can tell.
std::optional<bool> IsPublished(HostContext& context, const v1::OsSection& os, uint32_t port) {
  const v1::SrvAnswer answer =
      context.systems.names->LookupSrv(absl::StrCat("_vlmcs._tcp.", os.dns_domain()));
  if (answer.error() == kNameDoesNotExist || answer.error() == kNoRecords) return false;
  if (answer.error() != 0) return std::nullopt;
  const std::string own = absl::StrCat(os.computer_name(), ".", os.dns_domain());
  return std::any_of(answer.records().begin(), answer.records().end(), [&](const auto& record) {
    return record.port() == port && absl::EqualsIgnoreCase(record.target(), own);
  });
}

Result EnsureDnsPublishing(HostContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool enabled, roles::BoolParam(command, "enabled", true));
  KM_ASSIGN_OR_RETURN(const auto host, RequireHost(context));
  if (!host.has_dns_publishing()) {
    return absl::UnavailableError("whether this host publishes itself in DNS is not known");
  }
  Plan plan;
  if (host.dns_publishing() != enabled) {
    plan.Add("dns_publishing", Text(host.dns_publishing()), Text(enabled));
    plan.SetInverse("ensure_dns_publishing", {{"enabled", Text(host.dns_publishing())}});
  }
  std::string domain;
  if (const auto os = context.systems.machine->Os(); enabled && os.ok() && os->has_dns_domain()) {
    domain = os->dns_domain();
    if (IsPublished(context, *os, PortOf(host)) == false) {
      plan.Add("srv_record", "absent", absl::StrCat("published in ", domain));
    }
  }
  // The service publishes as it starts; a name server may show it later.
  plan.seen_later = {"srv_record"};
  plan.apply = [&context, enabled, domain,
                set = host.dns_publishing() != enabled]() -> absl::StatusOr<Hresult> {
    absl::StatusOr<Hresult> done = Hresult{0};
    if (set) done = context.systems.licensing->SetDnsPublishing(enabled);
    if (!enabled) return done;
    done = ThenRestartService(context, done);
    if (!done.ok() || *done != 0 || domain.empty()) return done;
    return context.publication_error(domain);
  };
  return plan;
}

// As the event log counts: in whole steps.
uint64_t LogSteps(uint64_t bytes) { return (bytes + kLogStep - 1) / kLogStep; }

// At least so large, or with exact=true just so: only to take back what was done.
Result EnsureLogSize(HostContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool exact, roles::BoolParam(command, "exact", false));
  KM_ASSIGN_OR_RETURN(uint64_t wanted, roles::NumberParam(command, "max_bytes", kms::kAmpleLogBytes,
                                                          exact ? 1 : 1 << 20, UINT32_MAX));
  KM_ASSIGN_OR_RETURN(const auto host, RequireHost(context));
  if (!host.has_log_max_bytes()) {
    return absl::UnavailableError(
        absl::StrCat("the size of the event log '", kKmsChannel, "' is not known"));
  }
  Plan plan;
  const uint64_t present = host.log_max_bytes();
  if (!exact) wanted = std::max(wanted, present);
  if (!exact && host.log_full()) {
    plan.Add("log_full", "true", "false");
    if (wanted == present) wanted = std::min<uint64_t>(wanted * 2, UINT32_MAX);
  }
  if (LogSteps(wanted) != LogSteps(present)) {
    plan.Add("log_max_bytes", absl::StrCat(present), absl::StrCat(wanted));
    plan.SetInverse("ensure_log_size", {{"max_bytes", absl::StrCat(present)}, {"exact", "true"}});
  }
  plan.apply = [&context, wanted]() -> absl::StatusOr<Hresult> {
    KM_RETURN_IF_ERROR(context.systems.events->SetMaxBytes(kKmsChannel, wanted));
    return 0;
  };
  return plan;
}

Result EnsureHostKey(HostContext& context, const v1::Command& command) {
  const auto secret = command.secrets().find("key");
  if (secret == command.secrets().end()) {
    return absl::InvalidArgumentError(
        "ensure_host_key came without a key: store one for this host on the controller with "
        "`keymedic host-keys set --host NAME`, and plan again");
  }
  KM_ASSIGN_OR_RETURN(const ProductKey key, ProductKey::Parse(secret->second));
  Plan plan;
  if (kms::FindGvlkByPartial(key.partial()) != nullptr) {
    plan.refusal = absl::StrCat("the key ending in ", key.partial(),
                                " is a client setup key: a KMS host needs its own (CSVLK)");
    return plan;
  }
  KM_ASSIGN_OR_RETURN(const auto licensing, context.systems.licensing->Licensing());
  const v1::Product* product = roles::PrimaryProduct(licensing);
  const std::string present = product == nullptr ? "" : product->partial_key();
  if (!absl::EqualsIgnoreCase(present, key.partial())) {
    plan.Add("partial_key", present, key.partial());
  }
  plan.apply = [&context, key] {
    return ThenRestartService(context, context.systems.licensing->InstallKey(key));
  };
  return plan;
}

constexpr roles::Action<HostContext> kActions[] = {
    {"ensure_service", EnsureService},
    {"ensure_firewall_exception", EnsureFirewallException},
    {"ensure_listening_port", EnsureListeningPort},
    {"ensure_dns_publishing", EnsureDnsPublishing},
    {"ensure_log_size", EnsureLogSize},
    {"ensure_host_key", EnsureHostKey},
};

}  // namespace

std::vector<std::string> HostActionNames() {
  std::vector<std::string> names;
  for (const auto& action : kActions) names.emplace_back(action.name);
  return names;
}

v1::CommandResult RunHostAction(HostContext& context, const v1::Command& command) {
  return roles::RunAction(kActions, context, command);
}

uint32_t PublicationError(const v1::KmsHostSection& host, const std::string& domain) {
  for (const v1::DnsPublication& publication : host.publications()) {
    if (absl::EqualsIgnoreCase(publication.domain(), domain)) return publication.error();
  }
  return 0;
}

}  // namespace keymedic
