// SPDX-License-Identifier: Apache-2.0
//
// Which host key may be on which Windows.
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h

// Of the host keys that the tests use.
std::string HostActivationId(const std::string& family) {
  if (family == "Windows Server 2019") return "2e7a9ad1-a849-4b56-babe-17d5a29fe4b4";
  if (family == "Windows Server 2022") return "661f7658-7035-4b4c-9f35-010682943ec2";
  if (family == "Windows Server 2025") return "84e331f6-4279-48c4-ab10-b75139181351";
  if (family == "Windows 10 2019") return "90da7373-1c51-430b-bf26-c97e9c5cdc31";
  if (family == "Office LTSC 2021") return "47f3b983-7c53-4d45-abc6-bcd91e2dd90a";
  ADD_FAILURE() << family;
  return "";
}

bool IsFound(const Estate& estate, const char* code) {
  const std::vector<v1::Finding> findings = Diagnose(estate, "kms1");
  return FindCode(findings, code) != nullptr;
}

struct OutdatedCase {
  const char* family;
  uint32_t build, revision;
  bool outdated;
};

TEST(HostRules, AHostKeyNeedsItsUpdate) {
  const std::vector<OutdatedCase> cases = {
      {"Windows Server 2025", 20348, 2321, true}, {"Windows Server 2025", 20348, 2322, false},
      {"Windows Server 2025", 26100, 1, false},   {"Windows Server 2022", 20348, 1, false},
      {"Windows Server 2022", 17763, 1998, true}, {"Windows Server 2019", 14393, 2641, false},
  };
  for (const OutdatedCase& c : cases) {
    MachineState host = HealthyHost("kms1", 30);
    host.os->set_build(c.build);
    host.os->set_revision(c.revision);
    host.licensing->mutable_products(0)->set_activation_id(HostActivationId(c.family));
    Estate estate;
    estate.Upsert(host);
    EXPECT_EQ(IsFound(estate, "HOST_SERVICE_OUTDATED"), c.outdated)
        << c.family << " on " << c.build << "." << c.revision;
    // What is not known is not outdated.
    host.os->clear_revision();
    estate.Upsert(host);
    EXPECT_FALSE(IsFound(estate, "HOST_SERVICE_OUTDATED"));
  }
}

TEST(HostRules, AKeyBelongsOnItsKindOfWindows) {
  for (const bool on_server : {true, false}) {
    for (const char* family : {"Windows Server 2022", "Windows 10 2019", "Office LTSC 2021"}) {
      MachineState host = HealthyHost("kms1", 30);
      host.os->set_is_server(on_server);
      host.licensing->mutable_products(0)->set_activation_id(HostActivationId(family));
      Estate estate;
      estate.Upsert(host);
      const bool expected = std::string(family) == "Windows Server 2022" ? !on_server
                            : std::string(family) == "Windows 10 2019"   ? on_server
                                                                         : false;
      EXPECT_EQ(IsFound(estate, "HOST_EDITION_CANNOT_HOST"), expected)
          << family << (on_server ? " on a server" : " on a client");
    }
  }
}

}  // namespace
}  // namespace keymedic::kms
