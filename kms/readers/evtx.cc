// SPDX-License-Identifier: Apache-2.0
//
// An exported event log: a header, then chunks of 64 kB, each with a header and records that carry
// their number and their size, twice. Whole logs hold thousands of events of others: those are left
// as soon as their provider is known. A log that was cut off, was copied while it was written, or
// was damaged is read as far as its records are whole; which are not is said by their numbers.
#include <algorithm>
#include <boost/crc.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/product_key.h"
#include "kms/readers/bytes.h"
#include "kms/readers/evtx_values.h"
#include "kms/readers/evtx_xml.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr absl::string_view kFileMagic("ElfFile\0", 8);
constexpr absl::string_view kChunkMagic("ElfChnk\0", 8);
constexpr absl::string_view kRecordMagic("**\0\0", 4);
constexpr size_t kFileHeader = 4096;
constexpr size_t kChunk = 65536;
constexpr size_t kChunkHeader = 512;
constexpr size_t kRecordHeader = 24;  // magic, size, number, time
constexpr size_t kSmallestRecord = kRecordHeader + 4;
constexpr uint32_t kNoChecksums = 4;  // flag of a file and of a chunk
constexpr size_t kMaxLicensingEvents = 200'000;

struct Range {
  uint64_t first, last;
};

std::string Text(const Range& range) {
  return range.first == range.last
             ? absl::StrCat("event record ", range.first)
             : absl::StrCat("event records ", range.first, " to ", range.last);
}

uint32_t Checksum(std::initializer_list<absl::string_view> parts) {
  boost::crc_32_type crc;
  for (absl::string_view part : parts) crc.process_bytes(part.data(), part.size());
  return crc.checksum();
}

bool IsZero(absl::string_view bytes) {
  return bytes.find_first_not_of('\0') == absl::string_view::npos;
}

// The size of the record at `at`; 0: none is there, or it is not whole.
size_t RecordAt(absl::string_view chunk, size_t at) {
  if (at + kSmallestRecord > chunk.size() || chunk.substr(at, 4) != kRecordMagic) return 0;
  const size_t size = LittleEndian<uint32_t>(chunk, at + 4);
  if (size < kSmallestRecord || size > chunk.size() - at) return 0;
  return LittleEndian<uint32_t>(chunk, at + size - 4) == size ? size : 0;
}

uint64_t NumberOf(absl::string_view chunk, size_t record) {
  return LittleEndian<uint64_t>(chunk, record + 8);
}

class LogReader {
 public:
  LogReader(absl::string_view log, Sink& sink) : log_(log), sink_(sink) {}
  void Run();

 private:
  void Chunk(size_t offset);
  void CheckSums(absl::string_view chunk, size_t end);
  void Records(absl::string_view chunk, size_t end);
  void Record(absl::string_view chunk, EvtxXml& xml, size_t at, size_t size);
  void Lost(absl::string_view what) {
    complete_ = false;
    sink_.Unreadable(0, std::string(what));
  }
  void NumbersAreGapless();
  void Emit();

  const absl::string_view log_;
  Sink& sink_;
  bool checksums_ = true;
  bool complete_ = true;  // no record is missing between the first and the last
  std::vector<Range> chunks_;
  std::vector<v1::EventRecord> events_;
  std::vector<Range> damaged_;  // of the present chunk
  std::string why_damaged_;     // the first of them
};

void LogReader::Run() {
  if (log_.size() < kFileHeader + kChunkHeader) {
    return Lost("an event log that is cut off before its first event");
  }
  checksums_ = (LittleEndian<uint32_t>(log_, 120) & kNoChecksums) == 0;
  if (checksums_ && LittleEndian<uint32_t>(log_, 124) != Checksum({log_.substr(0, 120)})) {
    Lost("the checksum of the log's header is wrong: what follows was read all the same");
  }
  for (size_t at = kFileHeader; at < log_.size(); at += kChunk) Chunk(at);
  NumbersAreGapless();
  Emit();
}

void LogReader::Chunk(size_t offset) {
  const absl::string_view chunk = log_.substr(offset, kChunk);
  if (IsZero(chunk.substr(0, kChunkHeader))) return;  // set aside and not used yet
  if (chunk.size() < kChunkHeader) {
    return Lost(absl::StrCat("the log is cut off at byte ", log_.size()));
  }
  size_t end = LittleEndian<uint32_t>(chunk, 48);
  const bool headed = absl::StartsWith(chunk, kChunkMagic) && end >= kChunkHeader && end <= kChunk;
  if (!headed) {
    Lost(absl::StrCat("the chunk at byte ", offset,
                      " has no header: of its events those that are whole were read"));
    end = chunk.size();
  }
  damaged_.clear();
  why_damaged_.clear();
  const size_t before = chunks_.size();
  if (headed && end <= chunk.size()) CheckSums(chunk, end);
  Records(chunk, std::min(end, chunk.size()));
  if (chunk.size() < kChunk && end > chunk.size()) {
    Lost(absl::StrCat("the log is cut off at byte ", log_.size(),
                      chunks_.size() > before
                          ? absl::StrCat(", behind event record ", chunks_.back().last)
                          : std::string()));
  }
  if (damaged_.empty()) return;
  const std::string records = absl::StrJoin(
      damaged_, ", ", [](std::string* out, const Range& range) { *out += Text(range); });
  Lost(absl::StrCat(records, ": not read, ", why_damaged_));
}

void LogReader::CheckSums(absl::string_view chunk, size_t end) {
  if (!checksums_ || (LittleEndian<uint32_t>(chunk, 120) & kNoChecksums) != 0) return;
  if (LittleEndian<uint32_t>(chunk, 124) ==
          Checksum({chunk.substr(0, 120), chunk.substr(128, kChunkHeader - 128)}) &&
      LittleEndian<uint32_t>(chunk, 52) ==
          Checksum({chunk.substr(kChunkHeader, end - kChunkHeader)})) {
    return;
  }
  const Range range{LittleEndian<uint64_t>(chunk, 24), LittleEndian<uint64_t>(chunk, 32)};
  Lost(absl::StrCat(Text(range), ": a checksum is wrong; what is whole was read all the same"));
}

void LogReader::Records(absl::string_view chunk, size_t end) {
  EvtxXml xml(chunk);
  std::optional<Range> seen;
  size_t at = kChunkHeader;
  while (at + kSmallestRecord <= chunk.size()) {
    size_t size = RecordAt(chunk, at);
    if (at >= end) {
      // Behind what the header knows stand records that were written since, or those of an earlier
      // use of the chunk: only what goes on with the next number is of now.
      if (size == 0 || !seen || NumberOf(chunk, at) != seen->last + 1) break;
    } else if (size == 0) {
      size_t next = at;
      do {
        next = chunk.find(kRecordMagic, next + 1);
      } while (next < end && RecordAt(chunk, next) == 0);
      const bool more = next < end;
      const uint64_t first = seen ? seen->last + 1 : LittleEndian<uint64_t>(chunk, 24);
      const uint64_t last = more ? NumberOf(chunk, next) - 1 : LittleEndian<uint64_t>(chunk, 32);
      if (why_damaged_.empty()) why_damaged_ = "what should be a record is none";
      if (first <= last)
        damaged_.push_back({first, last});
      else
        complete_ = false;
      if (!more) break;
      at = next;
      continue;
    }
    const uint64_t number = NumberOf(chunk, at);
    if (seen && number != seen->last + 1) complete_ = false;
    seen = Range{seen ? seen->first : number, number};
    Record(chunk, xml, at, size);
    at += size;
  }
  if (seen) chunks_.push_back(*seen);
}

void LogReader::Record(absl::string_view chunk, EvtxXml& xml, size_t at, size_t size) {
  EvtxEvent event;
  const EvtxXml::Result result =
      xml.Read(at + kRecordHeader, at + size - 4, IsLicensingSource, event);
  const uint64_t number = NumberOf(chunk, at);
  if (result == EvtxXml::Result::kForeign) return;
  if (result == EvtxXml::Result::kDamaged) {
    if (why_damaged_.empty()) why_damaged_ = std::string(xml.why());
    if (!damaged_.empty() && damaged_.back().last + 1 == number) {
      damaged_.back().last = number;
    } else {
      damaged_.push_back({number, number});
    }
    return;
  }
  if (events_.size() >= kMaxLicensingEvents) return;
  v1::EventRecord& record = events_.emplace_back();
  record.set_record_id(number);
  record.set_event_id(*event.id);
  record.set_provider(std::move(event.provider));
  record.set_channel(RedactProductKeys(event.channel));
  record.set_computer(Lower(RedactProductKeys(event.computer)));
  if (!event.time) event.time = TimeOfFileTime(LittleEndian<uint64_t>(chunk, at + 16));
  if (event.time) record.mutable_time()->set_seconds(absl::ToUnixSeconds(*event.time));
  for (const std::string& data : event.data) record.add_data(RedactProductKeys(data));
}

// A log that was exported with a filter has gaps between its numbers. Chunks are used in turns, so
// their order in the file says nothing.
void LogReader::NumbersAreGapless() {
  std::sort(chunks_.begin(), chunks_.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (size_t i = 1; i < chunks_.size(); ++i) {
    if (chunks_[i].first != chunks_[i - 1].last + 1) complete_ = false;
  }
}

void LogReader::Emit() {
  if (events_.size() >= kMaxLicensingEvents) {
    Lost(absl::StrCat("more than ", kMaxLicensingEvents,
                      " events of the licensing service: the rest was left out"));
  }
  // A host's events and those of it as a client are told apart by role; collected logs hold many
  // machines. Those of one machine in a row are one piece.
  const auto key = [](const v1::EventRecord& event) {
    const bool host = event.event_id() >= 12290 && event.event_id() <= 12294;
    return std::pair(!host, absl::string_view(event.computer()));
  };
  std::stable_sort(
      events_.begin(), events_.end(),
      [&](const v1::EventRecord& a, const v1::EventRecord& b) { return key(a) < key(b); });
  for (v1::EventRecord& event : events_) {
    const auto line = static_cast<uint32_t>(event.record_id());
    // Only in a log without gaps does it mean something that an answer is not there.
    if (!complete_) event.clear_record_id();
    AddEvent(std::move(event), line, sink_);
  }
}

}  // namespace

bool StartsEvtx(absl::string_view content) { return absl::StartsWith(content, kFileMagic); }

void ReadEvtx(absl::string_view content, Sink& sink) { LogReader(content, sink).Run(); }

}  // namespace keymedic::kms::readers
