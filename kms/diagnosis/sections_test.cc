// SPDX-License-Identifier: Apache-2.0
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {
namespace {

using ::testing::HasSubstr;

v1::Section Section(const std::string& name, const google::protobuf::Message& payload) {
  v1::Section section;
  section.set_name(name);
  section.set_type(payload.GetDescriptor()->full_name());
  section.set_payload(payload.SerializeAsString());
  return section;
}

TEST(Sections, EachHasItsPlace) {
  MachineState state;
  const auto apply = [&](const char* name, const google::protobuf::Message& payload) {
    return ApplySection(Section(name, payload), state).ok();
  };
  v1::OsSection os;
  os.set_build(20348);
  EXPECT_TRUE(apply("os", os));
  EXPECT_TRUE(apply("licensing", v1::LicensingSection()));
  EXPECT_TRUE(apply("kms_client", v1::KmsClientSection()));
  EXPECT_TRUE(apply("kms_host", v1::KmsHostSection()));
  EXPECT_TRUE(apply("firewall", v1::FirewallSection()));
  EXPECT_TRUE(apply("names", v1::NamesSection()));
  EXPECT_TRUE(apply("probes", v1::ProbesSection()));
  EXPECT_EQ(state.os->build(), 20348u);
  EXPECT_TRUE(state.licensing && state.client && state.host && state.firewall && state.names &&
              state.probes);
  for (const char* name :
       {"os", "licensing", "kms_client", "kms_host", "firewall", "names", "probes"})
    RemoveSection(name, state);
  EXPECT_FALSE(state.os || state.licensing || state.client || state.host || state.firewall ||
               state.names || state.probes);
  RemoveSection("nothing of that name", state);
}

TEST(Sections, ANewOneReplacesAllOfTheOldOne) {
  MachineState state;
  v1::OsSection os;
  os.set_build(1);
  os.set_caption("old");
  ASSERT_TRUE(ApplySection(Section("os", os), state).ok());
  os.clear_caption();
  ASSERT_TRUE(ApplySection(Section("os", os), state).ok());
  EXPECT_FALSE(state.os->has_caption());
}

TEST(Sections, WhatIsNotUnderstoodChangesNothing) {
  MachineState state;
  v1::OsSection os;
  os.set_build(1);
  ASSERT_TRUE(ApplySection(Section("os", os), state).ok());

  v1::Section broken = Section("os", os);
  broken.set_payload("\xff\xff\xff");
  const absl::Status unreadable = ApplySection(broken, state);
  EXPECT_EQ(unreadable.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unreadable.message()), HasSubstr("3 bytes"));

  const absl::Status other_type = ApplySection(Section("os", v1::NamesSection()), state);
  EXPECT_EQ(other_type.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other_type.message()), HasSubstr("keymedic.v1.OsSection"));

  const absl::Status unknown = ApplySection(Section("bios", os), state);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("'bios'"));
  EXPECT_EQ(state.os->build(), 1u);
}

}  // namespace
}  // namespace keymedic::kms
