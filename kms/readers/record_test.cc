// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/record.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "kms/readers/captures.h"

namespace keymedic::kms {
namespace {

MachineState Only(absl::string_view text) {
  CaptureSet set;
  set.Add("capture.txt", text);
  EXPECT_TRUE(set.unread().empty()) << set.unread()[0].ShortDebugString();
  const auto machines = set.Machines();
  EXPECT_EQ(machines.size(), 1u);
  return machines.empty() ? MachineState() : machines[0];
}

// One product in each layout that a tool has for it.
TEST(RecordTest, EachLayoutGivesTheSame) {
  const char* const kLayouts[] = {
      "Description       : Windows(R) Operating System, VOLUME_KMSCLIENT channel\n"
      "LicenseStatus     : 5\nPartialProductKey : 2YT43\n",
      "Description       : Windows(R) Operating System, \n"
      "                    VOLUME_KMSCLIENT channel\n"
      "LicenseStatus     : 5\nPartialProductKey : 2YT43\n",
      "Description=Windows(R) Operating System, VOLUME_KMSCLIENT channel\n\nLicenseStatus=5\n\n"
      "PartialProductKey=2YT43\n\n",
      "Description                                           LicenseStatus PartialProductKey\n"
      "-----------                                           ------------- -----------------\n"
      "Windows(R) Operating System, VOLUME_KMSCLIENT channel             5 2YT43\n",
      "Description                                            LicenseStatus  PartialProductKey\n"
      "Windows(R) Operating System, VOLUME_KMSCLIENT channel  5              2YT43\n",
      "\"Description\",\"LicenseStatus\",\"PartialProductKey\"\n"
      "\"Windows(R) Operating System, VOLUME_KMSCLIENT channel\",\"5\",\"2YT43\"\n",
      "Description\tLicenseStatus\tPartialProductKey\n"
      "Windows(R) Operating System, VOLUME_KMSCLIENT channel\t5\t2YT43\n",
      "Node,Description,LicenseStatus,PartialProductKey\n"
      "localhost,Windows(R) Operating System, VOLUME_KMSCLIENT channel,5,2YT43\n",
      "{\"Description\":\"Windows(R) Operating System, VOLUME_KMSCLIENT channel\","
      "\"LicenseStatus\":5,\"PartialProductKey\":\"2YT43\"}",
  };
  for (const char* layout : kLayouts) {
    SCOPED_TRACE(layout);
    const MachineState state = Only(layout);
    ASSERT_TRUE(state.licensing);
    ASSERT_EQ(state.licensing->products_size(), 1);
    const v1::Product& product = state.licensing->products(0);
    EXPECT_EQ(product.status(), v1::LICENSE_STATUS_NOTIFICATION);
    EXPECT_EQ(product.partial_key(), "2YT43");
    EXPECT_EQ(product.channel(), "VOLUME_KMSCLIENT");
    EXPECT_FALSE(state.host) << "counters of a client mean nothing";
  }
}

TEST(RecordTest, WhatWmiHasForNothingIsNoValue) {
  const MachineState state = Only(
      "ClientMachineID                   : 5d2a7c11-90fe-4c21-8e7b-1b7f0c3a9e10\n"
      "IsKeyManagementServiceMachine     : 0\n"
      "KeyManagementServiceCurrentCount  : 4294967295\n"
      "KeyManagementServiceHostCaching   : False\n"
      "KeyManagementServiceListeningPort : 0\n"
      "KeyManagementServiceMachine       : \n"
      "KeyManagementServicePort          : 0\n"
      "VLActivationInterval              : 4294967295\n"
      "Version                           : 10.0.19041.4291\n");
  EXPECT_FALSE(state.host);
  ASSERT_TRUE(state.client);
  EXPECT_FALSE(state.client->host_caching());
  EXPECT_EQ(state.client->registered_host(), "");
  EXPECT_TRUE(state.client->has_registered_host()) << "known not to be pinned";
  EXPECT_FALSE(state.client->has_activation_interval_minutes());
}

TEST(RecordTest, ProductsWithoutAKeyAreNotInstalled) {
  CaptureSet set;
  set.Add("a.csv",
          "\"Name\",\"Description\",\"LicenseStatus\",\"PartialProductKey\"\n"
          "\"A\",\"Windows(R) Operating System, RETAIL channel\",\"0\",\"\"\n"
          "\"B\",\"Windows(R) Operating System, VOLUME_KMSCLIENT channel\",\"1\",\"2YT43\"\n");
  ASSERT_EQ(set.Machines().size(), 1u);
  EXPECT_EQ(set.Machines()[0].licensing->products_size(), 1);
}

TEST(RecordTest, OtherListsTablesAndValuesAreLeft) {
  for (const char* other :
       {"Name : Bob\nVersion : 3\n", "Name,Id\nBob,3\n", "Name  Id\n----  --\nBob    3\n",
        "{\"Name\":\"Bob\",\"Id\":\"x\"}", "a,b\n\"\n", "=\n:\n--\n"}) {
    CaptureSet set;
    set.Add("other.txt", other);
    EXPECT_TRUE(set.Machines().empty()) << other;
  }
}

TEST(RecordTest, LongAndBrokenInputsAreBounded) {
  const std::string many = [] {
    std::string text = "LicenseStatus : 5\n";
    for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, "Property", i, " : value\n");
    return text;
  }();
  std::string quotes = "\"Name\",\"LicenseStatus\"\n";
  for (int i = 0; i < 20000; ++i) quotes += "\"a,\n";
  std::string spaces = "LicenseStatus  Name\n" + std::string(1 << 20, ' ');
  for (const std::string& text : {many, quotes, spaces}) {
    CaptureSet set;
    set.Add("x", text);
    set.Machines();
  }
}

}  // namespace
}  // namespace keymedic::kms
