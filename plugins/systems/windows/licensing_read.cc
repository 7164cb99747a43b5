// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/licensing_read.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace keymedic::systems {
namespace {

using Columns = std::vector<std::string>;

constexpr char kWindows[] = "55c92734-d682-4d71-983e-d6ec3f16059f";
constexpr uint32_t kDefaultPort = 1688;
constexpr int64_t kLogHoursStep = 24;
constexpr int64_t kLogHoursMost = 720;

const Columns& Keep(Columns columns) { return *new Columns(std::move(columns)); }

Columns Join(Columns columns, const Columns& more) {
  columns.insert(columns.end(), more.begin(), more.end());
  return columns;
}

// As slmgr does: the product's own value where it has one, else the machine's.
std::optional<int64_t> NumberOf(const WmiRow* product, const WmiRow& service,
                                const std::string& name) {
  if (product != nullptr) {
    if (const auto number = product->Number(name)) return number;
  }
  return service.Number(name);
}

std::string TextOf(const WmiRow* product, const WmiRow& service, const std::string& name) {
  const std::string own = product == nullptr ? "" : product->Text(name).value_or("");
  return own.empty() ? service.Text(name).value_or("") : own;
}

bool EitherHas(const WmiRow* product, const WmiRow& service, const std::string& name) {
  return service.Has(name) || (product != nullptr && product->Has(name));
}

const Columns kRequestColumns = {
    "KeyManagementServiceTotalRequests",           "KeyManagementServiceFailedRequests",
    "KeyManagementServiceUnlicensedRequests",      "KeyManagementServiceLicensedRequests",
    "KeyManagementServiceOOBGraceRequests",        "KeyManagementServiceOOTGraceRequests",
    "KeyManagementServiceNonGenuineGraceRequests", "KeyManagementServiceNotificationRequests"};
using SetCount = void (v1::KmsHostSection::*)(uint64_t);
constexpr SetCount kRequestFields[] = {&v1::KmsHostSection::set_total_requests,
                                       &v1::KmsHostSection::set_failed_requests,
                                       &v1::KmsHostSection::set_requests_unlicensed,
                                       &v1::KmsHostSection::set_requests_licensed,
                                       &v1::KmsHostSection::set_requests_initial_grace,
                                       &v1::KmsHostSection::set_requests_additional_grace,
                                       &v1::KmsHostSection::set_requests_non_genuine_grace,
                                       &v1::KmsHostSection::set_requests_notification};

bool IsWindows(const WmiRow& product) {
  return absl::EqualsIgnoreCase(product.Text("ApplicationID").value_or(kWindows), kWindows);
}

void FillDiscovered(const WmiRow* product, const WmiRow& service, v1::KmsClientSection& client) {
  if (EitherHas(product, service, "DiscoveredKeyManagementServiceMachineName")) {
    client.set_discovered_host(
        TextOf(product, service, "DiscoveredKeyManagementServiceMachineName"));
  }
  const auto port = NumberOf(product, service, "DiscoveredKeyManagementServiceMachinePort");
  if (port.value_or(0) != 0 && !client.discovered_host().empty()) {
    client.set_discovered_port(static_cast<uint32_t>(*port));
  }
  const std::string address =
      TextOf(product, service, "DiscoveredKeyManagementServiceMachineIpAddress");
  if (!address.empty()) client.set_host_address(address);
}

}  // namespace

const Columns& ServiceColumns() {
  static const Columns& columns = Keep({"Version", "RemainingWindowsReArmCount"});
  return columns;
}
const Columns& ServiceClientColumns() {
  static const Columns& columns = Keep(
      {"Version", "ClientMachineID", "KeyManagementServiceMachine", "KeyManagementServicePort",
       "KeyManagementServiceLookupDomain", "KeyManagementServiceHostCaching",
       "VLActivationInterval", "VLRenewalInterval", "DiscoveredKeyManagementServiceMachineName",
       "DiscoveredKeyManagementServiceMachinePort",
       "DiscoveredKeyManagementServiceMachineIpAddress"});
  return columns;
}
const Columns& ServiceHostColumns() {
  static const Columns& columns =
      Keep(Join({"Version", "IsKeyManagementServiceMachine", "KeyManagementServiceListeningPort",
                 "KeyManagementServiceDnsPublishing", "KeyManagementServiceLowPriority",
                 "KeyManagementServiceCurrentCount"},
                kRequestColumns));
  return columns;
}
const Columns& ServiceOverrideColumns() {
  static const Columns& columns =
      Keep({"Version", "KeyManagementServiceMachine", "KeyManagementServicePort"});
  return columns;
}
const Columns& ProductColumns() {
  static const Columns& columns =
      Keep({"ID", "Name", "Description", "ApplicationID", "PartialProductKey", "ProductKeyID",
            "ProductKeyChannel", "LicenseIsAddon", "LicenseStatus", "LicenseStatusReason",
            "GracePeriodRemaining", "EvaluationEndDate", "GenuineStatus", "RemainingAppReArmCount",
            "RemainingSkuReArmCount"});
  return columns;
}
const Columns& ProductClientColumns() {
  static const Columns& columns =
      Keep({"ID", "Description", "ApplicationID", "PartialProductKey", "LicenseIsAddon",
            "KeyManagementServiceMachine", "KeyManagementServicePort",
            "KeyManagementServiceLookupDomain", "DiscoveredKeyManagementServiceMachineName",
            "DiscoveredKeyManagementServiceMachinePort",
            "DiscoveredKeyManagementServiceMachineIpAddress", "KeyManagementServiceProductKeyID",
            "VLActivationInterval", "VLRenewalInterval", "VLActivationTypeEnabled",
            "VLActivationType", "ADActivationObjectName"});
  return columns;
}
const Columns& ProductHostColumns() {
  static const Columns& columns =
      Keep(Join({"ID", "Description", "ApplicationID", "PartialProductKey", "LicenseIsAddon",
                 "IsKeyManagementServiceMachine", "KeyManagementServiceCurrentCount"},
                kRequestColumns));
  return columns;
}
const Columns& ProductKeyColumns() {
  static const Columns& columns = Keep({"ID", "Description", "ApplicationID", "PartialProductKey",
                                        "LicenseIsAddon", "LicenseStatus"});
  return columns;
}

std::optional<int64_t> CountOf(std::optional<int64_t> number) {
  return number == int64_t{UINT32_MAX} ? std::nullopt : number;
}

std::string ChannelOfRow(const WmiRow& product) {
  return ChannelOf(product.Text("Description").value_or(""));
}

const WmiRow* PrimaryRow(const std::vector<WmiRow>& products) {
  for (const WmiRow& product : products) {
    const bool keyed = !product.Text("PartialProductKey").value_or("").empty();
    if (keyed && IsWindows(product) && !product.Flag("LicenseIsAddon").value_or(false)) {
      return &product;
    }
  }
  return nullptr;
}

const WmiRow* HostRow(const std::vector<WmiRow>& products) {
  const WmiRow* found = nullptr;
  for (const WmiRow& product : products) {
    if (!IsKmsHostChannel(ChannelOfRow(product))) continue;
    if (IsWindows(product)) return &product;
    if (found == nullptr) found = &product;
  }
  return found;
}

bool IsHost(const WmiRow& service, const WmiRow* host_product) {
  return host_product != nullptr || service.Flag("IsKeyManagementServiceMachine").value_or(false);
}

void FillProduct(const WmiRow& row, absl::Time now, ExpiryMemory& memory, v1::Product& product) {
  const auto text = [&](const char* name, void (v1::Product::*set)(const std::string&)) {
    if (const auto value = row.Text(name)) (product.*set)(*value);
  };
  product.set_activation_id(absl::AsciiStrToLower(row.Text("ID").value_or("")));
  if (const auto id = row.Text("ApplicationID")) {
    product.set_application_id(absl::AsciiStrToLower(*id));
  }
  text("Name", &v1::Product::set_name<const std::string&>);
  text("Description", &v1::Product::set_description<const std::string&>);
  text("ProductKeyChannel", &v1::Product::set_key_channel<const std::string&>);
  text("ProductKeyID", &v1::Product::set_extended_pid<const std::string&>);
  const std::string channel = ChannelOfRow(row);
  if (!channel.empty()) product.set_channel(channel);
  const std::string key = row.Text("PartialProductKey").value_or("");
  product.set_partial_key(key.size() > 5 ? key.substr(key.size() - 5) : key);
  product.set_status(StatusOf(row.Number("LicenseStatus")));
  if (const auto reason = row.Number("LicenseStatusReason")) {
    product.set_status_reason(static_cast<uint32_t>(*reason));
  }
  if (const auto minutes = row.Number("GracePeriodRemaining")) {
    product.set_permanent(product.status() == v1::LICENSE_STATUS_LICENSED && *minutes == 0);
    if (*minutes > 0) {
      const absl::Time end = memory.Remember(product.activation_id(), now, *minutes);
      product.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(end));
    }
  }
  if (const auto end = ParseWmiTime(row.Text("EvaluationEndDate").value_or(""))) {
    product.mutable_evaluation_ends_at()->set_seconds(absl::ToUnixSeconds(*end));
  }
  auto rearms = CountOf(row.Number("RemainingSkuReArmCount"));
  if (!rearms.has_value()) rearms = CountOf(row.Number("RemainingAppReArmCount"));
  if (rearms.has_value()) product.set_rearms_left(static_cast<uint32_t>(*rearms));
  if (const auto addon = row.Flag("LicenseIsAddon")) product.set_is_addon(*addon);
  if (const auto genuine = row.Number("GenuineStatus")) product.set_genuine(*genuine == 0);
}

v1::KmsClientSection MakeClient(const WmiRow& service, const WmiRow* product) {
  v1::KmsClientSection client;
  if (const auto id = service.Text("ClientMachineID")) {
    client.set_client_machine_id(absl::AsciiStrToLower(*id));
  }
  client.set_registered_host(TextOf(product, service, "KeyManagementServiceMachine"));
  const auto port = NumberOf(product, service, "KeyManagementServicePort");
  const bool of_product =
      product != nullptr && !product->Text("KeyManagementServiceMachine").value_or("").empty();
  const auto registered = of_product ? port : service.Number("KeyManagementServicePort");
  if (registered.value_or(0) != 0) client.set_registered_port(static_cast<uint32_t>(*registered));
  const std::string domain = TextOf(product, service, "KeyManagementServiceLookupDomain");
  if (!domain.empty()) client.set_lookup_domain(domain);
  FillDiscovered(product, service, client);
  if (const auto caching = service.Flag("KeyManagementServiceHostCaching")) {
    client.set_host_caching(*caching);
  }
  if (const auto minutes = NumberOf(product, service, "VLActivationInterval")) {
    client.set_activation_interval_minutes(static_cast<uint32_t>(*minutes));
  }
  if (const auto minutes = NumberOf(product, service, "VLRenewalInterval")) {
    client.set_renewal_interval_minutes(static_cast<uint32_t>(*minutes));
  }
  if (product == nullptr) return client;
  const std::string pid = product->Text("KeyManagementServiceProductKeyID").value_or("");
  if (!pid.empty()) client.set_host_extended_pid(pid);
  if (const auto type = ActivationTypeOf(product->Number("VLActivationTypeEnabled"))) {
    client.set_activation_type(*type);
  }
  // 0 is "all", which nothing can have been activated by: never activated.
  const auto last = ActivationTypeOf(product->Number("VLActivationType"));
  if (last.has_value() && *last != v1::ACTIVATION_TYPE_ALL) client.set_last_activation_type(*last);
  const std::string object = product->Text("ADActivationObjectName").value_or("");
  if (!object.empty()) client.set_activation_object(object);
  return client;
}

v1::KmsHostSection MakeHost(const WmiRow& service, const WmiRow* product) {
  v1::KmsHostSection host;
  if (const auto enabled = NumberOf(product, service, "IsKeyManagementServiceMachine")) {
    host.set_enabled(*enabled != 0);
  }
  if (service.Has("KeyManagementServiceListeningPort")) {
    const auto port = service.Number("KeyManagementServiceListeningPort").value_or(0);
    host.set_listening_port(port == 0 ? kDefaultPort : static_cast<uint32_t>(port));
  }
  if (const auto publishing = service.Flag("KeyManagementServiceDnsPublishing")) {
    host.set_dns_publishing(*publishing);
  }
  if (const auto low = service.Flag("KeyManagementServiceLowPriority")) {
    host.set_low_priority(*low);
  }
  // A uint32 that says -1 for "not a host, or nobody asked yet".
  if (const auto count = NumberOf(product, service, "KeyManagementServiceCurrentCount")) {
    host.set_current_count(static_cast<int32_t>(static_cast<uint32_t>(*count)));
  }
  for (size_t i = 0; i < kRequestColumns.size(); ++i) {
    if (const auto requests = CountOf(NumberOf(product, service, kRequestColumns[i]))) {
      (host.*kRequestFields[i])(static_cast<uint64_t>(*requests));
    }
  }
  return host;
}

void FillLog(const ChannelState& log, absl::Time now, v1::KmsHostSection& host) {
  host.set_log_max_bytes(log.max_bytes);
  host.set_log_full(log.full);
  if (!log.oldest.has_value()) return;
  const int64_t hours = absl::ToInt64Hours(now - *log.oldest);
  const int64_t bucket = hours < kLogHoursStep ? hours : hours / kLogHoursStep * kLogHoursStep;
  host.set_log_hours_held(static_cast<uint32_t>(std::clamp<int64_t>(bucket, 0, kLogHoursMost)));
}

}  // namespace keymedic::systems
