// SPDX-License-Identifier: Apache-2.0
#include "plugins/kms_client/actions.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "kms/tables.h"
#include "plugins/roles/action.h"
#include "plugins/roles/state.h"

namespace keymedic {
namespace {

using roles::Plan;
using systems::Hresult;
using Result = absl::StatusOr<Plan>;

constexpr uint32_t kNoRearmLeft = 0xC004D307;
constexpr uint32_t kNoHostAnswered = 0xC004F074;  // wraps the code of the attempt itself
constexpr int64_t kValiditySeconds = int64_t{180} * 24 * 3600;
constexpr int64_t kUsualRenewalMinutes = 7 * 24 * 60;
// The service tells how many minutes are left, so the instant it was activated moves by as much.
constexpr absl::Duration kActivationWobble = absl::Minutes(2);

std::string Param(const v1::Command& command, const std::string& name) {
  const auto found = command.params().find(name);
  return found == command.params().end() ? "" : found->second;
}

absl::StatusOr<v1::Product> RequireProduct(ClientContext& context) {
  KM_ASSIGN_OR_RETURN(const auto licensing, context.systems.licensing->Licensing());
  const v1::Product* product = roles::PrimaryProduct(licensing);
  if (product == nullptr) return absl::NotFoundError("Windows has no product key on this machine");
  return *product;
}

Result EnsureClock(ClientContext& context, const v1::Command&) {
  KM_ASSIGN_OR_RETURN(const auto os, context.systems.machine->Os());
  if (!os.has_clock_skew_minutes()) {
    return absl::UnavailableError(
        "the clock cannot be compared: no reference clock answers; name a time server");
  }
  Plan plan;
  if (os.clock_skew_minutes() != 0) {
    plan.Add("clock_skew_minutes", absl::StrCat(os.clock_skew_minutes()), "0");
  }
  plan.apply = [&]() -> absl::StatusOr<Hresult> {
    KM_RETURN_IF_ERROR(context.systems.machine->SynchroniseClock());
    return 0;
  };
  return plan;
}

constexpr struct {
  const char* name;
  v1::ActivationType type;
} kActivationTypes[] = {{"all", v1::ACTIVATION_TYPE_ALL},
                        {"directory", v1::ACTIVATION_TYPE_DIRECTORY},
                        {"kms", v1::ACTIVATION_TYPE_KMS},
                        {"token", v1::ACTIVATION_TYPE_TOKEN}};

Result EnsureActivationType(ClientContext& context, const v1::Command& command) {
  const std::string wanted_name = Param(command, "type").empty() ? "all" : Param(command, "type");
  v1::ActivationType wanted = v1::ACTIVATION_TYPE_UNSPECIFIED;
  std::string present_name;
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  for (const auto& [name, type] : kActivationTypes) {
    if (name == wanted_name) wanted = type;
    if (type == client.activation_type()) present_name = name;
  }
  if (wanted == v1::ACTIVATION_TYPE_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter type='", wanted_name,
                     "' of ensure_activation_type: all, kms, directory or token"));
  }
  if (!client.has_activation_type()) {
    return absl::UnavailableError("the configured activation type is not known on this machine");
  }
  Plan plan;
  if (client.activation_type() != wanted) {
    plan.Add("activation_type", present_name, wanted_name);
    if (!present_name.empty()) plan.SetInverse("ensure_activation_type", {{"type", present_name}});
  }
  plan.apply = [&context, wanted] { return context.systems.licensing->SetActivationType(wanted); };
  return plan;
}

absl::StatusOr<std::string> RegisteredEndpoint(const v1::KmsClientSection& client) {
  if (!client.has_registered_host()) {
    return absl::UnavailableError("whether a KMS host is registered is not known on this machine");
  }
  return roles::Endpoint(client.registered_host(), client.registered_port());
}

void InvertHost(const v1::KmsClientSection& before, Plan& plan) {
  if (before.registered_host().empty()) return plan.SetInverse("ensure_discovery", {});
  const uint32_t port =
      before.registered_port() == 0 ? kms::kDefaultPort : before.registered_port();
  plan.SetInverse("ensure_host",
                  {{"host", before.registered_host()}, {"port", absl::StrCat(port)}});
}

// With undo=false the host is not registered again whatever becomes of the treatment: nobody
// approved it.
Result EnsureDiscovery(ClientContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool undo, roles::BoolParam(command, "undo", true));
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  KM_ASSIGN_OR_RETURN(const std::string present, RegisteredEndpoint(client));
  Plan plan;
  if (!present.empty()) {
    plan.Add("registered_host", present, "");
    if (undo) InvertHost(client, plan);
  }
  plan.apply = [&] { return context.systems.licensing->ClearKmsHost(); };
  return plan;
}

Result EnsureHost(ClientContext& context, const v1::Command& command) {
  const std::string host = Param(command, "host");
  if (host.empty()) {
    return absl::InvalidArgumentError("ensure_host needs the parameter host, a KMS host's name");
  }
  KM_ASSIGN_OR_RETURN(const uint64_t port,
                      roles::NumberParam(command, "port", kms::kDefaultPort, 1, 65535));
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  KM_ASSIGN_OR_RETURN(const std::string present, RegisteredEndpoint(client));
  const std::string wanted = roles::Endpoint(host, static_cast<uint32_t>(port));
  Plan plan;
  if (!absl::EqualsIgnoreCase(present, wanted)) {
    plan.Add("registered_host", present, wanted);
    InvertHost(client, plan);
  }
  plan.apply = [&context, host, port] {
    return context.systems.licensing->SetKmsHost(host, static_cast<uint32_t>(port));
  };
  return plan;
}

Result EnsureHostCaching(ClientContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const bool wanted, roles::BoolParam(command, "enabled", true));
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  if (!client.has_host_caching()) {
    return absl::UnavailableError("whether KMS host caching is on is not known on this machine");
  }
  Plan plan;
  if (client.host_caching() != wanted) {
    plan.Add("host_caching", wanted ? "false" : "true", wanted ? "true" : "false");
    plan.SetInverse("ensure_host_caching", {{"enabled", wanted ? "false" : "true"}});
  }
  plan.apply = [&context, wanted] { return context.systems.licensing->SetHostCaching(wanted); };
  return plan;
}

Plan EditionCannot(const v1::OsSection& os) {
  Plan plan;
  const kms::Edition* edition = kms::FindEdition(os.edition_id(), os.build());
  plan.refusal = absl::StrCat("edition '", os.edition_id(), "' of build ", os.build(),
                              edition == nullptr ? " is not known" : " has no volume client key");
  if (edition != nullptr && !edition->note.empty()) {
    absl::StrAppend(&plan.refusal, " (", edition->note, ")");
  }
  if (const kms::FindingRow* row = kms::FindFinding("CLIENT_EDITION_NOT_VOLUME")) {
    absl::StrAppend(&plan.refusal, ". ", row->why_untreatable);
  }
  return plan;
}

Result EnsureClientKey(ClientContext& context, const v1::Command&) {
  KM_ASSIGN_OR_RETURN(const auto os, context.systems.machine->Os());
  if (!os.has_edition_id() || !os.has_build()) {
    return absl::UnavailableError(
        "the edition of this machine is not known, so its client key is not either");
  }
  KM_ASSIGN_OR_RETURN(const auto licensing, context.systems.licensing->Licensing());
  const v1::Product* product = roles::PrimaryProduct(licensing);
  Plan plan;
  if (product != nullptr && roles::IsKmsHost(*product)) {
    plan.refusal = absl::StrCat("this machine is a KMS host (key ending in ",
                                product->partial_key(), "): a client key would end its service");
    return plan;
  }
  const kms::Gvlk* gvlk = kms::GvlkForEdition(os.edition_id(), os.build());
  if (gvlk == nullptr) return EditionCannot(os);
  const std::string present = product == nullptr ? "" : product->partial_key();
  const std::string wanted(gvlk->partial_key);
  if (!absl::EqualsIgnoreCase(present, wanted)) plan.Add("partial_key", present, wanted);
  plan.apply = [&context, gvlk]() -> absl::StatusOr<Hresult> {
    KM_ASSIGN_OR_RETURN(const ProductKey key, ProductKey::Parse(gvlk->key));
    return context.systems.licensing->InstallKey(key);
  };
  return plan;
}

absl::StatusOr<Hresult> RestartMachine(ClientContext& context) {
  KM_RETURN_IF_ERROR(Annotate(context.systems.machine->Restart(),
                              "rearmed, but the machine does not restart; restart it by hand"));
  return 0;
}

// The parameter client_machine_id names the id that this machine must not keep; with it a repeated
// command finds its work done and does not spend another rearm. Nor does one that was cut off
// between the rearm and the restart.
Result ResetMachineId(ClientContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const auto licensing, context.systems.licensing->Licensing());
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  Plan plan;
  const std::string unwanted = Param(command, "client_machine_id");
  if (!unwanted.empty() && !absl::EqualsIgnoreCase(unwanted, client.client_machine_id())) {
    return plan;
  }
  KM_ASSIGN_OR_RETURN(const bool rearmed, context.systems.licensing->RearmPending());
  plan.seen_later = {"client_machine_id"};
  plan.restart_required = true;
  plan.note = "; the machine restarts";
  if (rearmed) {
    plan.Add("client_machine_id", client.client_machine_id(),
             "a new one: it is rearmed already, only the restart is missing");
    plan.compare_with_check = false;  // it is the second half of what was approved
    plan.apply = [&context] { return RestartMachine(context); };
    return plan;
  }
  if (licensing.has_windows_rearms_left() && licensing.windows_rearms_left() == 0) {
    plan.error_code = kNoRearmLeft;
    plan.refusal = absl::StrCat("no rearm is left: ", roles::DescribeError(kNoRearmLeft));
    return plan;
  }
  plan.Add("client_machine_id", client.client_machine_id(), "a new one");
  plan.apply = [&context]() -> absl::StatusOr<Hresult> {
    KM_ASSIGN_OR_RETURN(const Hresult done, context.systems.licensing->Rearm());
    return done != 0 ? done : RestartMachine(context);
  };
  return plan;
}

// Of a licensed client; nothing: not known, or not by KMS.
std::optional<absl::Time> ActivatedAt(const v1::Product& product) {
  if (!roles::IsKmsClient(product) || !product.has_expires_at()) return std::nullopt;
  return absl::FromUnixSeconds(product.expires_at().seconds() - kValiditySeconds);
}

bool IsOverdue(std::optional<absl::Time> activated, const v1::KmsClientSection& client,
               absl::Time now) {
  const int64_t interval = client.renewal_interval_minutes() == 0
                               ? kUsualRenewalMinutes
                               : client.renewal_interval_minutes();
  return activated.has_value() && now > *activated + 2 * absl::Minutes(interval);
}

absl::StatusOr<absl::Time> AfterParam(const v1::Command& command) {
  const std::string text = Param(command, "after");
  absl::Time after = absl::InfinitePast();
  std::string ignored;
  if (text.empty() || absl::ParseTime(absl::RFC3339_full, text, &after, &ignored)) return after;
  return absl::InvalidArgumentError(
      absl::StrCat("parameter after='", text, "' of activate: an instant as 2026-11-28T12:00:00Z"));
}

// The parameter after names an activation that does not count, by a host that nobody approved: with
// it only a newer one does.
Result Activate(ClientContext& context, const v1::Command& command) {
  KM_ASSIGN_OR_RETURN(const absl::Time after, AfterParam(command));
  KM_ASSIGN_OR_RETURN(const v1::Product product, RequireProduct(context));
  KM_ASSIGN_OR_RETURN(const auto client, context.systems.licensing->Client());
  const std::optional<absl::Time> activated = ActivatedAt(product);
  Plan plan;
  if (product.status() != v1::LICENSE_STATUS_LICENSED) {
    plan.Add("license_status", "not licensed", "licensed");
  } else if (IsOverdue(activated, client, context.clock.Now())) {
    plan.Add("activation", "renewal overdue", "renewed");
  } else if (activated.has_value() && *activated <= after + kActivationWobble) {
    plan.Add("activation", absl::FormatTime(absl::RFC3339_sec, *activated, absl::UTCTimeZone()),
             "a newer one");
  }
  // An attempt does nothing that was not approved, whatever key or host the steps before it set.
  plan.compare_with_check = false;
  plan.apply = [&context, id = product.activation_id()] {
    return context.systems.licensing->Activate(id);
  };
  plan.explain = [&context](Hresult hresult) -> std::string {
    if (hresult != kNoHostAnswered) return "";
    const auto attempt = context.newest_attempt();
    if (!attempt || attempt->error() == 0 || attempt->error() == hresult) return "";
    return absl::StrCat("; the attempt itself ended with ", roles::DescribeError(attempt->error()));
  };
  return plan;
}

constexpr roles::Action<ClientContext> kActions[] = {
    {"ensure_clock", EnsureClock},
    {"ensure_activation_type", EnsureActivationType},
    {"ensure_discovery", EnsureDiscovery},
    {"ensure_host", EnsureHost},
    {"ensure_host_caching", EnsureHostCaching},
    {"ensure_client_key", EnsureClientKey},
    {"reset_machine_id", ResetMachineId},
    {"activate", Activate},
};

}  // namespace

std::vector<std::string> ClientActionNames() {
  std::vector<std::string> names;
  for (const auto& action : kActions) names.emplace_back(action.name);
  return names;
}

v1::CommandResult RunClientAction(ClientContext& context, const v1::Command& command) {
  return roles::RunAction(kActions, context, command);
}

}  // namespace keymedic
