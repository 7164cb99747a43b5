// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "absl/strings/strip.h"
#include "tests/windows/doubles/lab_machine.h"
#include "tests/windows/doubles/providers.h"
#include "tests/windows/doubles/wmi_model.h"

namespace keymedic::doubles {
namespace {

constexpr absl::string_view kLicensingSpace = "ROOT\\CIMV2";
constexpr absl::string_view kFirewallSpace = "ROOT\\StandardCimv2";

absl::string_view Local(absl::string_view name_space) {
  absl::ConsumePrefix(&name_space, "\\\\.\\");
  return name_space;
}

using ByName = std::map<std::string, Provider, IgnoringCase>;

ByName ToMap(std::vector<Provider> providers) {
  ByName map;
  for (Provider& provider : providers) map[provider.definition->name] = std::move(provider);
  return map;
}

}  // namespace

bool HasNamespace(absl::string_view name_space) {
  if (absl::EqualsIgnoreCase(Local(name_space), kLicensingSpace)) return true;
  return absl::EqualsIgnoreCase(Local(name_space), kFirewallSpace) && !HasFault("old-windows");
}

const Provider* FindProvider(absl::string_view name_space, absl::string_view class_name) {
  static auto* const now = new ByName(ToMap(MakeLicensingProviders(/*old=*/false)));
  static auto* const old = new ByName(ToMap(MakeLicensingProviders(/*old=*/true)));
  static auto* const firewall = new ByName(ToMap(MakeFirewallProviders()));
  if (!HasNamespace(name_space)) return nullptr;
  const ByName* classes = HasFault("old-windows") ? old : now;
  if (absl::EqualsIgnoreCase(Local(name_space), kFirewallSpace)) classes = firewall;
  const auto found = classes->find(class_name);
  if (found == classes->end()) return nullptr;
  if (HasFault("no-class") && found->first == "SoftwareLicensingService") return nullptr;
  return &found->second;
}

HRESULT ToHresult(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return WBEM_S_NO_ERROR;
    case absl::StatusCode::kNotFound:
      return static_cast<HRESULT>(WBEM_E_NOT_FOUND);
    case absl::StatusCode::kAlreadyExists:
      return static_cast<HRESULT>(WBEM_E_ALREADY_EXISTS);
    case absl::StatusCode::kInvalidArgument:
      return E_INVALIDARG;
    case absl::StatusCode::kFailedPrecondition:
      return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
    default:
      return HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE);
  }
}

HRESULT Do(const Change& change) {
  systems::Hresult refusal = 0;
  const absl::Status status = WithLabMachine([&](systems::Systems& machine) {
    const absl::StatusOr<systems::Hresult> done = change(machine);
    if (done.ok()) refusal = *done;
    return done.ok() ? absl::OkStatus() : done.status();
  });
  return status.ok() ? static_cast<HRESULT>(refusal) : ToHresult(status);
}

}  // namespace keymedic::doubles
