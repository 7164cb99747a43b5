// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/cabinet.h"

#include <algorithm>
#include <utility>

#include "packaging/windows/lzx.h"

namespace keymedic::installer {
namespace {

constexpr uint16_t kLzx = 3 | kLzxWindowBits << 8;
// One instant for all: the same files make the same cabinet. 2020-01-01 00:00.
constexpr uint16_t kDate = (2020 - 1980) << 9 | 1 << 5 | 1;
constexpr uint16_t kArchive = 0x20;

// Little-endian.
void Put(std::string& out, uint32_t value, int bytes) {
  for (; bytes > 0; --bytes, value >>= 8) out += static_cast<char>(value & 0xFF);
}

uint32_t Checksum(const std::string& data, uint32_t sum) {
  const auto byte = [&](size_t i) { return uint32_t{static_cast<unsigned char>(data[i])}; };
  size_t i = 0;
  for (; i + 4 <= data.size(); i += 4) {
    sum ^= byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
  }
  uint32_t rest = 0;
  for (; i < data.size(); ++i) rest = rest << 8 | byte(i);  // the last ones the other way round
  return sum ^ rest;
}

// CFDATA: sizes, and a sum over both.
std::string Block(const std::string& frame, size_t stands_for) {
  std::string sizes;
  Put(sizes, static_cast<uint32_t>(frame.size()), 2);
  Put(sizes, static_cast<uint32_t>(stands_for), 2);
  std::string out;
  Put(out, Checksum(sizes, Checksum(frame, 0)), 4);
  return out + sizes + frame;
}

}  // namespace

std::string MakeCabinet(const std::vector<CabinetFile>& files) {
  constexpr uint32_t kHeaders = 36 + 8;
  std::string table;
  std::string all;
  for (const CabinetFile& file : files) {
    Put(table, static_cast<uint32_t>(file.content.size()), 4);
    Put(table, static_cast<uint32_t>(all.size()), 4);
    Put(table, 0, 2);  // the folder
    Put(table, kDate, 2);
    Put(table, 0, 2);
    Put(table, kArchive, 2);
    table += file.name + '\0';
    all += file.content;
  }
  const size_t total = all.size();
  const std::vector<std::string> frames = LzxCompress(std::move(all));
  std::string data;
  for (size_t i = 0; i < frames.size(); ++i) {
    data += Block(frames[i], std::min(kLzxFrame, total - i * kLzxFrame));
  }
  const uint32_t where = kHeaders + static_cast<uint32_t>(table.size());
  std::string out = "MSCF";
  Put(out, 0, 4);
  Put(out, where + static_cast<uint32_t>(data.size()), 4);
  Put(out, 0, 4);
  Put(out, kHeaders, 4);
  Put(out, 0, 4);
  Put(out, 0x0103, 2);  // the version of the format
  Put(out, 1, 2);       // folders
  Put(out, static_cast<uint32_t>(files.size()), 2);
  Put(out, 0, 6);  // no flags, no set
  Put(out, where, 4);
  Put(out, static_cast<uint32_t>(frames.size()), 2);
  Put(out, kLzx, 2);
  return out + table + data;
}

}  // namespace keymedic::installer
