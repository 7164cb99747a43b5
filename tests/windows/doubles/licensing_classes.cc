// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/licensing_classes.h"

#include <initializer_list>
#include <utility>

namespace keymedic::doubles {
namespace {

using Names = std::initializer_list<const char*>;

class Builder {
 public:
  Builder(const char* name, const char* key) : made_(std::make_shared<Class>()) {
    made_->name = name;
    made_->properties.push_back({.name = key, .key = true});
  }
  Builder& Add(CIMTYPE type, Names names) {
    for (const char* name : names) made_->properties.push_back({.name = name, .type = type});
    return *this;
  }
  Builder& Method(const char* name, std::vector<Property> in = {}) {
    for (size_t i = 0; i < in.size(); ++i) in[i].id = static_cast<int>(i);
    made_->methods.push_back({.name = name, .in = std::move(in)});
    return *this;
  }
  Builder& Methods(Names names) {
    for (const char* name : names) Method(name);
    return *this;
  }
  ClassPtr Done() { return made_; }

 private:
  std::shared_ptr<Class> made_;
};

Property Text(const char* name) { return {.name = name, .type = CIM_STRING}; }
Property Number(const char* name) { return {.name = name, .type = CIM_UINT32}; }
Property Flag(const char* name) { return {.name = name, .type = CIM_BOOLEAN}; }

// Of both classes.
void AddCommon(Builder& builder) {
  builder.Add(CIM_STRING, {"KeyManagementServiceMachine", "KeyManagementServiceProductKeyID",
                           "TokenActivationILID", "TokenActivationCertificateThumbprint",
                           "TokenActivationAdditionalInfo"});
  builder.Add(
      CIM_UINT32,
      {"KeyManagementServicePort", "VLActivationInterval", "VLRenewalInterval",
       "IsKeyManagementServiceMachine", "KeyManagementServiceCurrentCount", "RequiredClientCount",
       "KeyManagementServiceUnlicensedRequests", "KeyManagementServiceLicensedRequests",
       "KeyManagementServiceOOBGraceRequests", "KeyManagementServiceOOTGraceRequests",
       "KeyManagementServiceNonGenuineGraceRequests", "KeyManagementServiceTotalRequests",
       "KeyManagementServiceFailedRequests", "KeyManagementServiceNotificationRequests",
       "TokenActivationILVID", "TokenActivationGrantNumber"});
  builder.Method("SetKeyManagementServiceMachine", {Text("MachineName")});
  builder.Method("SetKeyManagementServicePort", {Number("PortNumber")});
  builder.Methods({"ClearKeyManagementServiceMachine", "ClearKeyManagementServicePort"});
}

// Of both classes, since Windows 8 or 8.1.
void AddNewer(Builder& builder) {
  builder.Add(CIM_STRING, {"KeyManagementServiceLookupDomain",
                           "DiscoveredKeyManagementServiceMachineIpAddress"});
  builder.Method("SetKeyManagementServiceLookupDomain", {Text("LookupDomain")});
  builder.Method("SetVLActivationTypeEnabled", {Number("ActivationType")});
  builder.Methods({"ClearKeyManagementServiceLookupDomain", "ClearVLActivationTypeEnabled"});
}

}  // namespace

ClassPtr ServiceClass(bool old) {
  Builder builder("SoftwareLicensingService", "Version");
  AddCommon(builder);
  builder.Add(CIM_STRING, {"ClientMachineID"});
  builder.Add(CIM_UINT32, {"KeyManagementServiceListeningPort", "RemainingWindowsReArmCount",
                           "PolicyCacheRefreshRequired"});
  builder.Add(CIM_BOOLEAN, {"KeyManagementServiceDnsPublishing", "KeyManagementServiceLowPriority",
                            "KeyManagementServiceHostCaching"});
  if (old) {
    builder.Add(CIM_BOOLEAN, {"KeyManagementServiceActivationDisabled"});
  } else {
    AddNewer(builder);
    builder.Add(CIM_STRING, {"DiscoveredKeyManagementServiceMachineName", "OA3xOriginalProductKey",
                             "OA3xOriginalProductKeyDescription"});
    builder.Add(CIM_UINT32, {"DiscoveredKeyManagementServiceMachinePort"});
    builder.Method("ReArmApp", {Text("ApplicationId")});
  }
  builder.Method("InstallProductKey", {Text("ProductKey")});
  builder.Method("InstallLicense", {Text("License")});
  builder.Method("SetKeyManagementServiceListeningPort", {Number("PortNumber")});
  builder.Method("SetVLActivationInterval", {Number("ActivationInterval")});
  builder.Method("SetVLRenewalInterval", {Number("RenewalInterval")});
  builder.Method("DisableKeyManagementServiceHostCaching", {Flag("DisableCaching")});
  builder.Method("DisableKeyManagementServiceDnsPublishing", {Flag("DisablePublishing")});
  builder.Method("EnableKeyManagementServiceLowPriority", {Flag("EnableLowPriority")});
  builder.Methods({"RefreshLicenseStatus", "ReArmWindows", "ClearProductKeyFromRegistry",
                   "ClearKeyManagementServiceListeningPort"});
  return builder.Done();
}

ClassPtr ProductClass(bool old) {
  Builder builder("SoftwareLicensingProduct", "ID");
  AddCommon(builder);
  builder.Add(CIM_STRING, {"Name", "Description", "ApplicationID", "PartialProductKey",
                           "ProductKeyID", "ProcessorURL", "MachineURL", "ProductKeyURL",
                           "UseLicenseURL", "LicenseFamily", "LicenseDependsOn",
                           "OfflineInstallationId", "DiscoveredKeyManagementServiceMachineName"});
  builder.Add(CIM_UINT32,
              {"LicenseStatus", "LicenseStatusReason", "GracePeriodRemaining", "GenuineStatus",
               "ExtendedGrace", "DiscoveredKeyManagementServiceMachinePort"});
  builder.Add(CIM_BOOLEAN, {"LicenseIsAddon"});
  builder.Add(CIM_DATETIME, {"EvaluationEndDate", "TrustedTime"});
  if (!old) {
    AddNewer(builder);
    builder.Add(CIM_STRING,
                {"ProductKeyChannel", "ValidationURL", "ADActivationObjectName",
                 "ADActivationObjectDN", "ADActivationCsvlkPid", "ADActivationCsvlkSkuId"});
    builder.Add(CIM_UINT32, {"RemainingAppReArmCount", "RemainingSkuReArmCount",
                             "VLActivationTypeEnabled", "VLActivationType"});
    builder.Method("ReArmsku");
  }
  builder.Methods({"Activate", "UninstallProductKey"});
  builder.Method("DepositOfflineConfirmationId", {Text("InstallationId"), Text("ConfirmationId")});
  return builder.Done();
}

}  // namespace keymedic::doubles
