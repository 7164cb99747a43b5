// SPDX-License-Identifier: Apache-2.0
//
// Writes event-log exports (.evtx) as Windows does: chunks with templates, names that stand where
// they are first used, event data as a value of its own, checksums. For tests and benchmarks; other
// implementations of the format read its files too (see docs/decisions).
#ifndef KEYMEDIC_KMS_READERS_EVTX_TESTING_H_
#define KEYMEDIC_KMS_READERS_EVTX_TESTING_H_

#include <array>
#include <boost/crc.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace keymedic::kms::readers {

struct LoggedEvent {
  uint64_t number = 1;
  std::string provider = "Microsoft-Windows-Security-SPP";
  uint16_t id = 0;
  absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  std::string channel = "Application";
  std::string computer = "pc-017.contoso.example";
  std::vector<std::string> data;
};

class EvtxWriter {
 public:
  void Add(const LoggedEvent& event) {
    const Chunk before = chunk_;
    Record(event);
    if (chunk_.bytes.size() > kChunk) {
      chunk_ = before;
      FinishChunk();
      Record(event);
    }
    if (chunk_.first == 0) chunk_.first = event.number;
    chunk_.last = event.number;
  }

  std::string Finish() {
    if (chunk_.first != 0) FinishChunk();
    std::string header("ElfFile\0", 8);
    header.resize(4096);
    Poke<uint64_t>(header, 16, chunks_ - 1);
    Poke<uint64_t>(header, 24, next_number_);
    Poke<uint32_t>(header, 32, 128);
    Poke<uint32_t>(header, 36, 0x00030001);  // version 3.1
    Poke<uint16_t>(header, 40, 4096);
    Poke<uint16_t>(header, 42, static_cast<uint16_t>(chunks_));
    Poke<uint32_t>(header, 124, Crc(header.substr(0, 120)));
    return header + log_;
  }

 private:
  static constexpr size_t kChunk = 65536;
  struct Chunk {
    std::string bytes = std::string(512, '\0');
    std::map<std::string, uint32_t> names, templates;
    std::array<uint32_t, 64> name_buckets = {};
    std::array<uint32_t, 32> template_buckets = {};
    uint64_t first = 0, last = 0;
    uint32_t last_record = 512;
  };

  template <typename Number>
  static void Poke(std::string& bytes, size_t at, Number number) {
    for (size_t i = 0; i < sizeof(Number); ++i) {
      bytes[at + i] = static_cast<char>(static_cast<uint64_t>(number) >> (8 * i));
    }
  }
  static uint32_t Crc(const std::string& bytes) {
    boost::crc_32_type crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return crc.checksum();
  }
  template <typename Number>
  void Put(Number number) {
    chunk_.bytes.resize(chunk_.bytes.size() + sizeof(Number));
    Poke(chunk_.bytes, chunk_.bytes.size() - sizeof(Number), number);
  }
  void Put(std::initializer_list<int> bytes) {
    for (const int byte : bytes) Put(static_cast<uint8_t>(byte));
  }
  uint32_t At() const { return static_cast<uint32_t>(chunk_.bytes.size()); }
  void PutWide(const std::string& ascii) {
    for (const char c : ascii) Put<uint16_t>(static_cast<uint8_t>(c));
  }

  void PutName(const std::string& name) {
    const auto [known, added] = chunk_.names.try_emplace(name, At() + 4);
    Put<uint32_t>(known->second);
    if (!added) return;
    uint32_t hash = 0;
    for (const char c : name) hash = hash * 65599 + static_cast<uint8_t>(c);
    uint32_t& bucket = chunk_.name_buckets[(hash & 0xFFFF) % 64];
    const uint32_t here = At();
    Put<uint32_t>(bucket);
    bucket = here;
    Put<uint16_t>(static_cast<uint16_t>(hash));
    Put<uint16_t>(static_cast<uint16_t>(name.size()));
    PutWide(name);
    Put<uint16_t>(0);
  }
  void PutText(const std::string& text) {
    Put({0x05, 0x01});
    Put<uint16_t>(static_cast<uint16_t>(text.size()));
    PutWide(text);
  }
  void PutSubstitution(uint16_t index, uint8_t type, bool optional = true) {
    Put<uint8_t>(optional ? 0x0E : 0x0D);
    Put<uint16_t>(index);
    Put<uint8_t>(type);
  }

  // An element with its attributes and content.
  template <typename Content>
  void Element(const std::string& name, const Content& content) {
    Put({0x01, 0xFF, 0xFF});
    const size_t size_at = At();
    Put<uint32_t>(0);
    PutName(name);
    Put<uint8_t>(0x02);
    content();
    Put<uint8_t>(0x04);
    Poke<uint32_t>(chunk_.bytes, size_at, At() - size_at - 4);
  }
  template <typename Attributes, typename Content>
  void Element(const std::string& name, const Attributes& attributes, const Content& content,
               bool empty) {
    Put({0x41, 0xFF, 0xFF});
    const size_t size_at = At();
    Put<uint32_t>(0);
    PutName(name);
    const size_t list_at = At();
    Put<uint32_t>(0);
    attributes();
    Poke<uint32_t>(chunk_.bytes, list_at, At() - list_at - 4);
    Put<uint8_t>(empty ? 0x03 : 0x02);
    content();
    if (!empty) Put<uint8_t>(0x04);
    Poke<uint32_t>(chunk_.bytes, size_at, At() - size_at - 4);
  }
  template <typename Content>
  void Attribute(const std::string& name, bool more, const Content& content) {
    Put<uint8_t>(more ? 0x46 : 0x06);
    PutName(name);
    content();
  }

  // A template instance up to its values; the definition stands at its first use in the chunk.
  template <typename Content>
  void Template(const std::string& key, const Content& content) {
    const auto number = static_cast<uint32_t>(std::hash<std::string>()(key));
    Put({0x0F, 0x01, 0x01, 0x00, 0x0C, 0x01});
    Put<uint32_t>(number);
    const auto [known, added] = chunk_.templates.try_emplace(key, At() + 4);
    Put<uint32_t>(known->second);
    if (!added) return;
    uint32_t& bucket = chunk_.template_buckets[number % 32];
    const uint32_t here = At();
    Put<uint32_t>(bucket);
    bucket = here;
    Put<uint32_t>(number);
    for (int i = 0; i < 12; ++i) Put<uint8_t>(static_cast<uint8_t>(number >> i));
    const size_t size_at = At();
    Put<uint32_t>(0);
    Put({0x0F, 0x01, 0x01, 0x00});
    content();
    Put<uint8_t>(0x00);
    Poke<uint32_t>(chunk_.bytes, size_at, At() - size_at - 4);
  }

  void System(const LoggedEvent& event) {
    const auto none = [] {};
    const auto simple = [&](const std::string& name, uint16_t index, uint8_t type) {
      Element(name, [&] { PutSubstitution(index, type); });
    };
    Element(
        "Provider", [&] { Attribute("Name", false, [&] { PutText(event.provider); }); }, none,
        true);
    Element(
        "EventID", [&] { Attribute("Qualifiers", false, [&] { PutSubstitution(4, 0x06); }); },
        [&] { PutSubstitution(3, 0x06); }, false);
    simple("Version", 11, 0x04);
    simple("Level", 0, 0x04);
    simple("Task", 2, 0x06);
    simple("Opcode", 1, 0x04);
    simple("Keywords", 5, 0x15);
    Element(
        "TimeCreated", [&] { Attribute("SystemTime", false, [&] { PutSubstitution(6, 0x11); }); },
        none, true);
    simple("EventRecordID", 10, 0x0A);
    Element(
        "Correlation",
        [&] {
          Attribute("ActivityID", true, [&] { PutSubstitution(7, 0x0F); });
          Attribute("RelatedActivityID", false, [&] { PutSubstitution(18, 0x0F); });
        },
        none, true);
    Element(
        "Execution",
        [&] {
          Attribute("ProcessID", true, [&] { PutSubstitution(8, 0x08); });
          Attribute("ThreadID", false, [&] { PutSubstitution(9, 0x08); });
        },
        none, true);
    Element("Channel", [&] { PutText(event.channel); });
    Element("Computer", [&] { PutText(event.computer); });
    Element(
        "Security", [&] { Attribute("UserID", false, [&] { PutSubstitution(12, 0x13); }); }, none,
        true);
  }

  void Record(const LoggedEvent& event) {
    chunk_.last_record = At();
    const uint64_t ticks =
        static_cast<uint64_t>(absl::ToUnixMicros(event.time)) * 10 + 116'444'736'000'000'000;
    Put({'*', '*', 0, 0});
    const size_t size_at = At();
    Put<uint32_t>(0);
    Put<uint64_t>(event.number);
    Put<uint64_t>(ticks);
    Template(absl::StrCat("event of ", event.provider, event.channel, event.computer), [&] {
      Element(
          "Event",
          [&] {
            Attribute("xmlns", false,
                      [&] { PutText("http://schemas.microsoft.com/win/2004/08/events/event"); });
          },
          [&] {
            Element("System", [&] { System(event); });
            PutSubstitution(19, 0x21);
          },
          false);
    });
    Values(event, ticks);
    Put<uint8_t>(0x00);
    while ((At() - size_at) % 8 != 0) Put<uint8_t>(0);  // magic before it, size behind it: 4 each
    Put<uint32_t>(0);
    const uint32_t size = At() - chunk_.last_record;
    Poke<uint32_t>(chunk_.bytes, size_at, size);
    Poke<uint32_t>(chunk_.bytes, At() - 4, size);
    next_number_ = event.number + 1;
  }

  void Values(const LoggedEvent& event, uint64_t ticks) {
    struct Kind {
      uint16_t size;
      uint8_t type;
    };
    constexpr Kind kKinds[] = {{1, 4}, {1, 4}, {2, 6}, {2, 6},  {2, 6}, {8, 21},  {8, 17},
                               {0, 0}, {4, 8}, {4, 8}, {8, 10}, {1, 4}, {0, 0},   {0, 0},
                               {0, 0}, {0, 0}, {0, 0}, {0, 0},  {0, 0}, {0, 0x21}};
    Put<uint32_t>(std::size(kKinds));
    for (const Kind& kind : kKinds) {
      Put<uint16_t>(kind.size);
      Put<uint16_t>(kind.type);
    }
    const size_t data_size_at = At() - 4;
    Put({4, 0});  // level, opcode
    Put<uint16_t>(0);
    Put<uint16_t>(event.id);
    Put<uint16_t>(0x4000);
    Put<uint64_t>(0x80000000000000);
    Put<uint64_t>(ticks);
    Put<uint32_t>(0);
    Put<uint32_t>(0);
    Put<uint64_t>(event.number);
    Put<uint8_t>(0);
    const size_t data_at = At();
    Template("event data", [&] {
      Element("EventData", [&] { Element("Data", [&] { PutSubstitution(0, 0x81); }); });
    });
    Put<uint32_t>(1);
    size_t length = 0;
    for (const std::string& text : event.data) length += 2 * text.size() + 2;
    Put<uint16_t>(static_cast<uint16_t>(length));
    Put<uint16_t>(event.data.empty() ? 0 : 0x81);
    for (const std::string& text : event.data) {
      PutWide(text);
      Put<uint16_t>(0);
    }
    Put<uint8_t>(0x00);
    Poke<uint16_t>(chunk_.bytes, data_size_at, static_cast<uint16_t>(At() - data_at));
  }

  void FinishChunk() {
    std::string& bytes = chunk_.bytes;
    const auto end = static_cast<uint32_t>(bytes.size());
    bytes.resize(kChunk);
    bytes.replace(0, 8, std::string("ElfChnk\0", 8));
    Poke<uint64_t>(bytes, 8, chunk_.first);
    Poke<uint64_t>(bytes, 16, chunk_.last);
    Poke<uint64_t>(bytes, 24, chunk_.first);
    Poke<uint64_t>(bytes, 32, chunk_.last);
    Poke<uint32_t>(bytes, 40, 128);
    Poke<uint32_t>(bytes, 44, chunk_.last_record);
    Poke<uint32_t>(bytes, 48, end);
    Poke<uint32_t>(bytes, 52, Crc(bytes.substr(512, end - 512)));
    for (size_t i = 0; i < 64; ++i) Poke(bytes, 128 + 4 * i, chunk_.name_buckets[i]);
    for (size_t i = 0; i < 32; ++i) Poke(bytes, 384 + 4 * i, chunk_.template_buckets[i]);
    Poke<uint32_t>(bytes, 124, Crc(bytes.substr(0, 120) + bytes.substr(128, 384)));
    log_ += bytes;
    ++chunks_;
    chunk_ = Chunk();
  }

  std::string log_;
  Chunk chunk_;
  uint64_t chunks_ = 0, next_number_ = 1;
};

inline std::string WriteEvtx(const std::vector<LoggedEvent>& events) {
  EvtxWriter writer;
  for (const LoggedEvent& event : events) writer.Add(event);
  return writer.Finish();
}

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_EVTX_TESTING_H_
