// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/licensing.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "plugins/systems/windows/licensing_read.h"

namespace keymedic::systems {
namespace {

constexpr char kWithKey[] = "PartialProductKey <> null";

// The licensing classes of one family: Windows' own, which newer Office uses too, and those that
// Office 2010 brings along.
struct Family {
  const char* product;
  const char* service;
};
constexpr Family kWindowsFamily = {kProductClass, kServiceClass};
constexpr Family kOldOfficeFamily = {"OfficeSoftwareProtectionProduct",
                                     "OfficeSoftwareProtectionService"};

class WindowsLicensing final : public LicensingSystem {
 public:
  explicit WindowsLicensing(LicensingParts parts) : parts_(std::move(parts)) {}

  absl::StatusOr<v1::LicensingSection> Licensing() override;
  absl::StatusOr<v1::KmsClientSection> Client() override;
  absl::StatusOr<v1::KmsHostSection> Host() override;

  absl::StatusOr<Hresult> InstallKey(const ProductKey& key) override;
  absl::StatusOr<Hresult> Activate(absl::string_view activation_id) override;
  absl::StatusOr<Hresult> SetKmsHost(absl::string_view host, uint32_t port) override;
  absl::StatusOr<Hresult> ClearKmsHost() override;
  absl::StatusOr<Hresult> SetActivationType(v1::ActivationType type) override;
  // Both methods switch the thing off, so they are told the opposite.
  absl::StatusOr<Hresult> SetHostCaching(bool enabled) override {
    return CallService("DisableKeyManagementServiceHostCaching", {!enabled});
  }
  absl::StatusOr<Hresult> SetDnsPublishing(bool enabled) override {
    return CallService("DisableKeyManagementServiceDnsPublishing", {!enabled});
  }
  absl::StatusOr<Hresult> SetListeningPort(uint32_t port) override {
    return CallService("SetKeyManagementServiceListeningPort", {port});
  }
  absl::StatusOr<Hresult> Rearm() override;
  absl::StatusOr<bool> RearmPending() override;

 private:
  using Arguments = std::vector<WmiArgument>;
  struct Found {
    const Family* family;
    WmiRow row;
  };

  absl::StatusOr<WmiRow> Service(const std::vector<std::string>& columns,
                                 const Family& family = kWindowsFamily);
  absl::StatusOr<std::vector<WmiRow>> Products(const std::vector<std::string>& columns,
                                               const Family& family = kWindowsFamily);
  // Of a class that this Windows may not have, or not whole: none.
  absl::StatusOr<std::vector<WmiRow>> OldOffice(const std::vector<std::string>& columns);
  absl::StatusOr<Found> FindProduct(absl::string_view activation_id);

  absl::StatusOr<Hresult> CallService(const std::string& method, Arguments arguments = {},
                                      const Family& family = kWindowsFamily);
  absl::StatusOr<Hresult> CallProduct(const Found& product, const std::string& method,
                                      Arguments arguments = {});
  absl::StatusOr<Hresult> SetPort(uint32_t port);
  absl::StatusOr<Hresult> ClearOverrideOfProduct(const std::string& but_host);
  void NoteHostVersion();

  const LicensingParts parts_;
  ExpiryMemory expiries_;
};

std::string PathOf(const WmiRow& row, const char* class_name, const char* key) {
  if (!row.path().empty()) return row.path();
  return absl::StrCat(class_name, ".", key, "=\"", row.Text(key).value_or(""), "\"");
}

// The second step is taken only if the first was not refused.
bool Refused(const absl::StatusOr<Hresult>& done) { return !done.ok() || *done != 0; }

absl::StatusOr<WmiRow> WindowsLicensing::Service(const std::vector<std::string>& columns,
                                                 const Family& family) {
  KM_ASSIGN_OR_RETURN(auto rows,
                      parts_.wmi->Query({.class_name = family.service, .columns = columns}));
  if (rows.empty()) {
    return absl::UnavailableError(absl::StrCat("WMI has no instance of ", family.service,
                                               ": is the service sppsvc disabled?"));
  }
  return std::move(rows.front());
}

absl::StatusOr<std::vector<WmiRow>> WindowsLicensing::Products(
    const std::vector<std::string>& columns, const Family& family) {
  return parts_.wmi->Query({.class_name = family.product, .columns = columns, .where = kWithKey});
}

absl::StatusOr<std::vector<WmiRow>> WindowsLicensing::OldOffice(
    const std::vector<std::string>& columns) {
  auto rows = Products(columns, kOldOfficeFamily);
  // What an Office that was removed leaves of them has no provider, or a disabled service.
  if (absl::IsUnimplemented(rows.status()) || absl::IsUnavailable(rows.status())) {
    return std::vector<WmiRow>();
  }
  return rows;
}

absl::StatusOr<v1::LicensingSection> WindowsLicensing::Licensing() {
  KM_ASSIGN_OR_RETURN(const WmiRow service, Service(ServiceColumns()));
  KM_ASSIGN_OR_RETURN(std::vector<WmiRow> products, Products(ProductColumns()));
  KM_ASSIGN_OR_RETURN(std::vector<WmiRow> office, OldOffice(ProductColumns()));
  v1::LicensingSection section;
  if (const auto version = service.Text("Version")) section.set_service_version(*version);
  if (const auto rearms = CountOf(service.Number("RemainingWindowsReArmCount"))) {
    section.set_windows_rearms_left(static_cast<uint32_t>(*rearms));
  }
  const absl::Time now = parts_.clock->Now();
  for (const auto* rows : {&products, &office}) {
    for (const WmiRow& row : *rows) FillProduct(row, now, expiries_, *section.add_products());
  }
  return section;
}

absl::StatusOr<v1::KmsClientSection> WindowsLicensing::Client() {
  KM_ASSIGN_OR_RETURN(const WmiRow service, Service(ServiceClientColumns()));
  KM_ASSIGN_OR_RETURN(const auto products, Products(ProductClientColumns()));
  return MakeClient(service, PrimaryRow(products));
}

absl::StatusOr<v1::KmsHostSection> WindowsLicensing::Host() {
  KM_ASSIGN_OR_RETURN(const WmiRow service, Service(ServiceHostColumns()));
  KM_ASSIGN_OR_RETURN(const auto products, Products(ProductHostColumns()));
  const WmiRow* product = HostRow(products);
  if (!IsHost(service, product)) {
    return absl::NotFoundError(
        "this machine is not a KMS host: no product has a KMS host key (CSVLK)");
  }
  v1::KmsHostSection host = MakeHost(service, product);
  for (const std::string& line : parts_.publish_list()) {
    if (std::string domain = PublishDomain(line); !domain.empty()) {
      host.add_publish_domains(std::move(domain));
    }
  }
  // A log that cannot be asked leaves its fields unknown.
  if (const auto log = parts_.kms_log(); log.ok()) FillLog(*log, parts_.clock->Now(), host);
  return host;
}

absl::StatusOr<WindowsLicensing::Found> WindowsLicensing::FindProduct(
    absl::string_view activation_id) {
  KM_ASSIGN_OR_RETURN(const auto products, Products(ProductKeyColumns()));
  if (activation_id.empty()) {
    if (const WmiRow* primary = PrimaryRow(products)) return Found{&kWindowsFamily, *primary};
    return absl::NotFoundError("Windows has no product key on this machine: install one first");
  }
  KM_ASSIGN_OR_RETURN(const auto office, OldOffice(ProductKeyColumns()));
  for (const auto& [family, rows] :
       {std::pair(&kWindowsFamily, &products), std::pair(&kOldOfficeFamily, &office)}) {
    for (const WmiRow& row : *rows) {
      if (absl::EqualsIgnoreCase(row.Text("ID").value_or(""), activation_id)) {
        return Found{family, row};
      }
    }
  }
  return absl::NotFoundError(absl::StrCat("no product with a key has the activation id ",
                                          activation_id, " on this machine"));
}

absl::StatusOr<Hresult> WindowsLicensing::CallService(const std::string& method,
                                                      Arguments arguments, const Family& family) {
  KM_ASSIGN_OR_RETURN(const WmiRow service, Service({"Version"}, family));
  return parts_.wmi->Call({.class_name = family.service,
                           .path = PathOf(service, family.service, "Version"),
                           .method = method,
                           .arguments = std::move(arguments)});
}

absl::StatusOr<Hresult> WindowsLicensing::CallProduct(const Found& product,
                                                      const std::string& method,
                                                      Arguments arguments) {
  return parts_.wmi->Call({.class_name = product.family->product,
                           .path = PathOf(product.row, product.family->product, "ID"),
                           .method = method,
                           .arguments = std::move(arguments)});
}

absl::StatusOr<Hresult> WindowsLicensing::InstallKey(const ProductKey& key) {
  auto done = CallService("InstallProductKey", {key.reveal()});
  if (Refused(done)) return done;
  done = CallService("RefreshLicenseStatus");
  NoteHostVersion();
  return done;
}

// Hosts of old tell their version by a value in the registry; nobody but other programs reads it,
// so what fails here fails silently.
void WindowsLicensing::NoteHostVersion() {
  const auto service = Service({"Version"});
  const auto products = Products(ProductKeyColumns());
  if (!service.ok() || !products.ok()) return;
  const bool host = HostRow(*products) != nullptr;
  parts_.note_host_version(host ? service->Text("Version").value_or("") : "").IgnoreError();
}

absl::StatusOr<Hresult> WindowsLicensing::Activate(absl::string_view activation_id) {
  KM_ASSIGN_OR_RETURN(const Found product, FindProduct(activation_id));
  const bool licensed =
      StatusOf(product.row.Number("LicenseStatus")) == v1::LICENSE_STATUS_LICENSED;
  // Each activation of a MAK is paid for.
  if (licensed && IsMakChannel(ChannelOfRow(product.row))) return 0;
  auto done = CallProduct(product, "Activate");
  if (!done.ok()) return done;
  const auto refreshed = CallService("RefreshLicenseStatus", {}, *product.family);
  return *done != 0 ? done : refreshed;
}

absl::StatusOr<Hresult> WindowsLicensing::SetPort(uint32_t port) {
  if (port == 0) return CallService("ClearKeyManagementServicePort");
  return CallService("SetKeyManagementServicePort", {port});
}

absl::StatusOr<Hresult> WindowsLicensing::SetKmsHost(absl::string_view host, uint32_t port) {
  KM_ASSIGN_OR_RETURN(const WmiRow before, Service(ServiceOverrideColumns()));
  auto done = CallService("SetKeyManagementServiceMachine", {std::string(host)});
  if (Refused(done)) return done;
  done = SetPort(port);
  if (!Refused(done)) return ClearOverrideOfProduct(std::string(host));
  // Half of a setting is worse than the old one.
  const std::string old = before.Text("KeyManagementServiceMachine").value_or("");
  const auto restored = old.empty() ? CallService("ClearKeyManagementServiceMachine")
                                    : CallService("SetKeyManagementServiceMachine", {old});
  if (!restored.ok()) return restored.status();
  return done;
}

absl::StatusOr<Hresult> WindowsLicensing::ClearKmsHost() {
  auto done = CallService("ClearKeyManagementServiceMachine");
  if (Refused(done)) return done;
  done = CallService("ClearKeyManagementServicePort");
  if (Refused(done)) return done;
  return ClearOverrideOfProduct("");
}

// A host that was set for one product only goes before the machine's and would defeat it. Where the
// product merely repeats the machine's value, nothing is done.
absl::StatusOr<Hresult> WindowsLicensing::ClearOverrideOfProduct(const std::string& but_host) {
  KM_ASSIGN_OR_RETURN(const auto products, Products(ProductClientColumns()));
  const WmiRow* primary = PrimaryRow(products);
  if (primary == nullptr) return 0;
  const std::string own = primary->Text("KeyManagementServiceMachine").value_or("");
  if (own.empty() || absl::EqualsIgnoreCase(own, but_host)) return 0;
  const Found product{&kWindowsFamily, *primary};
  auto done = CallProduct(product, "ClearKeyManagementServiceMachine");
  if (Refused(done)) return done;
  return CallProduct(product, "ClearKeyManagementServicePort");
}

absl::StatusOr<Hresult> WindowsLicensing::SetActivationType(v1::ActivationType type) {
  const auto number = static_cast<uint32_t>(type) - 1;
  const bool all = type == v1::ACTIVATION_TYPE_ALL;
  const std::string method = all ? "ClearVLActivationTypeEnabled" : "SetVLActivationTypeEnabled";
  const Arguments arguments = all ? Arguments{} : Arguments{number};
  auto done = CallService(method, arguments);
  if (Refused(done)) return done;
  // One that was set for the product itself goes before the machine's.
  KM_ASSIGN_OR_RETURN(const auto products, Products(ProductClientColumns()));
  const WmiRow* primary = PrimaryRow(products);
  if (primary == nullptr ||
      ActivationTypeOf(primary->Number("VLActivationTypeEnabled")).value_or(type) == type) {
    return done;
  }
  return CallProduct({&kWindowsFamily, *primary}, method, arguments);
}

// Marked before the call, so that whoever ends between the two leaves the mark: a restart too many
// is worth less than a rearm. For the same reason it stays when nobody knows how the call ended.
absl::StatusOr<Hresult> WindowsLicensing::Rearm() {
  KM_RETURN_IF_ERROR(Service({"Version"}).status());
  KM_RETURN_IF_ERROR(parts_.mark_rearm(true));
  auto done = CallService("ReArmWindows");
  const bool unknown =
      absl::IsUnavailable(done.status()) || absl::IsDeadlineExceeded(done.status());
  if (Refused(done) && !unknown) KM_RETURN_IF_ERROR(parts_.mark_rearm(false));
  return done;
}

absl::StatusOr<bool> WindowsLicensing::RearmPending() {
  KM_RETURN_IF_ERROR(Service({"Version"}).status());  // kUnimplemented where all else is
  return parts_.rearm_marked();
}

}  // namespace

std::unique_ptr<LicensingSystem> MakeWindowsLicensing(LicensingParts parts) {
  return std::make_unique<WindowsLicensing>(std::move(parts));
}

}  // namespace keymedic::systems
