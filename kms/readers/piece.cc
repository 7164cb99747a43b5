// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/piece.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace keymedic::kms::readers {
namespace {

bool IsWindows(const v1::Product& product) {
  return absl::StartsWith(product.application_id(), "55c92734-") ||
         absl::StartsWith(product.description(), "Windows") ||
         absl::StartsWith(product.name(), "Windows");
}

}  // namespace

void Sink::TellFull(uint32_t line) {
  if (!full_) {
    Unreadable(line, absl::StrCat("more than ", kMaxEvents, " events or ", kMaxPieces,
                                  " reports in one file: the rest was left out"));
  }
  full_ = true;
}

Piece& Sink::Add(Role role, uint32_t line) {
  if (pieces_.size() >= kMaxPieces) {
    TellFull(line);
    return surplus_ = Piece();
  }
  Piece& piece = pieces_.emplace_back();
  piece.file = file_;
  piece.line = line;
  piece.section = section_;
  piece.role = role;
  piece.said = said_;
  piece.computer = computer_;
  return piece;
}

void Sink::AddEvent(Role role, absl::string_view computer, std::optional<v1::EventRecord> event,
                    uint32_t line) {
  if (events_++ >= kMaxEvents) return TellFull(line);
  if (computer.empty()) computer = computer_;
  // A log's events come by the thousand: those of one machine in a row are one piece.
  const bool same = !pieces_.empty() && pieces_.back().only_events &&
                    pieces_.back().section == section_ && pieces_.back().role == role &&
                    pieces_.back().computer == computer;
  Piece& piece = same ? pieces_.back() : Add(role, line);
  piece.only_events = true;
  piece.computer = std::string(computer);
  if (event) piece.events.push_back(*std::move(event));
}

void Sink::Unreadable(uint32_t line, std::string reason) {
  if (unread_.size() >= kMaxUnread) return;
  v1::Unread& unread = unread_.emplace_back();
  unread.set_file(file_);
  unread.set_line(line);
  unread.set_reason(std::move(reason));
}

void Sink::Heading(Role role, absl::string_view computer, bool another) {
  const std::string key = !computer.empty()     ? absl::AsciiStrToLower(computer)
                          : role == Role::kHost ? "(host)"
                                                : "(client)";
  auto known = named_sections_.find(key);
  if (known != named_sections_.end() && !another) {
    section_ = known->second;
  } else {
    // The first heading may come after pieces of the machine that it names.
    const bool adopt = !another && named_sections_.empty() && computer.empty() &&
                       std::all_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
                         return piece.role == role || piece.role == Role::kUnknown;
                       });
    section_ = adopt ? 0 : sections_++;
    named_sections_[key] = section_;
  }
  said_ = role;
  computer_ = std::string(computer);
}

void Sink::Target(absl::string_view computer) {
  if (!computer.empty()) {
    const int here = section_;
    // What was read before without a name may be the machine's where the commands run.
    if (named_sections_.empty()) named_sections_["(here)"] = here;
    if (!home_) home_ = here;
    Heading(Role::kUnknown, computer, false);
  } else if (home_) {
    section_ = *std::exchange(home_, std::nullopt);
    said_ = Role::kUnknown;
    computer_.clear();
  }
}

void Sink::NextMachine() {
  section_ = sections_++;
  said_ = Role::kUnknown;
  computer_.clear();
}

const Sink::Reported& Sink::ReportedHere() {
  for (; looked_ < pieces_.size(); ++looked_) {
    const Piece& piece = pieces_[looked_];
    Reported& reported = reported_[piece.section];
    if (!piece.state.licensing) {
      reported.command_since =
          reported.command_since || (piece.state.client && !piece.state.client->attempts().empty());
      continue;
    }
    for (const v1::Product& product : piece.state.licensing->products()) {
      reported.newest = looked_;
      reported.command_since = false;
      if (product.is_addon()) continue;
      reported.windows = reported.windows || IsWindows(product);
      if (product.has_activation_id()) {
        reported_products_.emplace(piece.section, product.activation_id());
      }
    }
  }
  return reported_[section_];
}

bool Sink::IsReportedAgain(const Piece& newer) {
  const auto agree = [](absl::string_view a, absl::string_view b, bool& known) {
    known = known || (!a.empty() && a == b);
    return a.empty() || b.empty() || a == b;
  };
  const Reported& reported = ReportedHere();
  if (!reported.newest || !newer.state.licensing || newer.state.licensing->products().empty()) {
    return false;
  }
  const Piece& older = pieces_[*reported.newest];
  const v1::Product& product = newer.state.licensing->products(0);
  const v1::Product& other = older.state.licensing->products(0);
  bool known = false, unused = false;
  const bool client = older.state.client && newer.state.client;
  if (!agree(product.extended_pid(), other.extended_pid(), known) ||
      !agree(product.activation_id(), other.activation_id(), unused) ||
      (client && !agree(newer.state.client->client_machine_id(),
                        older.state.client->client_machine_id(), known))) {
    return false;
  }
  if (!computer_.empty()) return true;
  const bool later = older.taken_at && newer.taken_at && *older.taken_at != *newer.taken_at;
  return known && (later || reported.command_since);
}

bool Sink::HasRivalOf(const v1::Product& product) {
  const Reported& reported = ReportedHere();
  return (reported.windows && IsWindows(product)) ||
         (product.has_activation_id() &&
          reported_products_.contains(std::pair(section_, product.activation_id())));
}

}  // namespace keymedic::kms::readers
