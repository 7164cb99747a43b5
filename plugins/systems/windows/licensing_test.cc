// SPDX-License-Identifier: Apache-2.0
//
// The licensing seam over a WMI that is a few rows in memory: a fake that answers each query with
// the columns that were asked for, and notes the method calls.
#include "plugins/systems/windows/licensing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace keymedic::systems {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Has the shape of a key and is none.
constexpr char kKey[] = "BCDFG-HJKMP-QRTVW-XY234-67K9P";
constexpr char kWindows[] = "55C92734-D682-4D71-983E-D6EC3F16059F";

using Values = std::map<std::string, WmiValue>;

class FakeWmi final : public Wmi {
 public:
  absl::StatusOr<std::vector<WmiRow>> Query(const WmiQuery& query) override {
    if (const auto status = broken.find(query.class_name); status != broken.end()) {
      return status->second;
    }
    const auto found = classes.find(query.class_name);
    if (found == classes.end()) return absl::UnimplementedError("no such class on this Windows");
    std::vector<WmiRow> rows;
    for (const Values& values : found->second) {
      Values selected;
      for (const std::string& column : query.columns) {
        if (const auto value = values.find(column); value != values.end()) selected.insert(*value);
      }
      rows.emplace_back(std::move(selected));
    }
    return rows;
  }

  absl::StatusOr<Hresult> Call(const WmiCall& call) override {
    std::string text = absl::StrCat(call.path, " ", call.method);
    for (const WmiArgument& argument : call.arguments) {
      if (const auto* word = std::get_if<std::string>(&argument))
        absl::StrAppend(&text, " ", *word);
      if (const auto* number = std::get_if<uint32_t>(&argument))
        absl::StrAppend(&text, " ", *number);
      if (const auto* flag = std::get_if<bool>(&argument))
        absl::StrAppend(&text, *flag ? " yes" : " no");
    }
    calls.push_back(std::move(text));
    if (const auto status = failing.find(call.method); status != failing.end()) {
      return status->second;
    }
    return refuse[call.method];
  }

  std::map<std::string, std::vector<Values>> classes;
  std::map<std::string, absl::Status> broken;   // by class
  std::map<std::string, Hresult> refuse;        // by method
  std::map<std::string, absl::Status> failing;  // by method
  std::vector<std::string> calls;
};

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1795703040);
};

class WindowsLicensingTest : public testing::Test {
 protected:
  WindowsLicensingTest() {
    service_() = {{"Version", std::string("10.0.1")},
                  {"RemainingWindowsReArmCount", int64_t{3}},
                  {"ClientMachineID", std::string("AAAAAAAA-0000-4000-8000-000000000001")},
                  {"KeyManagementServiceMachine", std::monostate()},
                  {"KeyManagementServicePort", int64_t{0}},
                  {"KeyManagementServiceHostCaching", true},
                  {"KeyManagementServiceListeningPort", int64_t{0}},
                  {"KeyManagementServiceDnsPublishing", true},
                  {"KeyManagementServiceCurrentCount", int64_t{0xFFFFFFFF}},
                  {"IsKeyManagementServiceMachine", int64_t{0}},
                  {"DiscoveredKeyManagementServiceMachineName", std::string()}};
    product_() = {
        {"ID", std::string("73111121-5638-40F6-BC11-F1D7B0D64300")},
        {"ApplicationID", std::string(kWindows)},
        {"Name", std::string("Windows(R), Enterprise edition")},
        {"Description", std::string("Windows(R) Operating System, VOLUME_KMSCLIENT channel")},
        {"PartialProductKey", std::string("2YT43")},
        {"LicenseIsAddon", false},
        {"LicenseStatus", int64_t{1}},
        {"LicenseStatusReason", int64_t{0x4004F040}},
        {"GracePeriodRemaining", int64_t{259200}},
        {"GenuineStatus", int64_t{0}},
        {"RemainingAppReArmCount", int64_t{3}},
        {"VLActivationTypeEnabled", int64_t{0}},
        {"VLActivationType", int64_t{2}},
        {"VLRenewalInterval", int64_t{10080}}};
    licensing_ = MakeWindowsLicensing(
        {.wmi = wmi_,
         .clock = clock_,
         .kms_log = [this] { return log_; },
         .publish_list = [] { return std::vector<std::string>{"contoso.example, 0, 10"}; },
         .note_host_version =
             [this](const std::string& version) {
               noted_.push_back(version);
               return absl::OkStatus();
             },
         .mark_rearm =
             [this](bool pending) {
               wmi_->calls.push_back(pending ? "marked" : "mark removed");
               marked_ = pending;
               return absl::OkStatus();
             },
         .rearm_marked = [this] { return marked_; }});
  }

  Values& service_() { return Only("SoftwareLicensingService"); }
  Values& product_() { return Only("SoftwareLicensingProduct"); }
  void MakeHost() {
    product_()["Description"] = std::string("Windows(R) Operating System, VOLUME_KMS_WS22 channel");
    product_()["KeyManagementServiceCurrentCount"] = int64_t{12};
    product_()["KeyManagementServiceTotalRequests"] = int64_t{40};
    service_()["IsKeyManagementServiceMachine"] = int64_t{1};
  }
  Values& Only(const std::string& class_name) {
    auto& rows = wmi_->classes[class_name];
    if (rows.empty()) rows.emplace_back();
    return rows.front();
  }

  const std::shared_ptr<FakeWmi> wmi_ = std::make_shared<FakeWmi>();
  const std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>();
  absl::StatusOr<ChannelState> log_ =
      ChannelState{.max_bytes = 1 << 20,
                   .full = true,
                   .oldest = absl::FromUnixSeconds(1795703040) - absl::Hours(50)};
  std::vector<std::string> noted_;
  bool marked_ = false;
  std::unique_ptr<LicensingSystem> licensing_;
};

TEST_F(WindowsLicensingTest, FillsTheProduct) {
  const auto licensing = licensing_->Licensing();
  ASSERT_TRUE(licensing.ok()) << licensing.status();
  EXPECT_EQ(licensing->service_version(), "10.0.1");
  EXPECT_EQ(licensing->windows_rearms_left(), 3u);
  ASSERT_EQ(licensing->products_size(), 1);
  const v1::Product& product = licensing->products(0);
  EXPECT_EQ(product.activation_id(), "73111121-5638-40f6-bc11-f1d7b0d64300");
  EXPECT_EQ(product.application_id(), "55c92734-d682-4d71-983e-d6ec3f16059f");
  EXPECT_EQ(product.channel(), "VOLUME_KMSCLIENT");
  EXPECT_EQ(product.status(), v1::LICENSE_STATUS_LICENSED);
  EXPECT_EQ(product.status_reason(), 0x4004F040u);
  EXPECT_FALSE(product.permanent());
  EXPECT_EQ(product.expires_at().seconds(), 1795703040 + 180 * 86400);
  EXPECT_EQ(product.rearms_left(), 3u);
  EXPECT_TRUE(product.genuine());
  EXPECT_FALSE(product.has_key_channel()) << "this Windows does not know it";
  EXPECT_FALSE(product.has_evaluation_ends_at());
}

TEST_F(WindowsLicensingTest, NothingChangesByItself) {
  const std::string before = SerializeDeterministic(*licensing_->Licensing());
  for (int i = 1; i <= 4; ++i) {
    clock_->now += absl::Seconds(30);
    product_()["GracePeriodRemaining"] = int64_t{259200 - (i + 1) / 2};
    EXPECT_EQ(SerializeDeterministic(*licensing_->Licensing()), before) << i;
  }
}

TEST_F(WindowsLicensingTest, LicensedWithoutAnEndIsPermanentAndAnUnknownStatusIsKept) {
  product_()["GracePeriodRemaining"] = int64_t{0};
  EXPECT_TRUE(licensing_->Licensing()->products(0).permanent());
  EXPECT_FALSE(licensing_->Licensing()->products(0).has_expires_at());
  product_()["LicenseStatus"] = int64_t{9};
  EXPECT_EQ(static_cast<int>(licensing_->Licensing()->products(0).status()), 10);
  EXPECT_FALSE(licensing_->Licensing()->products(0).permanent());
}

TEST_F(WindowsLicensingTest, OfficeOfOldIsReadWhereItIs) {
  wmi_->classes["OfficeSoftwareProtectionProduct"] = {
      {{"ID", std::string("OFFICE")}, {"PartialProductKey", std::string("ABCDE")}}};
  EXPECT_EQ(licensing_->Licensing()->products(1).activation_id(), "office");
  wmi_->broken = {{"OfficeSoftwareProtectionProduct", absl::UnavailableError("no provider")}};
  EXPECT_EQ(licensing_->Licensing()->products_size(), 1) << "what is left of one that was removed";
  wmi_->broken = {{"OfficeSoftwareProtectionProduct", absl::PermissionDeniedError("no")}};
  EXPECT_TRUE(absl::IsPermissionDenied(licensing_->Licensing().status()));
}

TEST_F(WindowsLicensingTest, ACountThatWindowsDoesNotKnowIsNone) {
  service_()["RemainingWindowsReArmCount"] = int64_t{0xFFFFFFFF};
  product_()["RemainingAppReArmCount"] = int64_t{0xFFFFFFFF};
  EXPECT_FALSE(licensing_->Licensing()->has_windows_rearms_left());
  EXPECT_FALSE(licensing_->Licensing()->products(0).has_rearms_left());
  MakeHost();
  product_()["KeyManagementServiceTotalRequests"] = int64_t{0xFFFFFFFF};
  EXPECT_FALSE(licensing_->Host()->has_total_requests());
}

TEST_F(WindowsLicensingTest, AWindowsWithoutTheClassesSaysSo) {
  wmi_->classes.clear();
  EXPECT_TRUE(absl::IsUnimplemented(licensing_->Licensing().status()));
  EXPECT_TRUE(absl::IsUnimplemented(licensing_->Rearm().status()));
  wmi_->classes["SoftwareLicensingService"];
  EXPECT_TRUE(absl::IsUnavailable(licensing_->Licensing().status()));
}

TEST_F(WindowsLicensingTest, FillsTheClient) {
  const auto client = licensing_->Client();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->client_machine_id(), "aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_TRUE(client->has_registered_host());
  EXPECT_EQ(client->registered_host(), "");
  EXPECT_FALSE(client->has_registered_port());
  EXPECT_TRUE(client->has_discovered_host()) << "looked and found none";
  EXPECT_FALSE(client->has_lookup_domain());
  EXPECT_TRUE(client->host_caching());
  EXPECT_EQ(client->renewal_interval_minutes(), 10080u);
  EXPECT_EQ(client->activation_type(), v1::ACTIVATION_TYPE_ALL);
  EXPECT_EQ(client->last_activation_type(), v1::ACTIVATION_TYPE_KMS);
  service_().erase("DiscoveredKeyManagementServiceMachineName");
  EXPECT_FALSE(licensing_->Client()->has_discovered_host()) << "an old Windows does not say";
}

TEST_F(WindowsLicensingTest, AnOverrideOfTheProductGoesFirst) {
  service_()["KeyManagementServiceMachine"] = std::string("of-the-machine");
  service_()["KeyManagementServicePort"] = int64_t{1688};
  product_()["KeyManagementServiceMachine"] = std::string("of-the-product");
  product_()["KeyManagementServicePort"] = int64_t{1700};
  EXPECT_EQ(licensing_->Client()->registered_host(), "of-the-product");
  EXPECT_EQ(licensing_->Client()->registered_port(), 1700u);
  EXPECT_EQ(*licensing_->ClearKmsHost(), 0u);
  EXPECT_THAT(
      wmi_->calls,
      ElementsAre("SoftwareLicensingService.Version=\"10.0.1\" ClearKeyManagementServiceMachine",
                  "SoftwareLicensingService.Version=\"10.0.1\" ClearKeyManagementServicePort",
                  "SoftwareLicensingProduct.ID=\"73111121-5638-40F6-BC11-F1D7B0D64300\""
                  " ClearKeyManagementServiceMachine",
                  "SoftwareLicensingProduct.ID=\"73111121-5638-40F6-BC11-F1D7B0D64300\""
                  " ClearKeyManagementServicePort"));
}

TEST_F(WindowsLicensingTest, AClientIsNoHostAndAHostTellsItsCounts) {
  EXPECT_TRUE(absl::IsNotFound(licensing_->Host().status()));
  MakeHost();
  const auto host = licensing_->Host();
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_TRUE(host->enabled());
  EXPECT_EQ(host->listening_port(), 1688u);
  EXPECT_EQ(host->current_count(), 12);
  EXPECT_EQ(host->total_requests(), 40u);
  EXPECT_FALSE(host->has_failed_requests());
  EXPECT_THAT(host->publish_domains(), ElementsAre("contoso.example"));
  EXPECT_EQ(host->log_max_bytes(), 1u << 20);
  EXPECT_EQ(host->log_hours_held(), 48u);
  EXPECT_TRUE(host->log_full());
  product_().erase("KeyManagementServiceCurrentCount");
  log_ = absl::UnavailableError("no log");
  EXPECT_EQ(licensing_->Host()->current_count(), -1);
  EXPECT_FALSE(licensing_->Host()->has_log_full());
}

constexpr char kServicePath[] = "SoftwareLicensingService.Version=\"10.0.1\" ";
constexpr char kProductPath[] =
    "SoftwareLicensingProduct.ID=\"73111121-5638-40F6-BC11-F1D7B0D64300\" ";

TEST_F(WindowsLicensingTest, SwitchesAreTheOtherWayRoundInWindows) {
  EXPECT_EQ(*licensing_->SetHostCaching(true), 0u);
  EXPECT_EQ(*licensing_->SetDnsPublishing(false), 0u);
  EXPECT_THAT(
      wmi_->calls,
      ElementsAre(absl::StrCat(kServicePath, "DisableKeyManagementServiceHostCaching no"),
                  absl::StrCat(kServicePath, "DisableKeyManagementServiceDnsPublishing yes")));
}

TEST_F(WindowsLicensingTest, InstallsAKeyAndNotesAHost) {
  EXPECT_EQ(*licensing_->InstallKey(*ProductKey::Parse(kKey)), 0u);
  EXPECT_THAT(wmi_->calls, ElementsAre(absl::StrCat(kServicePath, "InstallProductKey ", kKey),
                                       absl::StrCat(kServicePath, "RefreshLicenseStatus")));
  MakeHost();
  EXPECT_EQ(*licensing_->InstallKey(*ProductKey::Parse(kKey)), 0u);
  EXPECT_THAT(noted_, ElementsAre("", "10.0.1"));
  wmi_->calls.clear();
  wmi_->refuse["InstallProductKey"] = 0xC004F069;
  EXPECT_EQ(*licensing_->InstallKey(*ProductKey::Parse(kKey)), 0xC004F069u);
  EXPECT_EQ(wmi_->calls.size(), 1u);
  EXPECT_EQ(noted_.size(), 2u);
}

TEST_F(WindowsLicensingTest, ActivatesButNotALicensedMakAgain) {
  wmi_->refuse["Activate"] = 0xC004F074;
  EXPECT_EQ(*licensing_->Activate(""), 0xC004F074u);
  EXPECT_THAT(wmi_->calls, ElementsAre(absl::StrCat(kProductPath, "Activate"),
                                       absl::StrCat(kServicePath, "RefreshLicenseStatus")));
  wmi_->calls.clear();
  product_()["Description"] = std::string("Windows(R) Operating System, VOLUME_MAK channel");
  EXPECT_EQ(*licensing_->Activate("73111121-5638-40f6-bc11-f1d7b0d64300"), 0u);
  EXPECT_THAT(wmi_->calls, IsEmpty());
  product_()["LicenseStatus"] = int64_t{5};
  EXPECT_EQ(*licensing_->Activate(""), 0xC004F074u);
  EXPECT_TRUE(absl::IsNotFound(licensing_->Activate("other").status()));
}

TEST_F(WindowsLicensingTest, SettingAHostIsTwoCallsAndNoAttemptToActivate) {
  EXPECT_EQ(*licensing_->SetKmsHost("new.example", 1689), 0u);
  EXPECT_THAT(wmi_->calls,
              ElementsAre(absl::StrCat(kServicePath, "SetKeyManagementServiceMachine new.example"),
                          absl::StrCat(kServicePath, "SetKeyManagementServicePort 1689")));
}

TEST_F(WindowsLicensingTest, AHostThatCannotBeSetWholeIsNotSetAtAll) {
  service_()["KeyManagementServiceMachine"] = std::string("old.example");
  wmi_->refuse["SetKeyManagementServicePort"] = 0x80070057;
  EXPECT_EQ(*licensing_->SetKmsHost("new.example", 1689), 0x80070057u);
  EXPECT_THAT(
      wmi_->calls,
      ElementsAre(absl::StrCat(kServicePath, "SetKeyManagementServiceMachine new.example"),
                  absl::StrCat(kServicePath, "SetKeyManagementServicePort 1689"),
                  absl::StrCat(kServicePath, "SetKeyManagementServiceMachine old.example")));
}

TEST_F(WindowsLicensingTest, ARearmIsMarkedBeforeItIsDone) {
  EXPECT_FALSE(*licensing_->RearmPending());
  EXPECT_EQ(*licensing_->Rearm(), 0u);
  EXPECT_THAT(wmi_->calls, ElementsAre("marked", absl::StrCat(kServicePath, "ReArmWindows")));
  EXPECT_TRUE(*licensing_->RearmPending());
  wmi_->refuse["ReArmWindows"] = 0xC004D307;
  EXPECT_EQ(*licensing_->Rearm(), 0xC004D307u);
  EXPECT_FALSE(*licensing_->RearmPending()) << "it was not done";
  wmi_->failing["ReArmWindows"] = absl::PermissionDeniedError("access denied (0x80070005)");
  EXPECT_TRUE(absl::IsPermissionDenied(licensing_->Rearm().status()));
  EXPECT_FALSE(*licensing_->RearmPending());
  wmi_->failing["ReArmWindows"] = absl::DeadlineExceededError("not done within 60 s");
  EXPECT_TRUE(absl::IsDeadlineExceeded(licensing_->Rearm().status()));
  EXPECT_TRUE(*licensing_->RearmPending()) << "it may have been done";
  wmi_->classes.clear();
  wmi_->calls.clear();
  EXPECT_TRUE(absl::IsUnimplemented(licensing_->Rearm().status()));
  EXPECT_TRUE(absl::IsUnimplemented(licensing_->RearmPending().status()));
  EXPECT_THAT(wmi_->calls, IsEmpty());
}

TEST_F(WindowsLicensingTest, SetsTheActivationTypeOfTheMachineAndWhereNeededOfTheProduct) {
  product_()["VLActivationTypeEnabled"] = int64_t{1};
  EXPECT_EQ(*licensing_->SetActivationType(v1::ACTIVATION_TYPE_KMS), 0u);
  EXPECT_EQ(*licensing_->SetActivationType(v1::ACTIVATION_TYPE_DIRECTORY), 0u);
  EXPECT_EQ(*licensing_->SetActivationType(v1::ACTIVATION_TYPE_ALL), 0u);
  EXPECT_THAT(wmi_->calls, ElementsAre(absl::StrCat(kServicePath, "SetVLActivationTypeEnabled 2"),
                                       absl::StrCat(kProductPath, "SetVLActivationTypeEnabled 2"),
                                       absl::StrCat(kServicePath, "SetVLActivationTypeEnabled 1"),
                                       absl::StrCat(kServicePath, "ClearVLActivationTypeEnabled"),
                                       absl::StrCat(kProductPath, "ClearVLActivationTypeEnabled")));
}

}  // namespace
}  // namespace keymedic::systems
