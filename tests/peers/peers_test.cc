// SPDX-License-Identifier: Apache-2.0
//
// The endpoint probe, the resolver and the clock question against servers that others wrote:
// impacket, Samba, NSD, chronyd, Python's HTTP server. run.py starts them and names their ports in
// the environment. The same test runs natively and, cross-built, under Wine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "plugins/systems/loopback.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/portable/sntp.h"

namespace keymedic::systems {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

uint16_t Port(const std::string& peer) {
  const char* text = std::getenv(("KEYMEDIC_PEER_" + peer).c_str());
  uint32_t port = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &port)) {
    ADD_FAILURE() << "no peer " << peer << ": start this test through tests/peers/run.py";
  }
  return static_cast<uint16_t>(port);
}

ResolverOptions Dns(const std::string& peer = "DNS") {
  return {.servers = absl::StrCat("127.0.0.1:", Port(peer)), .limit = absl::Seconds(20)};
}

v1::Probe ProbeAt(uint16_t port, absl::Duration limit = absl::Seconds(20)) {
  return MakePortableProbe(limit)->Bind("127.0.0.1", port);
}

v1::SrvAnswer Srv(const std::string& domain) {
  return MakePortableNames(Dns())->LookupSrv("_vlmcs._tcp." + domain);
}

// What an impacket server was sent since the last call.
std::string TakeJournal(const std::string& peer) {
  const LoopbackAddress address(Port(peer + "_JOURNAL"));
  const absl::Time deadline = absl::Now() + kTestPatience;
  auto socket = TcpSocket::Connect(address.get(), address.size, deadline);
  if (!socket.ok()) return socket.status().ToString();
  std::string journal;
  for (auto bytes = socket->Receive(deadline); bytes.ok(); bytes = socket->Receive(deadline)) {
    journal += *bytes;
  }
  return journal;
}

constexpr char kOneBind[] = "bind 51c82175-844e-4750-b0d8-ec255555bc06 1.0\nclosed\n";

TEST(ProbePeers, ImpacketWithTheKmsInterfaceGetsOneBindAndNoRequest) {
  const auto probe = ProbeAt(Port("KMS"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
  EXPECT_EQ(TakeJournal("KMS"), kOneBind);
}

TEST(ProbePeers, ImpacketWithAnotherInterface) {
  const auto probe = ProbeAt(Port("IMPACKET"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
  EXPECT_EQ(TakeJournal("IMPACKET"), kOneBind);
}

TEST(ProbePeers, SambaIsAnRpcServerButNotKms) {
  const auto probe = ProbeAt(Port("SAMBA"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_KMS) << probe.detail();
  EXPECT_EQ(probe.detail(), "bind rejected: this server does not offer the interface");
}

TEST(ProbePeers, Silent) {
  const auto probe = ProbeAt(Port("SILENT"), absl::Milliseconds(300));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_TIMEOUT) << probe.detail();
  EXPECT_EQ(probe.detail(), "accepted the connection, then did not answer the bind");
}

TEST(ProbePeers, ResetAfterTheBind) {
  const auto probe = ProbeAt(Port("RESET"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
#ifndef _WIN32
  // Wine, waiting, takes the error away: a reset then looks like an end in order.
  EXPECT_EQ(probe.detail(), "accepted the connection, then reset it");
#endif
}

TEST(ProbePeers, ResetAtOnce) {
  const auto probe = ProbeAt(Port("RESET_AT_ONCE"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_RESET) << probe.detail();
}

TEST(ProbePeers, Closed) {
  const auto probe = ProbeAt(Port("CLOSED"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_REFUSED) << probe.detail();
}

TEST(ProbePeers, Garbage) {
  const auto probe = ProbeAt(Port("GARBAGE"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC) << probe.detail();
}

// It waits for the end of a line, which a bind has not.
TEST(ProbePeers, AnHttpServerThatWaitsForMore) {
  const auto probe = ProbeAt(Port("HTTP"), absl::Milliseconds(300));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_TIMEOUT) << probe.detail();
  EXPECT_EQ(probe.detail(), "accepted the connection, then did not answer the bind");
}

TEST(ProbePeers, AnHttpServerThatAnswers) {
  const auto probe = ProbeAt(Port("HTTP_STRICT"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_NOT_RPC) << probe.detail();
  EXPECT_THAT(probe.detail(), StartsWith("answered \"HTTP/1."));
}

// From the record to the host: the way of a client.
TEST(ProbePeers, WhatTheNameServerNamesIsProbed) {
  const v1::SrvAnswer answer = Srv("contoso.example");
  ASSERT_GT(answer.records_size(), 0);
  const auto& first = answer.records(0);
  const auto probe =
      MakePortableProbe(absl::Seconds(20), Dns())->Bind(first.target(), first.port());
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
  EXPECT_EQ(TakeJournal("KMS"), kOneBind);
}

TEST(ProbePeers, AShortNameIsFoundThroughTheSearchList) {
  const auto probe = MakePortableProbe(absl::Seconds(20), Dns())->Bind("kms1", Port("KMS"));
  EXPECT_EQ(probe.result(), v1::PROBE_RESULT_KMS) << probe.detail();
  EXPECT_EQ(TakeJournal("KMS"), kOneBind);
}

TEST(DnsPeers, RecordsComeByPriorityAndWeightWithTheirAddresses) {
  const v1::SrvAnswer answer = Srv("contoso.example");
  EXPECT_EQ(answer.error(), 0u);
  ASSERT_EQ(answer.records_size(), 4);
  const auto& kms1 = answer.records(0);
  EXPECT_EQ(kms1.target(), "kms1.contoso.example");
  EXPECT_EQ(kms1.port(), Port("KMS"));
  EXPECT_EQ(kms1.priority(), 0u);
  EXPECT_EQ(kms1.weight(), 60u);
  EXPECT_THAT(kms1.addresses(), ElementsAre("127.0.0.1", "::1"));
  const auto& kms2 = answer.records(1);
  EXPECT_EQ(kms2.target(), "kms2.contoso.example");
  EXPECT_THAT(kms2.addresses(), ElementsAre("192.0.2.1", "192.0.2.9", "2001:db8::2"));
  EXPECT_EQ(answer.records(2).target(), "kms4.contoso.example");
  EXPECT_EQ(answer.records(3).target(), "kms3.contoso.example");
  for (const int without : {2, 3}) {
    EXPECT_EQ(answer.records(without).priority(), 10u);
    EXPECT_TRUE(answer.records(without).resolved());
    EXPECT_TRUE(answer.records(without).addresses().empty());
  }
}

TEST(DnsPeers, ATargetThatIsAnAlias) {
  const v1::SrvAnswer answer = Srv("alias.contoso.example");
  ASSERT_EQ(answer.records_size(), 1);
  EXPECT_EQ(answer.records(0).target(), "kms5.contoso.example");
  EXPECT_THAT(answer.records(0).addresses(), ElementsAre("192.0.2.1", "192.0.2.9", "2001:db8::2"));
}

TEST(DnsPeers, EachSuffixOfTheSearchListIsAsked) {
  const auto names = MakePortableNames(Dns());
  const auto suffixes = names->SearchSuffixes();
  ASSERT_TRUE(suffixes.ok()) << suffixes.status();
  ASSERT_THAT(*suffixes,
              ElementsAre("corp.contoso.example", "contoso.example", "wild.contoso.example"));
  EXPECT_EQ(Srv((*suffixes)[0]).error(), kDnsNameDoesNotExist);
  EXPECT_EQ(Srv((*suffixes)[1]).records_size(), 4);
}

TEST(DnsPeers, ANameWithoutSuchRecords) {
  EXPECT_EQ(Srv("empty.contoso.example").error(), kDnsNoRecords);
}

TEST(DnsPeers, NoSuchName) {
  EXPECT_EQ(Srv("nowhere.contoso.example").error(), kDnsNameDoesNotExist);
}

TEST(DnsPeers, AnAnswerThatIsTruncatedComesWholeOverTcp) {
  const v1::SrvAnswer answer = Srv("large.contoso.example");
  EXPECT_EQ(answer.error(), 0u);
  ASSERT_EQ(answer.records_size(), 60);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(answer.records(i).priority(), static_cast<uint32_t>(i));
  EXPECT_THAT(answer.records(15).addresses(), ElementsAre("192.0.2.15"));
  EXPECT_FALSE(answer.records(16).has_resolved()) << "no more targets are asked for than 16";
}

TEST(DnsPeers, AZoneThatTheServerDoesNotServe) {
  EXPECT_EQ(Srv("fabrikam.example").error(), kDnsRefused);
}

TEST(DnsPeers, AZoneThatTheServerCannotLoad) {
  EXPECT_EQ(Srv("broken.example").error(), kDnsServerFailure);
}

TEST(DnsPeers, NoServer) {
  ResolverOptions options = Dns("CLOSED");
  options.timeout = absl::Milliseconds(200);
  options.tries = 1;
  const v1::SrvAnswer answer = MakePortableNames(options)->LookupSrv("_vlmcs._tcp.contoso.example");
  EXPECT_EQ(answer.error(), kDnsTimeout);
}

TEST(ClockPeers, ChronydTellsTheTime) {
  const auto offset = SntpOffset("127.0.0.1", Port("NTP"), kTestPatience);
  ASSERT_TRUE(offset.ok()) << offset.status();
  EXPECT_LT(absl::AbsDuration(*offset), absl::Seconds(1)) << "it serves this machine's own clock";
}

TEST(ClockPeers, AClockThatIsWrongIsAheadOfChronyd) {
  const auto offset = SntpOffset("127.0.0.1", Port("NTP"), kTestPatience,
                                 [] { return absl::Now() + absl::Hours(1); });
  ASSERT_TRUE(offset.ok()) << offset.status();
  EXPECT_LT(absl::AbsDuration(*offset - absl::Hours(1)), absl::Seconds(1)) << *offset;
}

}  // namespace
}  // namespace keymedic::systems
