// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/cabinet.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace keymedic::installer {
namespace {

using Files = std::vector<CabinetFile>;

// What somebody else's reader finds in a cabinet.
Files Unpack(const std::string& cabinet) {
  archive* reader = archive_read_new();
  archive_read_support_format_cab(reader);
  EXPECT_EQ(archive_read_open_memory(reader, cabinet.data(), cabinet.size()), ARCHIVE_OK);
  Files files;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::string content(static_cast<size_t>(archive_entry_size(entry)), '\0');
    EXPECT_EQ(archive_read_data(reader, content.data(), content.size()),
              static_cast<la_ssize_t>(content.size()))
        << archive_error_string(reader);
    files.push_back({archive_entry_pathname(entry), content});
  }
  archive_read_free(reader);
  return files;
}

void ExpectComesBack(const Files& files) {
  const Files unpacked = Unpack(MakeCabinet(files));
  ASSERT_EQ(unpacked.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(unpacked[i].name, files[i].name);
    EXPECT_TRUE(unpacked[i].content == files[i].content)
        << files[i].name << " of " << files[i].content.size() << " bytes";
  }
}

std::string Noise(size_t size, unsigned seed, int values = 256) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random() % static_cast<unsigned>(values));
  return out;
}

// Calls to few places, between bytes that repeat and bytes that do not.
std::string LikeAProgram(size_t size) {
  std::mt19937 random(7);
  std::string out;
  while (out.size() < size) {
    out += Noise(random() % 12, random(), 16);
    const auto target = static_cast<int32_t>(random() % 64 * 4096 - out.size());
    out += '\xE8';
    out.append(reinterpret_cast<const char*>(&target), sizeof(target));
    if (random() % 8 == 0) out += Noise(5, random());
  }
  out.resize(size);
  return out;
}

TEST(Cabinet, AllSizesAroundAFrameComeBack) {
  for (const size_t size : {1, 2, 9, 10, 11, 32767, 32768, 32769, 65536, 131071, 131072, 131073}) {
    ExpectComesBack({{"text", std::string(size, 'x')}});
    ExpectComesBack({{"noise", Noise(size, 1)}});
    ExpectComesBack({{"few", Noise(size, 2, 3)}});
    ExpectComesBack({{"program", LikeAProgram(size)}});
  }
}

TEST(Cabinet, FilesFollowOneAnother) {
  ExpectComesBack({{"one", LikeAProgram(100'000)},
                   {"two", "short"},
                   {"three", LikeAProgram(100'000)},
                   {"four", Noise(50'000, 3, 40)}});
}

TEST(Cabinet, ALongMatchIsAsFarAwayAsTheWindowAllows) {
  const std::string far = Noise(1000, 4);
  for (const size_t between : {(2u << 20) - 1004, (2u << 20) - 1003, (2u << 20) - 1000, 3u << 20}) {
    ExpectComesBack({{"far", far + Noise(between, 5) + far}});
  }
}

TEST(Cabinet, WhatRepeatsIsSmall) {
  const std::string noise = Noise(500'000, 6);
  const size_t once = MakeCabinet({{"a", noise}}).size();
  EXPECT_LT(once, noise.size() * 101 / 100);
  EXPECT_LT(MakeCabinet({{"a", noise}, {"b", noise}}).size(), once * 102 / 100);
  EXPECT_LT(MakeCabinet({{"program", LikeAProgram(500'000)}}).size(), 300'000u);
  EXPECT_LT(MakeCabinet({{"zeros", std::string(1 << 20, '\0')}}).size(), 10'000u);
}

TEST(Cabinet, TheSameFilesMakeTheSameCabinet) {
  const Files files = {{"a", LikeAProgram(70'000)}};
  EXPECT_EQ(MakeCabinet(files), MakeCabinet(files));
}

}  // namespace
}  // namespace keymedic::installer
