// SPDX-License-Identifier: Apache-2.0
//
// DNS answers about the KMS record, as nslookup (Windows and BIND), dig, host and Resolve-DnsName
// print them. Owner names, record types and numbers are never translated.
#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr int kMaxAnswers = 256;
constexpr uint32_t kNameDoesNotExist = 0x8007232B;
constexpr uint32_t kNoRecords = 0x8007251D;
constexpr uint32_t kServerFailure = 0x8007232A;
constexpr uint32_t kRefused = 0x8007232D;
constexpr uint32_t kTimeout = 0x800705B4;
constexpr uint32_t kNoServer = 0x8007267C;

std::string TrimName(absl::string_view name) {
  while (!name.empty() && absl::string_view(" .:;,'\"()").find(name.back()) != kNone) {
    name.remove_suffix(1);
  }
  return Lower(absl::StripLeadingAsciiWhitespace(name));
}

// The word of `line` that begins with _vlmcs; "" if none.
std::string RecordName(absl::string_view line) {
  if (line.find('_') == kNone) return "";  // most lines
  const std::string lower = Lower(line);
  const size_t at = lower.find("_vlmcs");
  if (at == kNone) return "";
  size_t end = at;
  while (end < lower.size() &&
         (absl::ascii_isalnum(lower[end]) || absl::string_view("-_.").find(lower[end]) != kNone)) {
    ++end;
  }
  return TrimName(absl::string_view(lower).substr(at, end - at));
}

uint32_t ErrorOf(absl::string_view line) {
  const std::string lower = Lower(line);
  if (HasAny(lower, {"non-existent domain", "nxdomain", "name does not exist", "existiert nicht",
                     "n'existe pas", "no existe", "不存在"})) {
    return kNameDoesNotExist;
  }
  if (HasAny(lower, {"no service location (srv) records", "no records found", "no answer",
                     "has no srv record", "no records of the given type"})) {
    return kNoRecords;
  }
  if (HasAny(lower, {"server failed", "servfail", "server failure"})) return kServerFailure;
  if (HasAny(lower, {"query refused", "refused"})) return kRefused;
  if (HasAny(lower, {"timed out", "timed-out", "no response from server", "no servers could be"})) {
    return kTimeout;
  }
  if (HasAny(lower, {"no dns servers configured"})) return kNoServer;
  return 0;
}

// "0 0 1688 kms01.contoso.com." in `rest`.
bool ReadSrvData(absl::string_view rest, v1::SrvRecord& record) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(rest, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  uint32_t priority = 0, weight = 0, port = 0;
  if (words.size() < 4 || !absl::SimpleAtoi(words[0], &priority) ||
      !absl::SimpleAtoi(words[1], &weight) || !absl::SimpleAtoi(words[2], &port) || port > 65535) {
    return false;
  }
  record.set_priority(priority);
  record.set_weight(weight);
  record.set_port(port);
  record.set_target(TrimName(words[3]));
  return !record.target().empty();
}

class NamesReader {
 public:
  explicit NamesReader(Sink& sink) : sink_(sink) {}
  bool Take(const Line& line);  // false: this line says nothing about names
  void Finish(uint32_t line);

 private:
  bool TakeAnswer(absl::string_view text);
  bool TakeAssignment(absl::string_view text, const Line& line);
  bool TakeAddress(absl::string_view text);
  bool TakeResolveDnsName(const std::vector<absl::string_view>& words);
  bool TakeListLine(const Labelled& labelled);
  v1::SrvAnswer& Answer(const std::string& name);
  v1::SrvRecord& NewRecord(const std::string& name) {
    v1::SrvAnswer& answer = Answer(name);
    answer.set_error(0);
    return *answer.add_records();
  }

  Sink& sink_;
  std::string asked_;                  // the last name that a line was about
  std::string list_name_, list_type_;  // Resolve-DnsName as a list
  v1::NamesSection names_;
  v1::SrvRecord* open_ = nullptr;  // nslookup prints a record over several lines
  std::map<std::string, std::vector<std::string>> addresses_;
  std::map<std::string, std::string> aliases_;
  bool headed_ = false;  // dig's header was seen
  uint32_t error_ = 0;   // seen before the name that it is about (dig)
};

v1::SrvAnswer& NamesReader::Answer(const std::string& name) {
  for (v1::SrvAnswer& answer : *names_.mutable_answers()) {
    // "_vlmcs._tcp" was asked and "_vlmcs._tcp.contoso.com" answered.
    if (answer.name() == name || answer.records().empty()) {
      if (name.size() > answer.name().size()) answer.set_name(name);
      return answer;
    }
  }
  if (names_.answers_size() >= kMaxAnswers) return *names_.mutable_answers(kMaxAnswers - 1);
  v1::SrvAnswer& answer = *names_.add_answers();
  answer.set_name(name);
  return answer;
}

bool NamesReader::TakeAnswer(absl::string_view text) {
  const std::string name = RecordName(text);
  if (name.empty()) return false;
  asked_ = name;
  const std::string lower = Lower(text);
  open_ = nullptr;
  v1::SrvRecord record;
  for (absl::string_view marker : {"service =", "has srv record", " in srv ", " srv "}) {
    const size_t at = absl::string_view(lower).find(marker);
    if (at != kNone && ReadSrvData(absl::string_view(lower).substr(at + marker.size()), record)) {
      NewRecord(name) = record;
      return true;
    }
  }
  if (absl::StrContains(lower, "srv service location") ||
      (absl::StartsWith(lower, "_vlmcs") && absl::EndsWith(lower, ":"))) {
    open_ = &NewRecord(name);
    return true;
  }
  const size_t alias = lower.find("canonical name =");
  if (alias != kNone) {
    aliases_[name] = TrimName(absl::string_view(lower).substr(alias + 16));
    return true;
  }
  if (const uint32_t error = ErrorOf(text)) {
    v1::SrvAnswer& answer = Answer(name);
    if (answer.records().empty()) answer.set_error(error);
    return true;
  }
  // nslookup in another language: "*** dc wurde von … nicht gefunden: …".
  if (absl::StartsWith(text, "***") || absl::StartsWith(text, "**")) {
    v1::SrvAnswer& answer = Answer(name);
    if (answer.records().empty()) answer.set_error(kNameDoesNotExist);
    return true;
  }
  std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipWhitespace());
  if (TakeResolveDnsName(words)) return true;
  return true;  // the question itself
}

// Resolve-DnsName's table: name, SRV, TTL, section, target, priority, weight, port.
bool NamesReader::TakeResolveDnsName(const std::vector<absl::string_view>& words) {
  if (words.size() < 8 || words[1] != "SRV") return false;
  uint32_t priority = 0, weight = 0, port = 0;
  if (!absl::SimpleAtoi(words[5], &priority) || !absl::SimpleAtoi(words[6], &weight) ||
      !absl::SimpleAtoi(words[7], &port)) {
    return false;
  }
  v1::SrvRecord& record = NewRecord(asked_);
  record.set_target(TrimName(words[4]));
  record.set_priority(priority);
  record.set_weight(weight);
  record.set_port(port);
  return true;
}

bool NamesReader::TakeAssignment(absl::string_view text, const Line& line) {
  const size_t equals = text.find('=');
  if (equals == kNone || asked_.empty()) return false;
  const std::string key = LabelKey(text.substr(0, equals));
  const absl::string_view value = absl::StripAsciiWhitespace(text.substr(equals + 1));
  if (key == "primarynameserver") {  // nslookup's way to say "that name has no such record"
    v1::SrvAnswer& answer = Answer(asked_);
    if (answer.records().empty()) answer.set_error(kNoRecords);
    return true;
  }
  if (open_ == nullptr) return false;
  if (key == "svrhostname") {
    if (!IsUnknown(value)) open_->set_target(TrimName(value));
    return true;
  }
  if (key != "priority" && key != "weight" && key != "port") return false;
  uint32_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number > 65535) {
    sink_.Unreadable(line.number, absl::StrCat("not a ", key, " of an SRV record: \"",
                                               Excerpt(value, 80), "\""));
    return true;
  }
  if (key == "priority") open_->set_priority(number);
  if (key == "weight") open_->set_weight(number);
  if (key == "port") open_->set_port(number);
  return true;
}

bool NamesReader::TakeAddress(absl::string_view text) {
  const std::string lower = Lower(text);
  for (absl::string_view marker : {"internet address =", "has ipv6 address", "has address",
                                   "aaaa ipv6 address =", " in aaaa ", " in a "}) {
    const size_t at = absl::string_view(lower).find(marker);
    if (at == kNone) continue;
    const size_t end = lower.find_first_of(" \t");
    const auto address = FindIpAddress(absl::string_view(lower).substr(at + marker.size()));
    if (!address) continue;
    addresses_[TrimName(absl::string_view(lower).substr(0, end))].push_back(*address);
    return true;
  }
  for (absl::string_view marker : {"canonical name =", "is an alias for", " in cname "}) {
    const size_t at = absl::string_view(lower).find(marker);
    if (at == kNone) continue;
    aliases_[TrimName(absl::string_view(lower).substr(0, lower.find_first_of(" \t")))] =
        TrimName(absl::string_view(lower).substr(at + marker.size()));
    return true;
  }
  return false;
}

bool NamesReader::TakeListLine(const Labelled& labelled) {
  const std::string key = LabelKey(labelled.label);
  const absl::string_view value = labelled.value;
  const bool srv = list_type_ == "srv";
  uint32_t number = 0;
  if (key == "name") {
    list_name_ = TrimName(value);
    list_type_.clear();
    if (!RecordName(value).empty()) asked_ = list_name_;
  } else if (key == "querytype" || key == "type") {
    list_type_ = Lower(value);
    if (list_type_ == "srv") open_ = &NewRecord(list_name_);
  } else if (srv && key == "nametarget" && open_ != nullptr) {
    open_->set_target(TrimName(value));
  } else if (srv && open_ != nullptr && absl::SimpleAtoi(value, &number) && number <= 65535 &&
             (key == "priority" || key == "weight" || key == "port")) {
    if (key == "priority") open_->set_priority(number);
    if (key == "weight") open_->set_weight(number);
    if (key == "port") open_->set_port(number);
  } else if ((key == "ip4address" || key == "ip6address" || key == "ipaddress") &&
             FindIpAddress(value)) {
    addresses_[list_name_].push_back(std::string(value));
  } else if ((key == "address" || key == "addresses") && !list_name_.empty()) {
    if (const auto address = FindIpAddress(value)) addresses_[list_name_].push_back(*address);
  } else {
    return key == "ttl" || key == "section" || key == "server" || key == "address" ||
           key == "addresses" || key == "defaultserver" || key == "datalength" || key == "aliases";
  }
  return true;
}

bool NamesReader::Take(const Line& line) {
  std::string text(line.text);
  std::replace(text.begin(), text.end(), '\t', ' ');
  absl::RemoveExtraAsciiWhitespace(&text);
  if (text.empty()) return true;
  if (absl::StrContains(text, "->>HEADER<<-")) {
    error_ = ErrorOf(text);
    headed_ = true;
    return true;
  }
  if (headed_ && absl::StrContains(text, "flags:")) {
    if (error_ == 0 && absl::StrContains(text, "ANSWER: 0,")) error_ = kNoRecords;
    return true;
  }
  // dig repeats the question; its answer section has the record.
  if (absl::StartsWith(text, ";_")) {
    asked_ = RecordName(text);
    v1::SrvAnswer& answer = Answer(asked_);
    answer.set_error(error_ != 0 ? error_ : kNoRecords);
    return true;
  }
  if (text[0] == ';') return true;
  if (TakeAssignment(text, line) || TakeAddress(text)) return true;
  const auto labelled = SplitLabel(text);
  if (labelled && (RecordName(text).empty() || LabelKey(labelled->label) == "name") &&
      TakeListLine(*labelled)) {
    return true;
  }
  if (TakeAnswer(text)) return true;
  if (!asked_.empty()) {
    v1::SrvRecord record;
    if (ReadSrvData(text, record)) {  // dig +short
      NewRecord(asked_) = record;
      return true;
    }
    if (const uint32_t error = ErrorOf(text)) {
      v1::SrvAnswer& answer = Answer(asked_);
      if (answer.records().empty()) answer.set_error(error);
      return true;
    }
  }
  return false;
}

void NamesReader::Finish(uint32_t line) {
  // dig without its question section.
  if (error_ != 0 && !asked_.empty() && names_.answers().empty()) Answer(asked_).set_error(error_);
  for (v1::SrvAnswer& answer : *names_.mutable_answers()) {
    auto& records = *answer.mutable_records();
    records.erase(std::remove_if(records.begin(), records.end(),
                                 [](const v1::SrvRecord& r) { return r.target().empty(); }),
                  records.end());
  }
  auto& answers = *names_.mutable_answers();
  answers.erase(std::remove_if(answers.begin(), answers.end(),
                               [](const v1::SrvAnswer& answer) {
                                 return answer.records().empty() && answer.error() == 0;
                               }),
                answers.end());
  if (names_.answers().empty()) return;
  for (v1::SrvAnswer& answer : *names_.mutable_answers()) {
    for (v1::SrvRecord& record : *answer.mutable_records()) {
      std::string name = record.target();
      for (int hops = 0; hops < 8 && aliases_.contains(name); ++hops) name = aliases_[name];
      const auto found = addresses_.find(name);
      if (found == addresses_.end()) continue;
      record.set_resolved(true);
      for (const std::string& address : found->second) record.add_addresses(address);
    }
    if (answer.error() == kNoServer) names_.set_no_name_server(true);
  }
  sink_.Add(Role::kUnknown, line).state.names = std::move(names_);
}

bool IsCommand(absl::string_view line) {
  return HasAny(Lower(line), {"nslookup", "dig ", "resolve-dnsname", "host -t"});
}

}  // namespace

bool StartsNames(absl::string_view line) {
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line);
  if (text.empty() || text[0] == '#') return false;
  if (!RecordName(text).empty()) {
    // A sentence about the record is no answer.
    const size_t words =
        std::vector<absl::string_view>(absl::StrSplit(text, ' ', absl::SkipWhitespace())).size();
    return words <= 8 || ErrorOf(text) != 0 || IsCommand(text) || absl::StartsWith(text, "**");
  }
  return absl::StrContains(text, "->>HEADER<<-");
}

size_t ReadNames(const Lines& lines, size_t at, Sink& sink) {
  constexpr int kStrangers = 2;
  NamesReader reader(sink);
  int strangers = 0;
  size_t end = at;
  for (size_t i = at; i < lines.size() && strangers < kStrangers; ++i) {
    const absl::string_view text = lines[i].text;
    if (i > at && !StartsNames(text)) {
      if (IsBreak(text) || StartsOspp(text) || StartsSlmgr(text)) break;
      const auto labelled = SplitLabel(text);
      if (StartsEvent(text) && labelled && LabelKey(labelled->label) != "id") break;
    }
    // A second question by command is a second piece, of the same machine.
    if (i > at && IsBreak(text)) break;
    if (reader.Take(lines[i])) {
      strangers = 0;
      end = i + 1;
    } else {
      ++strangers;
    }
  }
  reader.Finish(lines[at].number);
  return std::max<size_t>(end - at, 1);
}

}  // namespace keymedic::kms::readers
