// SPDX-License-Identifier: Apache-2.0
#include "cli/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace keymedic::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

std::string Zip(const std::vector<ArchiveEntry>& entries) {
  return WriteZip(entries, kNow).value_or("");
}

struct Unpacked {
  absl::Status status;
  std::vector<std::string> names;
  std::string content;
};

Unpacked Unpack(const std::string& bytes, ArchiveBudget budget = {}) {
  Unpacked unpacked;
  unpacked.status = ReadArchive(
      bytes, budget, [](absl::string_view) { return true; },
      [&](ArchiveEntry entry) {
        unpacked.names.push_back(entry.name);
        unpacked.content += entry.content;
      });
  return unpacked;
}

TEST(ArchiveTest, WhatWasWrittenIsRead) {
  const std::string zip = Zip({{"a.txt", "one"}, {"ordner/b\xC3\xA4.txt", "two"}});
  EXPECT_TRUE(IsArchive(zip));
  const Unpacked unpacked = Unpack(zip);
  EXPECT_TRUE(unpacked.status.ok()) << unpacked.status;
  EXPECT_THAT(unpacked.names, ElementsAre("a.txt", "ordner/b\xC3\xA4.txt"));
  EXPECT_EQ(unpacked.content, "onetwo");
  EXPECT_EQ(Zip({{"a.txt", "one"}}), Zip({{"a.txt", "one"}}));
}

TEST(ArchiveTest, IsToldByContent) {
  EXPECT_TRUE(IsArchive(std::string("\x1F\x8B\x08", 3)));
  EXPECT_TRUE(IsArchive("7z\xBC\xAF\x27\x1C"));
  EXPECT_FALSE(IsArchive(""));
  EXPECT_FALSE(IsArchive("Name: Windows(R), Enterprise edition"));
  EXPECT_FALSE(IsArchive(std::string("ElfFile\0", 8)));
}

TEST(ArchiveTest, ABombIsRefusedByNameAndSize) {
  const std::string zip = Zip({{"good.txt", "x"}, {"bomb.txt", std::string(4 << 20, 'x')}});
  const Unpacked unpacked = Unpack(zip, {.ratio_from = 1 << 20});
  EXPECT_EQ(unpacked.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(unpacked.status.message()),
              AllOf(HasSubstr("bomb.txt"), HasSubstr(absl::StrCat(zip.size(), " bytes"))));
  EXPECT_THAT(unpacked.names, ElementsAre("good.txt"));
}

TEST(ArchiveTest, TheBudgetBoundsFilesAndBytes) {
  const std::string zip = Zip({{"a", "12345"}, {"b", "67890"}});
  const auto code = [&](ArchiveBudget budget) { return Unpack(zip, budget).status.code(); };
  EXPECT_EQ(code({.entries = 1}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code({.bytes = 9}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code({.entry_bytes = 4}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code({.entries = 2, .bytes = 10, .entry_bytes = 5}), absl::StatusCode::kOk);
}

TEST(ArchiveTest, ABudgetIsOfAllArchivesTogether) {
  const std::string zip = Zip({{"a", "12345"}});
  ArchiveBudget budget{.bytes = 8};
  const auto read = [&] {
    return ReadArchive(
        zip, budget, [](absl::string_view) { return true; }, [](ArchiveEntry) {});
  };
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(read().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ArchiveTest, DamageDoesNoHarm) {
  const std::string zip = Zip({{"a.txt", std::string(300, 'a')}, {"b.txt", "and more"}});
  for (size_t size = 0; size < zip.size(); ++size) {
    EXPECT_LE(Unpack(zip.substr(0, size)).names.size(), 2u);
  }
  uint32_t random = 7;
  for (int i = 0; i < 500; ++i) {
    std::string bad = zip;
    random = random * 1664525 + 1013904223;
    bad[(random >> 8) % zip.size()] ^= static_cast<char>(1 << (random % 8));
    EXPECT_LE(Unpack(bad, {.bytes = 1 << 20}).content.size(), 1u << 20);
  }
}

}  // namespace
}  // namespace keymedic::cli
