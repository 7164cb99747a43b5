// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/dns_responder.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace keymedic::systems {
namespace {

constexpr uint16_t kA = 1, kSrv = 33;
constexpr int kNoName = 3;

void Put16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

std::string WireName(const std::string& name) {
  std::string wire;
  for (const absl::string_view label : absl::StrSplit(name, '.', absl::SkipEmpty())) {
    wire.push_back(static_cast<char>(label.size()));
    absl::StrAppend(&wire, label);
  }
  wire.push_back('\0');
  return wire;
}

void PutRecord(std::string& out, uint16_t type, const std::string& data) {
  Put16(out, 0xC00C);  // the question's name
  Put16(out, type);
  Put16(out, 1);
  Put16(out, 0);
  Put16(out, 60);  // time to live
  Put16(out, static_cast<uint16_t>(data.size()));
  out += data;
}

}  // namespace

std::string DnsResponder::server() const { return absl::StrCat("127.0.0.1:", server_.port()); }

void DnsResponder::Start() {
  server_.Start([this](const std::string& question) {
    return silent || question.size() < 17 ? std::string() : Answer(question);
  });
}

std::string DnsResponder::Answer(const std::string& question) const {
  std::string name;
  size_t at = 12;
  while (at < question.size() && question[at] != 0) {
    const size_t length = static_cast<uint8_t>(question[at]);
    absl::StrAppend(&name, name.empty() ? "" : ".", question.substr(at + 1, length));
    at += length + 1;
  }
  absl::AsciiStrToLower(&name);
  const uint16_t type =
      static_cast<uint8_t>(question[at + 1]) << 8 | static_cast<uint8_t>(question[at + 2]);
  const auto failure = rcode.find(name);
  int code = failure != rcode.end() ? failure->second : 0;
  if (code == 0 && !srv.count(name) && !a.count(name)) code = kNoName;

  uint16_t count = 0;
  std::string records;
  if (const auto found = srv.find(name); code == 0 && type == kSrv && found != srv.end()) {
    for (const Srv& record : found->second) {
      std::string data;
      Put16(data, record.priority);
      Put16(data, record.weight);
      Put16(data, record.port);
      PutRecord(records, kSrv, data + WireName(record.target));
      ++count;
    }
  }
  if (const auto found = a.find(name); code == 0 && type == kA && found != a.end()) {
    for (const std::string& text : found->second) {
      in_addr address{};
      inet_pton(AF_INET, text.c_str(), &address);
      PutRecord(records, kA, std::string(reinterpret_cast<char*>(&address), sizeof(address)));
      ++count;
    }
  }
  std::string out = question.substr(0, 2);
  Put16(out, static_cast<uint16_t>(0x8580 | code));
  Put16(out, 1);
  Put16(out, count);
  Put16(out, 0);
  Put16(out, 0);
  out += question.substr(12, at + 5 - 12);
  return out + records;
}

}  // namespace keymedic::systems
