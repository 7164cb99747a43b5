// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/product_key.h"
#include "base/times.h"
#include "tests/windows/doubles/lab_machine.h"
#include "tests/windows/doubles/licensing_classes.h"
#include "tests/windows/doubles/providers.h"

namespace keymedic::doubles {
namespace {

constexpr char kWindows[] = "55c92734-d682-4d71-983e-d6ec3f16059f";
constexpr char kOffice[] = "0ff1ce15-a989-479d-af46-f275c6370663";
constexpr char kNever[] = "16010101000000.000000-000";
constexpr int64_t kNoCount = 0xFFFFFFFF;
constexpr int64_t kUnknownStatus = 42;
constexpr systems::Hresult kInvalidKey = 0xC004F050;

// What a machine says of itself, asked at once.
struct State {
  v1::LicensingSection licensing;
  v1::KmsClientSection client;
  std::optional<v1::KmsHostSection> host;
};

absl::Status ReadState(systems::Systems& machine, State& state) {
  const auto licensing = machine.licensing->Licensing();
  if (!licensing.ok()) return licensing.status();
  const auto client = machine.licensing->Client();
  if (!client.ok()) return client.status();
  const auto host = machine.licensing->Host();
  if (!host.ok() && !absl::IsNotFound(host.status())) return host.status();
  state.licensing = *licensing;
  state.client = *client;
  if (host.ok()) state.host = *host;
  return absl::OkStatus();
}

Value TextOrNull(const std::string& text) { return text.empty() ? Value() : Value(text); }
Value Number(uint64_t number) { return static_cast<int64_t>(number); }

std::string WmiTime(absl::Time time) {
  return absl::FormatTime("%Y%m%d%H%M%S.000000+000", time, absl::UTCTimeZone());
}

// Of who is no host WMI says -1, as of a host that nobody asked.
void FillCounters(const v1::KmsHostSection* host, Values& row) {
  const auto count = [&](const char* kind, uint64_t number) {
    row[absl::StrCat("KeyManagementService", kind, "Requests")] =
        host == nullptr ? Value(kNoCount) : Number(number);
  };
  const v1::KmsHostSection none;
  const v1::KmsHostSection& of = host == nullptr ? none : *host;
  row["IsKeyManagementServiceMachine"] = Number(host == nullptr ? 0 : 1);
  row["KeyManagementServiceCurrentCount"] =
      host == nullptr ? Value(kNoCount) : Number(static_cast<uint32_t>(of.current_count()));
  count("Total", of.total_requests());
  count("Failed", of.failed_requests());
  count("Unlicensed", of.requests_unlicensed());
  count("Licensed", of.requests_licensed());
  count("OOBGrace", of.requests_initial_grace());
  count("OOTGrace", of.requests_additional_grace());
  count("NonGenuineGrace", of.requests_non_genuine_grace());
  count("Notification", of.requests_notification());
}

void FillFound(const v1::KmsClientSection& client, Values& row) {
  row["DiscoveredKeyManagementServiceMachineName"] = TextOrNull(client.discovered_host());
  row["DiscoveredKeyManagementServiceMachinePort"] = Number(client.discovered_port());
  row["DiscoveredKeyManagementServiceMachineIpAddress"] = TextOrNull(client.host_address());
  row["VLActivationInterval"] = Number(client.activation_interval_minutes());
  row["VLRenewalInterval"] = Number(client.renewal_interval_minutes());
}

Values ServiceRow(const State& state) {
  const v1::KmsClientSection& client = state.client;
  Values row;
  row["Version"] = state.licensing.service_version();
  row["ClientMachineID"] = TextOrNull(client.client_machine_id());
  row["KeyManagementServiceMachine"] = TextOrNull(client.registered_host());
  row["KeyManagementServicePort"] = Number(client.registered_port());
  row["KeyManagementServiceLookupDomain"] = TextOrNull(client.lookup_domain());
  row["KeyManagementServiceHostCaching"] = client.host_caching();
  row["RemainingWindowsReArmCount"] = Number(state.licensing.windows_rearms_left());
  row["RequiredClientCount"] = kNoCount;
  row["PolicyCacheRefreshRequired"] = Number(0);
  row["TokenActivationILVID"] = kNoCount;
  FillFound(client, row);
  const v1::KmsHostSection* host = state.host ? &*state.host : nullptr;
  FillCounters(host, row);
  row["KeyManagementServiceListeningPort"] = Number(host == nullptr ? 0 : host->listening_port());
  row["KeyManagementServiceDnsPublishing"] = host == nullptr || host->dns_publishing();
  row["KeyManagementServiceLowPriority"] = host != nullptr && host->low_priority();
  return row;
}

// Windows counts in whole minutes from now. The clock is that of the machine that asks, which is
// the real one, whatever the lab's says: the instant that the agent makes of it is then the lab's.
int64_t MinutesLeft(const v1::Product& product) {
  if (!product.has_expires_at()) return 0;
  const absl::Duration left = FromTimestamp(product.expires_at()) - absl::Now();
  return std::max<int64_t>(std::lround(absl::ToDoubleMinutes(left)), 1);
}

void FillClient(const v1::KmsClientSection& client, Values& row) {
  FillFound(client, row);
  row["KeyManagementServiceProductKeyID"] = TextOrNull(client.host_extended_pid());
  // WMI counts these from 0, the sections from 1.
  row["VLActivationTypeEnabled"] =
      Number(std::max(1, static_cast<int>(client.activation_type())) - 1);
  row["VLActivationType"] =
      Number(std::max(1, static_cast<int>(client.last_activation_type())) - 1);
  row["ADActivationObjectName"] = TextOrNull(client.activation_object());
}

Values ProductRow(const v1::Product& product, const State& state) {
  Values row;
  row["ID"] = product.activation_id();
  row["Name"] = product.name();
  row["Description"] = product.description();
  row["ApplicationID"] = product.application_id();
  row["PartialProductKey"] = TextOrNull(product.partial_key());
  row["ProductKeyID"] = TextOrNull(product.extended_pid());
  row["ProductKeyChannel"] = TextOrNull(product.key_channel());
  row["LicenseIsAddon"] = product.is_addon();
  row["LicenseStatus"] =
      HasFault("unknown-status") ? Value(kUnknownStatus) : Number(product.status() - 1);
  row["LicenseStatusReason"] = Number(product.status_reason());
  row["GracePeriodRemaining"] = MinutesLeft(product);
  row["EvaluationEndDate"] = product.has_evaluation_ends_at()
                                 ? WmiTime(FromTimestamp(product.evaluation_ends_at()))
                                 : std::string(kNever);
  row["TrustedTime"] = WmiTime(absl::Now());
  row["GenuineStatus"] = Number(product.genuine() ? 0 : 1);
  row["ExtendedGrace"] = kNoCount;
  row["RemainingAppReArmCount"] = Number(product.rearms_left());
  row["RemainingSkuReArmCount"] = Number(product.rearms_left());
  row["KeyManagementServicePort"] = Number(0);
  row["RequiredClientCount"] = kNoCount;
  const bool host_key = product.key_channel() == "Volume:CSVLK" && state.host.has_value();
  FillCounters(host_key ? &*state.host : nullptr, row);
  FillClient(state.client, row);
  return row;
}

// Windows knows hundreds of products that nobody installed; a query that does not say so gets them.
void AddUninstalled(std::vector<Values>& rows) {
  const State nothing;
  for (int i = 0; i < 12; ++i) {
    v1::Product product;
    product.set_activation_id(absl::StrCat("00000000-0000-4000-8000-0000000000", 10 + i));
    product.set_application_id(i % 2 == 0 ? kWindows : kOffice);
    product.set_name("A product that is not installed");
    product.set_description("Windows(R) Operating System, VOLUME_KMSCLIENT channel");
    product.set_status(v1::LICENSE_STATUS_UNLICENSED);
    rows.push_back(ProductRow(product, nothing));
  }
}

HRESULT Read(const std::function<void(const State&)>& use) {
  State state;
  const absl::Status status =
      WithLabMachine([&](systems::Systems& machine) { return ReadState(machine, state); });
  if (!status.ok()) return ToHresult(status);
  use(state);
  return WBEM_S_NO_ERROR;
}

HRESULT ServiceRows(std::vector<Values>& rows) {
  return Read([&](const State& state) { rows.push_back(ServiceRow(state)); });
}

HRESULT ProductRows(std::vector<Values>& rows) {
  return Read([&](const State& state) {
    for (const v1::Product& product : state.licensing.products())
      rows.push_back(ProductRow(product, state));
    AddUninstalled(rows);
  });
}

struct Call {
  systems::Systems& machine;
  const Values& keys;
  const Values& arguments;

  systems::LicensingSystem& licensing() const { return *machine.licensing; }
  std::string Text() const { return std::get<std::string>(arguments.begin()->second); }
  uint32_t Number() const {
    return static_cast<uint32_t>(std::get<int64_t>(arguments.begin()->second));
  }
  bool Flag() const { return std::get<bool>(arguments.begin()->second); }
};
using Result = absl::StatusOr<systems::Hresult>;
using Method = Result (*)(const Call&);

Result InstallProductKey(const Call& call) {
  systems::Hresult refusal = 0;
  if (absl::SimpleHexAtoi(FaultValue("refuse"), &refusal)) return refusal;
  const auto key = ProductKey::Parse(call.Text());
  if (!key.ok()) return kInvalidKey;
  return call.licensing().InstallKey(*key);
}

// Windows keeps name and port apart, the lab as one setting.
Result SetHost(const Call& call, const std::string* name, std::optional<uint32_t> port) {
  const auto now = call.licensing().Client();
  if (!now.ok()) return now.status();
  const std::string& host = name == nullptr ? now->registered_host() : *name;
  if (host.empty()) return 0;  // a port without a name changes nothing in a lab
  return call.licensing().SetKmsHost(host, port.value_or(now->registered_port()));
}

Result SetMachine(const Call& call) {
  const std::string name = call.Text();
  return SetHost(call, &name, std::nullopt);
}
Result SetPort(const Call& call) { return SetHost(call, nullptr, call.Number()); }
Result ClearMachine(const Call& call) { return call.licensing().ClearKmsHost(); }
Result ClearPort(const Call& call) { return SetHost(call, nullptr, 0); }
Result DisableCaching(const Call& call) { return call.licensing().SetHostCaching(!call.Flag()); }
Result SetListeningPort(const Call& call) {
  return call.licensing().SetListeningPort(call.Number());
}
Result DisablePublishing(const Call& call) {
  return call.licensing().SetDnsPublishing(!call.Flag());
}
Result SetActivationType(const Call& call) {
  return call.licensing().SetActivationType(static_cast<v1::ActivationType>(call.Number() + 1));
}
Result ClearActivationType(const Call& call) {
  return call.licensing().SetActivationType(v1::ACTIVATION_TYPE_ALL);
}
Result ReArm(const Call& call) { return call.licensing().Rearm(); }
Result Nothing(const Call&) { return 0; }
Result Activate(const Call& call) {
  return call.licensing().Activate(std::get<std::string>(call.keys.find("ID")->second));
}

using Methods = std::map<std::string, Method>;

const Methods& ServiceMethods() {
  static const auto* const methods = new Methods{
      {"InstallProductKey", InstallProductKey},
      {"RefreshLicenseStatus", Nothing},
      {"SetKeyManagementServiceMachine", SetMachine},
      {"SetKeyManagementServicePort", SetPort},
      {"ClearKeyManagementServiceMachine", ClearMachine},
      {"ClearKeyManagementServicePort", ClearPort},
      {"DisableKeyManagementServiceHostCaching", DisableCaching},
      {"SetKeyManagementServiceListeningPort", SetListeningPort},
      {"DisableKeyManagementServiceDnsPublishing", DisablePublishing},
      {"SetVLActivationTypeEnabled", SetActivationType},
      {"ClearVLActivationTypeEnabled", ClearActivationType},
      {"ReArmWindows", ReArm},
  };
  return *methods;
}

const Methods& ProductMethods() {
  // What one product has beside the machine's settings, a lab does not have: clearing it is done.
  static const auto* const methods = new Methods{
      {"Activate", Activate},
      {"ClearKeyManagementServiceMachine", Nothing},
      {"ClearKeyManagementServicePort", Nothing},
      {"SetVLActivationTypeEnabled", SetActivationType},
      {"ClearVLActivationTypeEnabled", ClearActivationType},
  };
  return *methods;
}

HRESULT CallOne(const Methods& methods, const std::string& name, const Values& keys,
                const Values& arguments) {
  const auto method = methods.find(name);
  if (method == methods.end()) return static_cast<HRESULT>(WBEM_E_METHOD_NOT_IMPLEMENTED);
  return Do([&](systems::Systems& machine) {
    return method->second(Call{machine, keys, arguments});
  });
}

}  // namespace

std::vector<Provider> MakeLicensingProviders(bool old) {
  std::vector<Provider> providers(2);
  providers[0] = {.definition = ServiceClass(old), .rows = ServiceRows};
  providers[0].call = [](const std::string& name, const Values& keys, const Values& arguments) {
    return CallOne(ServiceMethods(), name, keys, arguments);
  };
  providers[1] = {.definition = ProductClass(old), .rows = ProductRows};
  providers[1].call = [](const std::string& name, const Values& keys, const Values& arguments) {
    return CallOne(ProductMethods(), name, keys, arguments);
  };
  return providers;
}

}  // namespace keymedic::doubles
