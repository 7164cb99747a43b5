// SPDX-License-Identifier: Apache-2.0
#include "cli/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/times.h"

namespace keymedic::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);
constexpr char kKey[] = "NPPR9-FWDCX-D2C8J-H872K-2YT43";

template <typename Payload>
void AddSection(const std::string& name, const Payload& payload, v1::SupportBundle& bundle) {
  v1::Section& section = *bundle.add_sections();
  section.set_name(name);
  section.set_type(Payload::descriptor()->full_name());
  section.set_payload(payload.SerializeAsString());
}

v1::SupportBundle MakeBundle() {
  v1::SupportBundle bundle;
  bundle.set_machine("pc-017");
  *bundle.mutable_collected_at() = ToTimestamp(kNow);
  v1::LicensingSection licensing;
  v1::Product& product = *licensing.add_products();
  product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  product.set_status_reason(0xC004F074);
  product.set_partial_key("2YT43");
  product.set_name("");  // known to be empty, which is not the same as not known
  AddSection("licensing", licensing, bundle);
  v1::KmsClientSection client;
  client.set_registered_port(0);
  client.set_host_caching(false);
  AddSection("kms_client", client, bundle);
  return bundle;
}

const ArchiveEntry* Find(const std::vector<ArchiveEntry>& files, absl::string_view name) {
  for (const ArchiveEntry& file : files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

TEST(BundleTest, TheStateIsReadBackWithoutLoss) {
  const v1::SupportBundle bundle = MakeBundle();
  const auto files = PackBundle(bundle, "", kNow);
  ASSERT_TRUE(files.ok()) << files.status();
  const auto manifest = ReadManifest(files->front().content);
  ASSERT_TRUE(manifest && manifest->ok());
  EXPECT_EQ((*manifest)->machine, "pc-017");
  EXPECT_EQ((*manifest)->collected_at, kNow);
  kms::MachineState state;
  for (const ArchiveEntry& file : *files) {
    if (IsSectionName(file.name)) {
      EXPECT_TRUE(ReadSection(file.content, state).ok());
    }
  }
  ASSERT_TRUE(state.licensing && state.client);
  EXPECT_EQ(state.licensing->SerializeAsString(), bundle.sections(0).payload());
  EXPECT_EQ(state.client->SerializeAsString(), bundle.sections(1).payload());
}

TEST(BundleTest, NoKeyIsInAnyFile) {
  v1::SupportBundle bundle = MakeBundle();
  bundle.add_events()->add_data(kKey);
  bundle.add_findings()->set_explanation(kKey);
  bundle.add_notes(kKey);
  v1::OsSection os;
  os.set_computer_name(kKey);
  AddSection("os", os, bundle);
  const auto files = PackBundle(bundle, std::string("slmgr /ipk ") + kKey, kNow);
  ASSERT_TRUE(files.ok());
  ASSERT_NE(Find(*files, "agent.log"), nullptr);
  for (const ArchiveEntry& file : *files) {
    EXPECT_THAT(file.content, Not(HasSubstr("NPPR9"))) << file.name;
  }
}

TEST(BundleTest, ASectionThatIsNotKnownHereIsAnError) {
  v1::SupportBundle bundle = MakeBundle();
  bundle.mutable_sections(0)->set_type("keymedic.v9.Unheard");
  EXPECT_THAT(std::string(PackBundle(bundle, "", kNow).status().message()),
              HasSubstr("keymedic.v9.Unheard"));
  kms::MachineState state;
  for (const char* bad :
       {"", "[]", "{", R"({"name":"os"})", R"({"name":"os","type":"keymedic.v1.OsSection"})",
        R"({"name":"os","type":"keymedic.v1.OsSection","payload":{"build":"many"}})",
        R"({"name":"os","type":"keymedic.v1.Finding","payload":{}})",
        R"({"name":7,"type":[],"payload":7})"}) {
    EXPECT_FALSE(ReadSection(bad, state).ok()) << bad;
  }
  EXPECT_FALSE(state.os);
}

TEST(BundleTest, ManifestsOfOthersAreNone) {
  for (const char* other : {"", "{}", R"({"name":"web app"})", "[\"keymedic-bundle\"]",
                            R"({"about":"keymedic-bundle"})", "keymedic-bundle"}) {
    EXPECT_FALSE(ReadManifest(other)) << other;
  }
  for (const char* bad :
       {R"({"format":"keymedic-bundle","version":2,"machine":"a"})",
        R"({"format":"keymedic-bundle","version":1,"collected_at":"2026-11-22T00:00:00Z"})",
        R"({"format":"keymedic-bundle","version":1,"machine":"a","collected_at":"today"})"}) {
    const auto manifest = ReadManifest(bad);
    ASSERT_TRUE(manifest) << bad;
    EXPECT_FALSE(manifest->ok()) << bad;
  }
}

}  // namespace
}  // namespace keymedic::cli
