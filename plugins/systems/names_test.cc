// SPDX-License-Identifier: Apache-2.0
//
// Names against a name server on the loopback that speaks the real wire format.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plugins/systems/dns_responder.h"
#include "plugins/systems/portable/portable.h"

namespace keymedic::systems {
namespace {

class NamesTest : public testing::Test {
 protected:
  v1::SrvAnswer Lookup(const std::string& name) {
    dns_.Start();
    return MakePortableNames({.servers = dns_.server(),
                              .timeout = absl::Milliseconds(200),
                              .tries = 1,
                              .limit = absl::Seconds(20)})
        ->LookupSrv(name);
  }
  DnsResponder dns_;
};

TEST_F(NamesTest, SeveralRecordsComeInTheOrderAClientTriesThem) {
  dns_.srv["_vlmcs._tcp.contoso.example"] = {{10, 0, 1688, "kms3.contoso.example"},
                                             {0, 10, 1688, "kms2.contoso.example"},
                                             {0, 60, 1689, "kms1.contoso.example"}};
  dns_.a["kms1.contoso.example"] = {"192.0.2.9", "192.0.2.1"};
  dns_.a["kms2.contoso.example"] = {"192.0.2.2"};
  const v1::SrvAnswer answer = Lookup("_vlmcs._tcp.contoso.example");
  EXPECT_EQ(answer.name(), "_vlmcs._tcp.contoso.example");
  EXPECT_EQ(answer.error(), 0u);
  ASSERT_EQ(answer.records_size(), 3);
  EXPECT_EQ(answer.records(0).target(), "kms1.contoso.example");
  EXPECT_EQ(answer.records(0).port(), 1689u);
  EXPECT_EQ(answer.records(0).weight(), 60u);
  ASSERT_EQ(answer.records(0).addresses_size(), 2);
  EXPECT_EQ(answer.records(0).addresses(0), "192.0.2.1") << "in an order that does not change";
  EXPECT_EQ(answer.records(1).target(), "kms2.contoso.example");
  EXPECT_EQ(answer.records(2).target(), "kms3.contoso.example");
  EXPECT_EQ(answer.records(2).priority(), 10u);
  EXPECT_TRUE(answer.records(2).resolved()) << "a stale record: asked, and it has no address";
  EXPECT_TRUE(answer.records(2).addresses().empty());
}

TEST_F(NamesTest, ATargetWhoseServerFailsStaysUnknown) {
  dns_.srv["_vlmcs._tcp.contoso.example"] = {{0, 0, 1688, "kms.contoso.example"}};
  dns_.rcode["kms.contoso.example"] = 2;
  const v1::SrvAnswer answer = Lookup("_vlmcs._tcp.contoso.example");
  ASSERT_EQ(answer.records_size(), 1);
  EXPECT_FALSE(answer.records(0).has_resolved());
}

TEST_F(NamesTest, NoSuchName) {
  EXPECT_EQ(Lookup("_vlmcs._tcp.contoso.example").error(), 0x8007232Bu);
}

TEST_F(NamesTest, NameWithoutSuchRecords) {
  dns_.a["_vlmcs._tcp.contoso.example"] = {"192.0.2.1"};
  EXPECT_EQ(Lookup("_vlmcs._tcp.contoso.example").error(), 0x8007251Du);
}

TEST_F(NamesTest, ServerFailure) {
  dns_.rcode["_vlmcs._tcp.contoso.example"] = 2;
  EXPECT_EQ(Lookup("_vlmcs._tcp.contoso.example").error(), 0x8007232Au);
}

TEST_F(NamesTest, Refused) {
  dns_.rcode["_vlmcs._tcp.contoso.example"] = 5;
  EXPECT_EQ(Lookup("_vlmcs._tcp.contoso.example").error(), 0x8007232Du);
}

TEST_F(NamesTest, SilentServer) {
  dns_.silent = true;
  EXPECT_EQ(Lookup("_vlmcs._tcp.contoso.example").error(), 0x800705B4u);
}

TEST_F(NamesTest, ANameThatCannotBeAskedIsAnAnswerToo) {
  const v1::SrvAnswer answer = Lookup("_vlmcs._tcp." + std::string(100, 'x') + ".example");
  EXPECT_EQ(answer.error(), 0x8007007Bu);
  EXPECT_TRUE(answer.records().empty());
}

}  // namespace
}  // namespace keymedic::systems
