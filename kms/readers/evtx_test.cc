// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/readers/captures.h"
#include "kms/readers/evtx_testing.h"
#include "kms/readers/readers.h"

namespace keymedic::kms::readers {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr size_t kFirstRecord = 4096 + 512;
constexpr char kCmid[] = "6ac2ba07-1e16-4ab5-a98e-d9f1b7b9a8f0";

LoggedEvent Request(uint64_t number) {
  return {.number = number,
          .id = 12288,
          .data = {absl::StrCat("0x800706BA, 0x00000000, kms01.contoso.example:1688, ", kCmid,
                                ", 2026/11/20 08:00, 0, 5, 260640, "
                                "73111121-5638-40f6-bc11-f1d7b0d64300, 25")}};
}

LoggedEvent Foreign(uint64_t number) {
  return {.number = number,
          .provider = number % 2 == 0 ? "ESENT" : "Microsoft-Windows-WMI",
          .id = 12288,  // not this provider's alone
          .data = {"svchost", "", "something of somebody else"}};
}

// Every fourth event is a request.
std::vector<LoggedEvent> Log(uint64_t size) {
  std::vector<LoggedEvent> events;
  for (uint64_t n = 1; n <= size; ++n) events.push_back(n % 4 == 0 ? Request(n) : Foreign(n));
  return events;
}

struct Reading {
  std::vector<v1::EventRecord> events;
  std::vector<std::string> unread;
  std::vector<uint32_t> lines;
};

Reading Read(const std::string& log) {
  Sink sink("Application.evtx");
  ReadEvtx(log, sink);
  Reading reading;
  for (const Piece& piece : sink.pieces()) {
    reading.events.insert(reading.events.end(), piece.events.begin(), piece.events.end());
    reading.lines.push_back(piece.line);
  }
  for (const v1::Unread& unread : sink.unread()) reading.unread.push_back(unread.reason());
  return reading;
}

// Where the record with this number begins, in a log of one chunk.
size_t OffsetOf(const std::string& log, uint64_t number) {
  size_t at = kFirstRecord;
  for (uint64_t n = 1; n < number; ++n) {
    at += static_cast<uint8_t>(log[at + 4]) | static_cast<uint8_t>(log[at + 5]) << 8;
  }
  return at;
}

TEST(EvtxTest, LicensingEventsAreReadAndOthersLeft) {
  const Reading reading = Read(WriteEvtx(Log(1000)));  // several chunks
  EXPECT_THAT(reading.unread, IsEmpty());
  ASSERT_EQ(reading.events.size(), 250u);
  const v1::EventRecord& first = reading.events.front();
  EXPECT_EQ(first.event_id(), 12288u);
  EXPECT_EQ(first.record_id(), 4u);
  EXPECT_EQ(first.provider(), "Microsoft-Windows-Security-SPP");
  EXPECT_EQ(first.channel(), "Application");
  EXPECT_EQ(first.computer(), "pc-017.contoso.example");
  EXPECT_EQ(first.time().seconds(), 1'700'000'000);
  EXPECT_THAT(first.data(), ElementsAre(HasSubstr(kCmid)));
  EXPECT_EQ(reading.lines.front(), 4u) << "an event's place is its record's number";
}

TEST(EvtxTest, ALogIsDiagnosedByItsContent) {
  CaptureSet set;
  set.Add("whatever.txt", WriteEvtx(Log(40)));
  const v1::DiagnoseCapturesResponse answer =
      set.Diagnose({}, absl::FromUnixSeconds(1'700'001'000));
  ASSERT_GE(answer.findings_size(), 1);
  EXPECT_EQ(answer.findings(0).code(), "CLIENT_HOST_UNREACHABLE");
  EXPECT_EQ(answer.findings(0).subject(), "pc-017.contoso.example");
}

TEST(EvtxTest, HostAndClientEventsOfSeveralLogsMeet) {
  LoggedEvent request = Request(1);
  request.data = {absl::StrCat("0x00000000, 0x00000000, kms01.contoso.example:1688, ", kCmid,
                               ", 2023/11/14 22:13, 0, 5, 260640, "
                               "73111121-5638-40f6-bc11-f1d7b0d64300, 25")};
  LoggedEvent received{.number = 7,
                       .id = 12290,
                       .channel = "Key Management Service",
                       .computer = "kms01.contoso.example",
                       .data = {absl::StrCat("0xC004F015, 25, pc-017.contoso.example, ", kCmid,
                                             ", 2023/11/14 22:13, 0, 5, 0, "
                                             "73111121-5638-40f6-bc11-f1d7b0d64300")}};
  CaptureSet set;
  set.Add("client.evtx", WriteEvtx({request}));
  set.Add("host.evtx", WriteEvtx({received}));
  const std::vector<MachineState> machines = set.Machines();
  ASSERT_EQ(machines.size(), 2u);
  const MachineState& host = machines[0].host ? machines[0] : machines[1];
  ASSERT_TRUE(host.host);
  EXPECT_EQ(host.name, "kms01.contoso.example");
  ASSERT_EQ(host.host->requests_size(), 1);
  EXPECT_EQ(host.host->requests(0).client_machine_id(), kCmid);
  EXPECT_EQ(host.host->requests(0).last_error(), 0xC004F015u);
}

TEST(EvtxTest, ACollectedLogHoldsManyMachines) {
  std::vector<LoggedEvent> events;
  for (uint64_t n = 1; n <= 6000; ++n) {
    events.push_back(Request(n));
    events.back().computer = absl::StrCat("pc-", n % 3);
  }
  Sink sink("ForwardedEvents.evtx");
  ReadEvtx(WriteEvtx(events), sink);
  EXPECT_EQ(sink.pieces().size(), 3u);
  EXPECT_THAT(sink.unread(), IsEmpty());
}

TEST(EvtxTest, ALogWithoutLicensingEventsSaysSo) {
  CaptureSet set;
  set.Add("a.evtx", WriteEvtx({Foreign(1), Foreign(2)}));
  ASSERT_EQ(set.unread().size(), 1u);
  EXPECT_TRUE(set.unread()[0].whole_file());
  EXPECT_THAT(set.unread()[0].reason(), HasSubstr("licensing evidence"));
}

TEST(EvtxTest, KeysAreRedacted) {
  LoggedEvent event = Request(1);
  event.data[0] += ", NPPR9-FWDCX-D2C8J-H872K-2YT43";
  event.computer = "NPPR9-FWDCX-D2C8J-H872K-2YT43";
  const Reading reading = Read(WriteEvtx({event}));
  ASSERT_EQ(reading.events.size(), 1u);
  EXPECT_THAT(reading.events[0].data(0), HasSubstr("2YT43"));
  EXPECT_THAT(reading.events[0].DebugString(),
              AllOf(Not(HasSubstr("NPPR9")), Not(HasSubstr("nppr9"))));
}

TEST(EvtxTest, ACutOffLogIsReadUpToThereAndThatIsSaid) {
  const std::string whole = WriteEvtx(Log(400));
  const size_t chunks_end = whole.size();
  size_t most = 0;
  for (size_t size = 0; size < chunks_end; size += size < 12'000 ? 61 : 977) {
    const Reading reading = Read(whole.substr(0, size));
    EXPECT_GE(reading.events.size(), most) << size;
    most = reading.events.size();
    for (const v1::EventRecord& event : reading.events) EXPECT_EQ(event.event_id(), 12288u);
    const bool between_chunks = size > 4096 && (size - 4096) % 65536 == 0;
    // Behind the last record of a chunk there is nothing to lose.
    if (reading.unread.empty() && !between_chunks) {
      const std::string rest = whole.substr(size, (size - 4096) / 65536 * 65536 + 69632 - size);
      EXPECT_EQ(rest.find_first_not_of('\0'), std::string::npos) << size;
    }
  }
  EXPECT_GT(most, 90u);
}

TEST(EvtxTest, WhatIsMissingIsNeverTakenForAnAnswerThatNeverCame) {
  const std::string whole = WriteEvtx(Log(40));
  EXPECT_NE(Read(whole).events[0].record_id(), 0u);
  const Reading cut = Read(whole.substr(0, OffsetOf(whole, 30)));
  ASSERT_THAT(cut.events, Not(IsEmpty()));
  EXPECT_EQ(cut.events[0].record_id(), 0u);
  // Exported with a filter.
  const Reading filtered = Read(WriteEvtx({Request(4), Request(9)}));
  ASSERT_EQ(filtered.events.size(), 2u);
  EXPECT_EQ(filtered.events[0].record_id(), 0u);
}

TEST(EvtxTest, ADamagedRecordIsNamedAndTheRestIsRead) {
  const std::string whole = WriteEvtx(Log(40));
  std::string torn = whole;
  torn.replace(OffsetOf(whole, 17), 200, 200, '\xEE');
  Reading reading = Read(torn);
  EXPECT_EQ(reading.events.size(), 10u);
  EXPECT_THAT(reading.unread, ::testing::Contains(HasSubstr("event record 17: not read")));
  EXPECT_THAT(reading.unread, ::testing::Contains(HasSubstr("checksum")));

  std::string broken = whole;  // a request whose values no longer add up
  broken.replace(OffsetOf(whole, 20) + 24 + 4 + 6 + 4, 4, "\xFF\xFF\x00\x00", 4);
  reading = Read(broken);
  EXPECT_EQ(reading.events.size(), 9u);
  EXPECT_THAT(reading.unread, ::testing::Contains(AllOf(HasSubstr("event record 20: not read"),
                                                        HasSubstr("more values than fit"))));
}

TEST(EvtxTest, WrongChecksumsAreSaidAndTheEventsReadAllTheSame) {
  std::string log = WriteEvtx(Log(8));
  log[4096 + 52] ^= 1;
  const Reading reading = Read(log);
  EXPECT_EQ(reading.events.size(), 2u);
  EXPECT_THAT(reading.unread, ElementsAre(AllOf(HasSubstr("event records 1 to 8"),
                                                HasSubstr("checksum is wrong"))));
  log[4096 + 120] |= 4;  // written without
  EXPECT_THAT(Read(log).unread, IsEmpty());
}

TEST(EvtxTest, ALogThatWasCopiedWhileItWasWrittenIsReadWhole) {
  std::string log = WriteEvtx(Log(40));
  const auto end = static_cast<uint32_t>(OffsetOf(log, 30) - 4096);
  for (int i = 0; i < 4; ++i) log[4096 + 48 + i] = static_cast<char>(end >> (8 * i));
  log[4096 + 120] |= 5;  // dirty, and its checksums are not kept
  const Reading reading = Read(log);
  EXPECT_EQ(reading.events.size(), 10u);
  EXPECT_THAT(reading.unread, IsEmpty());
  // What stands behind the end of an earlier use of the chunk is of then.
  std::string old = log;
  old[OffsetOf(log, 30) + 8] = 99;
  EXPECT_EQ(Read(old).events.size(), 7u);
}

TEST(EvtxTest, AChunkWithoutHeaderIsStillRead) {
  std::string log = WriteEvtx(Log(40));
  log.replace(4096, 8, "XXXXXXXX");
  const Reading reading = Read(log);
  EXPECT_EQ(reading.events.size(), 10u);
  EXPECT_THAT(reading.unread, ::testing::Contains(HasSubstr("has no header")));
}

TEST(EvtxTest, ATemplateThatHoldsItselfEnds) {
  std::string log = WriteEvtx({Request(1)});
  // The event data's template instance points at the template of the whole event.
  const size_t inner = log.rfind(std::string("\x0F\x01\x01\x00\x0C\x01", 6), log.find("**", 5000));
  ASSERT_NE(inner, std::string::npos);
  const size_t outer = log.find(std::string("\x0F\x01\x01\x00\x0C\x01", 6), 4608);
  ASSERT_LT(outer, inner);
  log.replace(inner + 10, 4, log.substr(outer + 10, 4));
  EXPECT_THAT(Read(log).unread, Not(IsEmpty()));
}

TEST(EvtxTest, FlippedBytesDoNoHarmAndInventNoEvent) {
  const std::string whole = WriteEvtx(Log(24));
  const size_t checked = OffsetOf(whole, 24) - kFirstRecord;
  uint32_t random = 12345;
  for (int round = 0; round < 3000; ++round) {
    std::string log = whole;
    for (int i = 0; i <= round % 4; ++i) {
      random = random * 1664525 + 1013904223;
      log[kFirstRecord + (random >> 8) % checked] ^= static_cast<char>(1 << (random % 8));
    }
    const Reading reading = Read(log);
    EXPECT_LE(reading.events.size(), 7u) << round;
    EXPECT_THAT(reading.unread, Not(IsEmpty())) << round << ": the checksums tell";
    if (::testing::Test::HasFailure()) break;
  }
}

// The second opinion: the same files through an independent implementation.
std::string Export(const std::string& file) {
  std::string xml;
  FILE* pipe = popen(absl::StrCat("evtxexport -f xml '", file, "' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return xml;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) xml.append(buffer, n);
  pclose(pipe);
  return xml;
}

void ExpectSameAsXml(const std::string& log, const std::string& xml) {
  const Reading binary = Read(log);
  Sink sink("exported.xml");
  Document document;
  Decode(xml, document);
  ReadDocument(document, sink);
  std::vector<std::string> ours, theirs;
  for (const v1::EventRecord& event : binary.events) ours.push_back(event.SerializeAsString());
  for (const Piece& piece : sink.pieces()) {
    for (const v1::EventRecord& event : piece.events) theirs.push_back(event.SerializeAsString());
  }
  EXPECT_EQ(ours, theirs);
}

TEST(EvtxTest, AnotherImplementationReadsTheSame) {
  if (std::system("command -v evtxexport >/dev/null") != 0) {
    GTEST_SKIP() << "evtxexport (package libevtx-utils) is not installed";
  }
  const std::string file = ::testing::TempDir() + "/second-opinion.evtx";
  const std::string log = WriteEvtx(Log(1000));
  std::ofstream(file, std::ios::binary) << log;
  const std::string xml = Export(file);
  std::remove(file.c_str());
  ASSERT_THAT(xml, HasSubstr(kCmid));
  ExpectSameAsXml(log, xml);
}

// A log of a real machine is not part of these sources; where one is given, it is read too.
TEST(EvtxTest, ARealLogReadsWithoutLoss) {
  const char* given = std::getenv("KEYMEDIC_REAL_EVTX");
  const char* sources = std::getenv("KEYMEDIC_SOURCE_DIR");
  const std::string file = given != nullptr
                               ? given
                               : absl::StrCat(sources == nullptr ? "." : sources,
                                              "/../shared/kms/captures/evtx/Application.evtx");
  std::ifstream in(file, std::ios::binary);
  if (!in) GTEST_SKIP() << "no log of a real machine: name one in KEYMEDIC_REAL_EVTX";
  std::stringstream content;
  content << in.rdbuf();
  CaptureSet set;
  set.Add("Application.evtx", content.str());
  EXPECT_THAT(set.unread(), IsEmpty());
  EXPECT_EQ(set.Machines().size(), 1u);
}

}  // namespace
}  // namespace keymedic::kms::readers
