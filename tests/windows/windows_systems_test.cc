// SPDX-License-Identifier: Apache-2.0
//
// The system `local` of Windows, in a Wine prefix that looks like a machine of a lab (prefix.py):
// conformance, and that it reads and changes what the lab itself says is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/times.h"
#include "plugins/systems/systems_conformance.h"
#include "tests/windows/doubles/lab_machine.h"

namespace keymedic::systems {
namespace {

std::string LabSystem() {
  const doubles::Settings settings = doubles::ReadSettings();
  return absl::StrCat("lab:tcp:", settings.lab, "#", settings.machine);
}

// Where the machine writes most.
std::string EventChannel() {
  return OpenSystems(LabSystem())->licensing->Host().ok() ? "Key Management Service"
                                                          : "Application";
}

INSTANTIATE_TEST_SUITE_P(Windows, SystemsConformance,
                         testing::Values(SystemsUnderTest{
                             "Local", [] { return *OpenSystems("local"); }, EventChannel()}),
                         [](const auto& info) { return info.param.name; });

class LocalTest : public testing::Test {
 protected:
  bool IsHost() const { return lab_.licensing->Host().ok(); }

  Systems local_ = *OpenSystems("local");
  Systems lab_ = *OpenSystems(LabSystem());
};

TEST_F(LocalTest, TheOsIsTheLabs) {
  const auto local = local_.machine->Os();
  ASSERT_TRUE(local.ok()) << local.status();
  const auto lab = *lab_.machine->Os();
  EXPECT_EQ(local->computer_name(), lab.computer_name());
  EXPECT_EQ(local->dns_domain(), lab.dns_domain());
  EXPECT_EQ(local->edition_id(), lab.edition_id());
  EXPECT_EQ(local->build(), lab.build());
  EXPECT_EQ(local->revision(), lab.revision());
  EXPECT_EQ(local->is_server(), lab.is_server());
  EXPECT_EQ(local->is_virtual(), lab.is_virtual());
}

TEST_F(LocalTest, ProductsAreTheLabsAndNoOthers) {
  const auto local = local_.licensing->Licensing();
  ASSERT_TRUE(local.ok()) << local.status();
  const auto lab = *lab_.licensing->Licensing();
  EXPECT_EQ(local->service_version(), lab.service_version());
  EXPECT_EQ(local->windows_rearms_left(), lab.windows_rearms_left());
  ASSERT_EQ(local->products_size(), lab.products_size());
  for (int i = 0; i < lab.products_size(); ++i) {
    v1::Product here = local->products(i), there = lab.products(i);
    EXPECT_EQ(here.has_expires_at(), there.has_expires_at());
    EXPECT_LE(
        absl::AbsDuration(FromTimestamp(here.expires_at()) - FromTimestamp(there.expires_at())),
        absl::Minutes(2));
    for (v1::Product* product : {&here, &there}) product->clear_expires_at();
    EXPECT_EQ(here.DebugString(), there.DebugString());
  }
}

TEST_F(LocalTest, ClientIsTheLabs) {
  const auto local = local_.licensing->Client();
  ASSERT_TRUE(local.ok()) << local.status();
  v1::KmsClientSection here = *local, there = *lab_.licensing->Client();
  // The plugin tells it, by when the license ends.
  for (v1::KmsClientSection* client : {&here, &there}) client->clear_last_activation_at();
  EXPECT_EQ(here.DebugString(), there.DebugString());
}

TEST_F(LocalTest, HostIsTheLabs) {
  if (!IsHost()) GTEST_SKIP() << "the machine is a client";
  const auto local = local_.licensing->Host();
  ASSERT_TRUE(local.ok()) << local.status();
  v1::KmsHostSection there = *lab_.licensing->Host();
  there.clear_service_running();  // the plugin asks the service control manager
  there.clear_service_disabled();
  EXPECT_EQ(local->DebugString(), there.DebugString());
}

TEST_F(LocalTest, EventsAreTheLabs) {
  for (const char* channel : {"Application", "Key Management Service"}) {
    const auto lab = lab_.events->Read(channel, 0, 200);
    const auto local = local_.events->Read(channel, 0, 200);
    ASSERT_EQ(local.ok(), lab.ok()) << channel << local.status();
    if (!lab.ok()) continue;
    EXPECT_EQ(local->last_record_id, lab->last_record_id);
    ASSERT_EQ(local->events.size(), lab->events.size());
    for (size_t i = 0; i < lab->events.size(); ++i) {
      v1::EventRecord here = local->events[i], there = lab->events[i];
      // Windows counts in hundreds of nanoseconds.
      EXPECT_LE(absl::AbsDuration(FromTimestamp(here.time()) - FromTimestamp(there.time())),
                absl::Nanoseconds(100));
      for (v1::EventRecord* event : {&here, &there}) event->clear_time();
      EXPECT_EQ(here.DebugString(), there.DebugString());
    }
  }
}

TEST_F(LocalTest, FirewallIsTheLabs) {
  const auto local = local_.firewall->Read(1688);
  ASSERT_TRUE(local.ok()) << local.status();
  EXPECT_EQ(local->DebugString(), lab_.firewall->Read(1688)->DebugString());
}

TEST_F(LocalTest, TheExceptionOfWindowsIsSwitched) {
  const std::string id = "SPPSVC-In-TCP";
  const auto enabled = [&] {
    const v1::FirewallSection firewall = *lab_.firewall->Read(1688);
    for (const auto& rule : firewall.rules())
      if (rule.id() == id) return rule.enabled();
    ADD_FAILURE() << "the machine has no rule " << id;
    return false;
  };
  const bool before = enabled();
  ASSERT_TRUE(local_.firewall->SetRuleEnabled(id, !before).ok());
  EXPECT_EQ(enabled(), !before);
  ASSERT_TRUE(local_.firewall->SetRuleEnabled(id, before).ok());
  EXPECT_EQ(enabled(), before);
}

TEST_F(LocalTest, KeysAreInstalledOrRefusedWithTheNumber) {
  if (IsHost()) GTEST_SKIP() << "the machine is a host";
  const auto install = [&](const char* key) {
    return local_.licensing->InstallKey(*ProductKey::Parse(key));
  };
  // Public client setup keys of other editions, and one that nobody made.
  const auto other = install("N69G4-B89J2-4G8F4-WWYCC-J464C");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(*other, 0xC004F069u);
  EXPECT_EQ(*install("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"), 0xC004F050u);
  const auto own = install("NPPR9-FWDCX-D2C8J-H872K-2YT43");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(*own, 0u);
  EXPECT_EQ(lab_.licensing->Licensing()->products(0).partial_key(), "2YT43");
  EXPECT_EQ(local_.licensing->Licensing()->products(0).partial_key(), "2YT43");
  // Nobody answers: the host's exception is closed. What a lab says, Windows says.
  const auto activated = local_.licensing->Activate("");
  ASSERT_TRUE(activated.ok()) << activated.status();
  EXPECT_EQ(*activated, *lab_.licensing->Activate(""));
  EXPECT_NE(*activated, 0u);
}

TEST_F(LocalTest, AHostsSettingsReachTheLab) {
  if (!IsHost()) GTEST_SKIP() << "the machine is a client";
  ASSERT_EQ(*local_.licensing->SetListeningPort(1690), 0u);
  EXPECT_EQ(lab_.licensing->Host()->listening_port(), 1690u);
  ASSERT_EQ(*local_.licensing->SetListeningPort(1688), 0u);
  ASSERT_EQ(*local_.licensing->SetDnsPublishing(false), 0u);
  EXPECT_FALSE(lab_.licensing->Host()->dns_publishing());
  ASSERT_EQ(*local_.licensing->SetDnsPublishing(true), 0u);
  EXPECT_TRUE(lab_.licensing->Host()->dns_publishing());
  const std::string channel = "Key Management Service";
  ASSERT_TRUE(local_.events->SetMaxBytes(channel, 64 << 20).ok());
  EXPECT_EQ(lab_.licensing->Host()->log_max_bytes(), 64u << 20);
  ASSERT_TRUE(local_.services->Restart("sppsvc").ok());
  EXPECT_TRUE(lab_.services->Query("sppsvc")->running);
  // Made up, and in the estate's file: only the lab takes it.
  ASSERT_EQ(*local_.licensing->InstallKey(*ProductKey::Parse("KMLAB-WS22K-MEDIC-HOSTK-H22WS")), 0u);
  const v1::LicensingSection licensing = *lab_.licensing->Licensing();
  EXPECT_TRUE(std::any_of(licensing.products().begin(), licensing.products().end(),
                          [](const v1::Product& p) { return p.partial_key() == "H22WS"; }));
}

TEST_F(LocalTest, AClientsSettingsReachTheLab) {
  if (IsHost()) GTEST_SKIP() << "the machine is a host";
  ASSERT_EQ(*local_.licensing->SetKmsHost("kms-9.office.example", 1690), 0u);
  EXPECT_EQ(lab_.licensing->Client()->registered_host(), "kms-9.office.example");
  EXPECT_EQ(lab_.licensing->Client()->registered_port(), 1690u);
  ASSERT_EQ(*local_.licensing->ClearKmsHost(), 0u);
  EXPECT_EQ(lab_.licensing->Client()->registered_host(), "");
  for (const bool caching : {false, true}) {
    ASSERT_EQ(*local_.licensing->SetHostCaching(caching), 0u);
    EXPECT_EQ(lab_.licensing->Client()->host_caching(), caching);
  }
  for (const auto type : {v1::ACTIVATION_TYPE_KMS, v1::ACTIVATION_TYPE_ALL}) {
    ASSERT_EQ(*local_.licensing->SetActivationType(type), 0u);
    EXPECT_EQ(lab_.licensing->Client()->activation_type(), type);
  }
}

// The last: what it spends does not come back.
TEST_F(LocalTest, ARearmReachesTheLabAndWaitsForTheRestart) {
  if (IsHost()) GTEST_SKIP() << "the machine is a host";
  const uint32_t before = lab_.licensing->Licensing()->windows_rearms_left();
  ASSERT_GT(before, 0u);
  EXPECT_FALSE(*local_.licensing->RearmPending());
  ASSERT_EQ(*local_.licensing->Rearm(), 0u);
  EXPECT_EQ(lab_.licensing->Licensing()->windows_rearms_left(), before - 1);
  EXPECT_TRUE(*lab_.licensing->RearmPending());
  EXPECT_TRUE(*local_.licensing->RearmPending());
}

}  // namespace
}  // namespace keymedic::systems
