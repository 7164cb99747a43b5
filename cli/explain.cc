// SPDX-License-Identifier: Apache-2.0
#include "cli/explain.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/diagnosis.h"
#include "kms/tables.h"

namespace keymedic::cli {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr uint32_t kWin32 = 0x80070000;

// A client and a host to which everything that can fail failed with this code; nothing else is
// wrong with them that is known.
std::set<std::string> CodesOf(uint32_t error) {
  google::protobuf::Timestamp at;
  at.set_seconds(absl::ToUnixSeconds(kNow) - 3600);
  kms::MachineState client;
  client.id = client.name = "client";
  v1::Product& product = *client.licensing.emplace().add_products();
  product.set_description("Windows(R) Operating System, VOLUME_KMSCLIENT channel");
  product.set_partial_key("2YT43");
  product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  product.set_status_reason(error);
  v1::ActivationAttempt& attempt = *client.client.emplace().add_attempts();
  attempt.set_source_event(12288);
  attempt.set_error(error);
  *attempt.mutable_at() = at;

  kms::MachineState host;
  host.id = host.name = "host";
  v1::Product& key = *host.licensing.emplace().add_products();
  key.set_description("Windows(R) Operating System, VOLUME_KMS_WS22 channel");
  key.set_partial_key("HOST1");
  key.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  key.set_status_reason(error);
  v1::KmsHostSection& section = host.host.emplace();
  section.set_enabled(true);
  section.set_current_count(50);
  v1::RequestSummary& request = *section.add_requests();
  request.set_client_machine_id("11111111-1111-1111-1111-111111111111");
  request.set_last_error(error);
  *request.mutable_last_at() = at;
  v1::DnsPublication& publication = *section.add_publications();
  publication.set_domain("contoso.example");
  publication.set_error(error);
  *publication.mutable_at() = at;

  kms::Estate estate;
  estate.Upsert(client);
  estate.Upsert(host);
  std::set<std::string> codes;
  for (const char* id : {"client", "host"}) {
    for (const v1::Finding& finding : kms::DiagnoseMachine(estate, id, {}, kNow))
      codes.insert(finding.code());
  }
  return codes;
}

struct Facility {
  uint32_t number;
  absl::string_view name, suggestion;
};
constexpr Facility kFacilities[] = {
    {1, "RPC", "look at the way to the KMS host: its name, TCP 1688, the firewall between"},
    {2, "COM dispatch", "the call into WMI failed; restart the Windows Management service"},
    {3, "COM storage", "look for a damaged file or a full disk"},
    {9, "security (SSPI)", "look at clocks, certificates and the trust between the machines"},
    {11, "certificates", "look at the certificate store of the machine and at its clock"},
    {12, "the Internet (WinInet)", "look at the proxy and at the way to Microsoft's servers"},
    {25, "HTTP", "a web server answered with this status; look at the proxy"},
    {36, "Windows Update", "this is about updates, not about activation"},
    {63, "client licensing", "look at the events of the licensing service around it"},
};

struct Range {
  uint32_t first, last;
  absl::string_view name, suggestion;
};
constexpr Range kWin32Ranges[] = {
    {1700, 1940, "RPC",
     "look at the way to the KMS host: its name, TCP 1688, the firewall between"},
    {9000, 9999, "DNS", "look at the _vlmcs._tcp record, the suffixes and the name servers"},
    {10000, 11999, "sockets", "look at the network and the firewall between client and host"},
    {12000, 12190, "the Internet (WinHTTP)", "look at the proxy and the way to the server"},
};

const kms::ErrorRow* FindWin32(uint32_t number) {
  return number < 0x10000 ? kms::FindError(kWin32 | number) : nullptr;
}

// A code of the table that differs in one digit only.
std::string OneDigitAway(uint32_t code) {
  std::string found;
  for (int digit = 0; digit < 8; ++digit) {
    for (uint32_t value = 0; value < 16; ++value) {
      const uint32_t other = (code & ~(0xFu << (4 * digit))) | (value << (4 * digit));
      if (other == code || kms::FindError(other) == nullptr) continue;
      if (!found.empty()) return "";  // several: none is more likely than the others
      found = kms::Hex(other);
    }
  }
  return found;
}

Decoded DecodeWin32(uint32_t number) {
  for (const Range& range : kWin32Ranges) {
    if (number >= range.first && number <= range.last) {
      return {absl::StrCat("the Windows error ", number, ", of ", range.name),
              std::string(range.suggestion)};
    }
  }
  return {absl::StrCat("the Windows error ", number),
          absl::StrCat("on a Windows machine `net helpmsg ", number, "` says what it means")};
}

Decoded DecodeByFacility(uint32_t code) {
  constexpr uint32_t kFailure = 0x80000000, kStatusCode = 0x40000000;
  const uint32_t facility = (code >> 16) & 0x7FF;
  if (facility == 7 && (code & kFailure) != 0) return DecodeWin32(code & 0xFFFF);
  const bool licensing = facility == 4 && (code & kStatusCode) != 0;
  const absl::string_view severity = (code & kFailure) != 0 ? "an error" : "no error, a message,";
  if (licensing) {
    return {absl::StrCat(severity, " of the Software Protection service"),
            "`slui.exe 0x2a " + kms::Hex(code) + "` on a Windows machine shows its text"};
  }
  // 0xC002....: what the RPC runtime itself reports.
  if ((code >> 16) == 0xC002 || (code >> 16) == 0xC003) {
    return {"a status code of the RPC runtime", std::string(kFacilities[0].suggestion)};
  }
  for (const Facility& known : kFacilities) {
    if (known.number == facility && (code & kStatusCode) == 0) {
      return {absl::StrCat(severity, " of facility ", facility, ", ", known.name),
              std::string(known.suggestion)};
    }
  }
  return {absl::StrCat(severity, " of facility ", facility), ""};
}

}  // namespace

std::optional<uint32_t> PastedErrorCode(absl::string_view text) {
  auto is_part = [](char c) { return absl::ascii_isalnum(c) || c == '-'; };
  while (!text.empty() && !is_part(text.front())) text.remove_prefix(1);
  while (!text.empty() && !absl::ascii_isalnum(text.back())) text.remove_suffix(1);
  if (const size_t equals = text.rfind('='); equals != absl::string_view::npos)
    text.remove_prefix(equals + 1);
  return kms::ParseErrorCode(absl::StripAsciiWhitespace(text));
}

std::vector<std::string> FindingsOnError(uint32_t code) {
  // A code that no rule can know.
  constexpr uint32_t kNobodysCode = 0xC0DEFFFE;
  const std::set<std::string> with = CodesOf(code), without = CodesOf(kNobodysCode);
  const std::string hex = kms::Hex(code);
  std::vector<std::string> codes;
  for (const kms::FindingRow& row : kms::FindingRows()) {
    const std::string name(row.code);
    if ((with.contains(name) && !without.contains(name)) || absl::StrContains(row.looks_at, hex))
      codes.push_back(name);
  }
  return codes;
}

Decoded DecodeError(uint32_t code) {
  if (code == 0) return {"no error: it succeeded", ""};
  if (const kms::ErrorRow* row = FindWin32(code)) {
    return {absl::StrCat("the Windows error ", code),
            absl::StrCat("as a result of activation it is ", kms::Hex(row->code), " (", row->symbol,
                         "): ", row->meaning)};
  }
  Decoded decoded = code < 0x10000 ? DecodeWin32(code) : DecodeByFacility(code);
  if (const std::string other = OneDigitAway(code); !other.empty()) {
    absl::StrAppend(&decoded.suggestion, decoded.suggestion.empty() ? "" : "; ",
                    "if a digit was lost on the way: ", other, " is in the table");
  }
  if (decoded.suggestion.empty())
    decoded.suggestion = "look at the Windows events around it, and tell us what it was";
  return decoded;
}

}  // namespace keymedic::cli
