// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/headings.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kLongestPrompt = 200;

// The command behind a prompt; nothing if the line has none.
std::optional<absl::string_view> BehindPrompt(absl::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto behind = [&](size_t end) {
    return absl::StripAsciiWhitespace(text.substr(std::min(end, text.size())));
  };
  if (absl::StartsWith(text, "$ ")) return behind(2);
  const bool may_close = text[0] == '[' || text[0] == 'P' || text[1] == ':';
  const size_t close = may_close ? text.substr(0, kLongestPrompt).find('>') : kNone;
  const bool drive = text.size() > 3 && absl::ascii_isalpha(text[0]) && text[1] == ':' &&
                     text[2] == '\\' && close != kNone;
  const bool remote = text[0] == '[' && absl::StrContains(text.substr(0, close), "]: PS ");
  const bool power_shell = absl::StartsWith(text, "PS ") || absl::StartsWith(text, "PS>") || remote;
  if (drive || (power_shell && close != kNone)) return behind(close + 1);
  // "admin@jump:~$ dig …"
  const size_t at = text.substr(0, 40).find('@');
  if (at == kNone) return std::nullopt;
  const size_t dollar = text.substr(0, kLongestPrompt).find_first_of("$#");
  if (dollar != kNone && at < dollar && text.find(' ') > dollar) return behind(dollar + 1);
  return std::nullopt;
}

bool IsName(absl::string_view word) {
  return !word.empty() && word.size() <= 255 && absl::ascii_isalnum(word[0]) &&
         std::all_of(word.begin(), word.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// Names of machines carry numbers; words of prose do not, and names of products are known.
bool LooksLikeMachine(absl::string_view word) {
  if (!IsName(word) || word.size() < 3) return false;
  const bool digit = std::any_of(word.begin(), word.end(), absl::ascii_isdigit);
  const bool letter = std::any_of(word.begin(), word.end(), absl::ascii_isalpha);
  if (!digit || !letter) return false;
  const std::string lower = Lower(word);
  for (absl::string_view product :
       {"office", "windows", "win7",  "win8",   "win10",  "win11", "server20",
        "step",   "part",    "file",  "output", "sample", "case",  "test",
        "client", "host",    "event", "kb",     "0x",     "utf",   "example"}) {
    if (absl::StartsWith(lower, product)) return false;
  }
  return true;
}

// "pc-101.txt" is the file of pc-101.
absl::string_view WithoutFileEnding(absl::string_view word) {
  for (absl::string_view ending : {".txt", ".log", ".out", ".csv"}) {
    if (absl::ConsumeSuffix(&word, ending)) break;
  }
  return word;
}

// The machine that a command asks: "slmgr.vbs pc-101 /dlv", "… -ComputerName pc-101".
std::optional<std::string> TargetOf(absl::string_view command) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(command.substr(0, 1024), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = Lower(WithoutQuotes(words[i]));
    for (absl::string_view option : {"/node:", "-r:", "/r:", "-remote:", "\\\\"}) {
      absl::string_view name = WithoutQuotes(word);
      if (absl::ConsumePrefix(&name, option) && IsName(name)) return std::string(name);
    }
    if (i + 1 == words.size()) break;
    const absl::string_view next = WithoutQuotes(words[i + 1]);
    const bool option = word == "-computername" || word == "-cimsession" || word == "-cn" ||
                        word == "enter-pssession" || word == "icm" || word == "invoke-command";
    if (option && IsName(next)) return std::string(next);
    const bool slmgr = absl::EndsWith(word, "slmgr") || absl::EndsWith(word, "slmgr.vbs");
    const bool verb = std::any_of(words.begin() + i + 1, words.end(),
                                  [](absl::string_view w) { return w[0] == '/' || w[0] == '-'; });
    if (slmgr && verb && IsName(next)) return std::string(next);
    const bool ospp = absl::EndsWith(word, "ospp.vbs") && i + 2 < words.size();
    if (ospp && next[0] == '/' && IsName(words[i + 2])) return std::string(words[i + 2]);
  }
  return std::nullopt;
}

// Where `word` stands in the clause, or far behind it.
size_t PlaceOf(absl::string_view clause, std::initializer_list<absl::string_view> words) {
  size_t first = kNone;
  for (absl::string_view word : words) first = std::min(first, clause.find(word));
  return first;
}

// Whose evidence a heading announces: by its first clause ("on the KMS host, Application log").
Role RoleInHeading(absl::string_view heading) {
  std::string lower = Lower(heading);
  absl::string_view clause = lower;
  while (!clause.empty() && absl::string_view("#=/-* \t").find(clause[0]) != kNone) {
    clause.remove_prefix(1);
  }
  clause = clause.substr(0, clause.find_first_of(",;:("));
  for (absl::string_view command : {"slmgr", "nslookup", "ospp", "dig", "resolve-", "get-",
                                    "cscript", "host caching", "host -t"}) {
    if (absl::StartsWith(clause, command)) return Role::kUnknown;
  }
  if (HasAny(clause, {"client machine id", "host name", "host caching"})) return Role::kUnknown;
  const size_t client =
      PlaceOf(clause, {"client", "workstation", "客户端", "クライアント", "клиент"});
  const size_t host =
      PlaceOf(clause, {"host", "hôte", "kms server", "kms-server", "主机", "ホスト", "хост"});
  if (client == kNone && host == kNone) return Role::kUnknown;
  return client < host ? Role::kClient : Role::kHost;
}

// "ok: [pc-101] =>", "fatal: [pc-101]: FAILED!".
std::optional<std::string> PlaybookMachine(absl::string_view text) {
  for (absl::string_view word : {"ok: [", "changed: [", "fatal: [", "failed: ["}) {
    if (!absl::ConsumePrefix(&text, word)) continue;
    const absl::string_view name = text.substr(0, text.find(']'));
    if (IsName(name)) return std::string(name);
  }
  return std::nullopt;
}

}  // namespace

bool IsComment(absl::string_view text) {
  return absl::StartsWith(text, "#") || absl::StartsWith(text, "//") ||
         absl::StartsWith(text, "==");
}

std::optional<absl::string_view> NamedComputer(absl::string_view text) {
  const auto labelled = SplitLabel(text);
  if (!labelled) return std::nullopt;
  const TableKey key(labelled->label);
  for (absl::string_view known : {"computer", "computername", "hostname", "machine", "machinename",
                                  "pc", "client", "kmsclient", "kmshost", "kmsserver", "rechner",
                                  "rechnername", "ordinateur", "equipo", "计算机", "计算机名"}) {
    if (key.view() != known) continue;
    if (IsUnknown(labelled->value)) return std::nullopt;
    const auto host = ParseHostPort(labelled->value);
    if (host && !host->port && !host->host.empty()) return labelled->value;
  }
  return std::nullopt;
}

std::optional<std::string> MachineHeading(absl::string_view text) {
  if (text.empty() || text.size() > 400) return std::nullopt;
  if (auto machine = PlaybookMachine(text)) return machine;
  if (absl::ConsumePrefix(&text, "\\\\")) {  // psexec
    absl::ConsumeSuffix(&text, ":");
    return IsName(text) ? std::optional(std::string(text)) : std::nullopt;
  }
  const size_t bar = text.find(" | ");
  if (bar != kNone && bar < 256) {
    const absl::string_view state = text.substr(bar + 3);
    const bool ansible = absl::StartsWith(state, "CHANGED") || absl::StartsWith(state, "SUCCESS") ||
                         absl::StartsWith(state, "FAILED") ||
                         absl::StartsWith(state, "UNREACHABLE");
    if (ansible && IsName(text.substr(0, bar))) return std::string(text.substr(0, bar));
  }
  constexpr absl::string_view kRules = "=-#*>[]< \t";
  const size_t first = text.find_first_not_of(kRules);
  if (first == kNone) return std::nullopt;
  absl::string_view word = text.substr(first, text.find_last_not_of(kRules) + 1 - first);
  const bool rule = first >= 2 || text[0] == '[' || text[0] == '#';
  const bool colon = absl::ConsumeSuffix(&word, ":");
  if ((!rule && !colon) || word.find(' ') != kNone) return std::nullopt;
  word = WithoutFileEnding(word);
  return LooksLikeMachine(word) ? std::optional(std::string(word)) : std::nullopt;
}

bool ReadPrompt(absl::string_view text, Sink& sink) {
  const auto command = BehindPrompt(text);
  if (!command) return false;
  std::optional<std::string> target = TargetOf(*command);
  const size_t close = text.find(']');
  if (!target && text[0] == '[' && close != kNone && IsName(text.substr(1, close - 1))) {
    target = std::string(text.substr(1, close - 1));
  }
  sink.Target(target.value_or(""));
  return true;
}

bool ReadHeading(absl::string_view line, Sink& sink) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  const bool comment = IsComment(text);
  absl::string_view bare = text;
  while (!bare.empty() && absl::string_view("#=/ \t").find(bare[0]) != kNone) bare.remove_prefix(1);
  while (!bare.empty() && absl::string_view("#= \t").find(bare.back()) != kNone) {
    bare.remove_suffix(1);
  }
  if (const auto computer = NamedComputer(bare)) {
    const Role role = RoleInHeading(SplitLabel(bare)->label);
    sink.Heading(role, *computer, false);
    return true;
  }
  if (const auto machine = MachineHeading(text)) {
    sink.Heading(Role::kUnknown, *machine, false);
    return true;
  }
  const bool announces = text.size() <= 80 && absl::EndsWith(text, ":");
  if (!comment && !announces) return false;
  const Role role = RoleInHeading(bare);
  if (role == Role::kUnknown) return false;
  const std::string lower = Lower(bare);
  const bool another = HasAny(lower, {"another ", "other ", "second ", "third ", "client 2",
                                      "host 2", "client 3", "host 3"});
  sink.Heading(role, "", another);
  return true;
}

bool IsBreak(absl::string_view line) {
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(line);
  return !text.empty() &&
         (IsComment(text) || BehindPrompt(text) || NamedComputer(text) || MachineHeading(text));
}

}  // namespace keymedic::kms::readers
