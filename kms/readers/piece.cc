// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/piece.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace keymedic::kms::readers {

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
    bool adopt = !another && named_sections_.empty();
    for (const Piece& piece : pieces_) {
      adopt = adopt && computer.empty() && (piece.role == role || piece.role == Role::kUnknown);
    }
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

bool Sink::IsReportedAgain(const Piece& newer) const {
  const auto agree = [](absl::string_view a, absl::string_view b, bool& known) {
    known = known || (!a.empty() && a == b);
    return a.empty() || b.empty() || a == b;
  };
  if (!newer.state.licensing || newer.state.licensing->products().empty()) return false;
  const v1::Product& product = newer.state.licensing->products(0);
  bool command_between = false;
  for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
    if (piece->section != section_) continue;
    command_between = command_between || (piece->state.client && !piece->state.licensing &&
                                          !piece->state.client->attempts().empty());
    if (!piece->state.licensing || piece->state.licensing->products().empty()) continue;
    const v1::Product& other = piece->state.licensing->products(0);
    bool known = false, unused = false;
    const bool client = piece->state.client && newer.state.client;
    if (!agree(product.extended_pid(), other.extended_pid(), known) ||
        !agree(product.activation_id(), other.activation_id(), unused) ||
        (client && !agree(newer.state.client->client_machine_id(),
                          piece->state.client->client_machine_id(), known))) {
      return false;
    }
    if (!computer_.empty()) return true;
    const bool later = piece->taken_at && newer.taken_at && *piece->taken_at != *newer.taken_at;
    return known && (later || command_between);
  }
  return false;
}

bool Sink::HasRivalOf(const v1::Product& product) const {
  const auto is_windows = [](const v1::Product& p) {
    return absl::StartsWith(p.application_id(), "55c92734-") ||
           absl::StartsWith(p.description(), "Windows") || absl::StartsWith(p.name(), "Windows");
  };
  for (const Piece& piece : pieces_) {
    if (piece.section != section_ || !piece.state.licensing) continue;
    for (const v1::Product& other : piece.state.licensing->products()) {
      if (other.is_addon()) continue;
      if (is_windows(other) && is_windows(product)) return true;
      if (product.has_activation_id() && other.activation_id() == product.activation_id()) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace keymedic::kms::readers
