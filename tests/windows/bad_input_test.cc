// SPDX-License-Identifier: Apache-2.0
//
// A Windows that is not as it should be: each fault of the doubles gives an error or a value that
// names it, and the systems go on afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/windows/doubles/lab_machine.h"
// Before windows.h, which would bring the older sockets.
#include <windows.h>

#include <string>

#include "base/windows/wide.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {
namespace {

using testing::HasSubstr;

class BadInputTest : public testing::Test {
 protected:
  static void SetFault(const std::string& fault) {
    const std::wstring value = windows::Wide(fault);
    ASSERT_EQ(
        RegSetKeyValueW(HKEY_LOCAL_MACHINE, doubles::kSettingsKey, L"Fault", REG_SZ, value.c_str(),
                        static_cast<DWORD>((value.size() + 1) * sizeof(wchar_t))),
        ERROR_SUCCESS);
  }
  ~BadInputTest() override {
    SetFault("");
    const auto licensing = OpenSystems("local")->licensing->Licensing();
    EXPECT_TRUE(licensing.ok()) << "it goes on: " << licensing.status();
  }

  Systems local_ = *OpenSystems("local");
};

size_t BytesOf(const EventLog::Batch& batch) {
  size_t bytes = 0;
  for (const v1::EventRecord& event : batch.events) {
    for (const std::string& text : event.data()) bytes += text.size();
  }
  return bytes;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_F(BadInputTest, WmiDoesNotAnswer) {
  SetFault("no-answer");
  const auto licensing = local_.licensing->Licensing();
  EXPECT_TRUE(absl::IsDeadlineExceeded(licensing.status()) ||
              absl::IsUnavailable(licensing.status()))
      << licensing.status();
  EXPECT_FALSE(local_.firewall->Read(1688).ok());
}

TEST_F(BadInputTest, WmiNeverReturns) {
  SetFault("hang");
  const auto licensing = local_.licensing->Licensing();
  EXPECT_TRUE(absl::IsDeadlineExceeded(licensing.status())) << licensing.status();
  const auto client = local_.licensing->Client();  // does not wait for as long again
  EXPECT_FALSE(client.ok());
}

TEST_F(BadInputTest, AccessDenied) {
  SetFault("access-denied");
  const auto licensing = local_.licensing->Licensing();
  EXPECT_TRUE(absl::IsPermissionDenied(licensing.status())) << licensing.status();
  EXPECT_THAT(Message(licensing.status()), HasSubstr("0x80070005"));
}

TEST_F(BadInputTest, NoLicensingService) {
  SetFault("no-class");
  const auto licensing = local_.licensing->Licensing();
  EXPECT_TRUE(absl::IsUnimplemented(licensing.status())) << licensing.status();
  EXPECT_THAT(Message(licensing.status()), HasSubstr("SoftwareLicensingService"));
}

TEST_F(BadInputTest, AWindowsWithoutTheNewerColumns) {
  SetFault("old-windows");
  const auto licensing = local_.licensing->Licensing();
  ASSERT_TRUE(licensing.ok()) << licensing.status();
  ASSERT_EQ(licensing->products_size(), 1);
  EXPECT_FALSE(licensing->products(0).has_key_channel());
  EXPECT_FALSE(licensing->products(0).partial_key().empty());
  EXPECT_NE(licensing->products(0).channel(), "");
  const auto client = local_.licensing->Client();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE(client->has_lookup_domain());
  EXPECT_FALSE(client->has_activation_type());
  EXPECT_NE(client->client_machine_id(), "");
  const auto type = local_.licensing->SetActivationType(v1::ACTIVATION_TYPE_KMS);
  EXPECT_TRUE(absl::IsUnimplemented(type.status())) << type.status();
  const auto firewall = local_.firewall->Read(1688);
  EXPECT_TRUE(absl::IsUnimplemented(firewall.status())) << firewall.status();
}

TEST_F(BadInputTest, AnUnknownLicenseStatusKeepsItsNumber) {
  SetFault("unknown-status");
  const auto licensing = local_.licensing->Licensing();
  ASSERT_TRUE(licensing.ok()) << licensing.status();
  ASSERT_GT(licensing->products_size(), 0);
  EXPECT_EQ(static_cast<int>(licensing->products(0).status()), 42 + 1);
}

TEST_F(BadInputTest, ARefusedKeyIsAnAnswer) {
  for (const uint32_t refusal : {0xC004F050u, 0xC004F069u, 0x8007000Du}) {
    SetFault(absl::StrCat("refuse=0x", absl::Hex(refusal)));
    const auto installed =
        local_.licensing->InstallKey(*ProductKey::Parse("NPPR9-FWDCX-D2C8J-H872K-2YT43"));
    ASSERT_TRUE(installed.ok()) << installed.status();
    EXPECT_EQ(*installed, refusal);
  }
}

TEST_F(BadInputTest, EventsWithFewerAndMoreFieldsAreRead) {
  const std::string channel =
      local_.licensing->Host().ok() ? "Key Management Service" : "Application";
  const auto right = local_.events->Read(channel, 0, 50);
  ASSERT_TRUE(right.ok()) << right.status();
  ASSERT_FALSE(right->events.empty());
  for (const char* fault : {"events=short", "events=long"}) {
    SetFault(fault);
    const auto wrong = local_.events->Read(channel, 0, 50);
    ASSERT_TRUE(wrong.ok()) << wrong.status();
    ASSERT_EQ(wrong->events.size(), right->events.size());
    const bool fewer = fault == std::string("events=short");
    EXPECT_EQ(BytesOf(*wrong) < BytesOf(*right), fewer) << fault;
    EXPECT_EQ(BytesOf(*wrong) > BytesOf(*right), !fewer) << fault;
  }
}

TEST_F(BadInputTest, WhatDefeatsAnExceptionIsSeen) {
  const auto usual = local_.firewall->Read(1688);
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_FALSE(usual->has_local_rules_ignored());
  SetFault("firewall=policy");
  EXPECT_TRUE(local_.firewall->Read(1688)->local_rules_ignored());
  SetFault("firewall=block");
  const auto blocked = local_.firewall->Read(1688);
  ASSERT_TRUE(blocked.ok()) << blocked.status();
  ASSERT_EQ(blocked->rules_size(), usual->rules_size() + 1) << "not the one for some addresses";
  const v1::FirewallRule& block = blocked->rules(blocked->rules_size() - 1);
  EXPECT_TRUE(block.enabled());
  EXPECT_FALSE(block.inbound_allow());
}

TEST_F(BadInputTest, ALabThatIsGoneIsAServiceThatDoesNotAnswer) {
  const doubles::Settings settings = doubles::ReadSettings();
  const auto point_to = [](const std::string& lab) {
    const std::wstring value = windows::Wide(lab);
    RegSetKeyValueW(HKEY_LOCAL_MACHINE, doubles::kSettingsKey, L"Lab", REG_SZ, value.c_str(),
                    static_cast<DWORD>((value.size() + 1) * sizeof(wchar_t)));
  };
  point_to("127.0.0.1:1");
  const auto licensing = local_.licensing->Licensing();
  const auto events = local_.events->Read("Application", 0, 1);
  point_to(settings.lab);
  EXPECT_TRUE(absl::IsUnavailable(licensing.status())) << licensing.status();
  EXPECT_FALSE(events.ok());
  EXPECT_FALSE(absl::IsNotFound(events.status())) << events.status();
}

}  // namespace
}  // namespace keymedic::systems
