// SPDX-License-Identifier: Apache-2.0
//
// What one reader recognised, before it is known whose it is. Readers only read; kms/readers/join.h
// decides which pieces are one machine.
#ifndef KEYMEDIC_KMS_READERS_PIECE_H_
#define KEYMEDIC_KMS_READERS_PIECE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/event.pb.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms::readers {

enum class Role { kUnknown, kClient, kHost };

struct Piece {
  std::string file;
  uint32_t line = 0;
  int section = 0;  // which machine of its file, as headings and repeated reports tell
  Role role = Role::kUnknown;
  Role said = Role::kUnknown;  // by the heading above it
  std::string computer;        // its name, where a heading or an event gives it

  MachineState state;
  std::vector<int64_t> minutes_left;   // beside state.licensing's products; -1: not said
  std::optional<absl::Time> taken_at;  // when the report was printed, if it says so
  bool only_events = false;
  std::vector<v1::EventRecord> events;  // folded into the state once all are together
};

// Takes what the readers of one file find.
class Sink {
 public:
  explicit Sink(absl::string_view file) : file_(file) {}

  // A piece of the machine that the headings so far name. Valid until the next Add.
  Piece& Add(Role role, uint32_t line);
  // An event of the machine `computer` (empty: of the present one). Without `event`, one that only
  // shows that the licensing service is at work.
  void AddEvent(Role role, absl::string_view computer, std::optional<v1::EventRecord> event,
                uint32_t line);
  void Unreadable(uint32_t line, std::string reason);

  // A heading that names a machine or its role: what follows is that machine's.
  void Heading(Role role, absl::string_view computer, bool another);
  // A command's output follows, from the machine that it asked; empty: the one where it ran.
  void Target(absl::string_view computer);
  // What follows is another machine, though no heading says which.
  void NextMachine();
  // Has the present machine been reported with this product, or with another as its Windows? One
  // machine has one of each, so the report at hand is another machine's.
  bool HasRivalOf(const v1::Product& product);
  // Is that other report an older one of the same machine? Their ids agree, and a command or time
  // lies between them. `newer` holds what the report at hand says.
  bool IsReportedAgain(const Piece& newer);

  std::vector<Piece>& pieces() { return pieces_; }
  std::vector<v1::Unread>& unread() { return unread_; }

 private:
  // Of one file. What is more is left out, and that is said.
  static constexpr size_t kMaxUnread = 100;
  static constexpr size_t kMaxPieces = 50'000;
  static constexpr size_t kMaxEvents = 200'000;

  // The reports of one section, so that they are not looked through again for each further one.
  struct Reported {
    bool windows = false;
    std::optional<size_t> newest;  // piece with a product
    bool command_since = false;
  };

  void TellFull(uint32_t line);
  const Reported& ReportedHere();

  std::string file_;
  int section_ = 0;
  std::optional<int> home_;  // the section of the machine where the commands ran
  int sections_ = 1;
  Role said_ = Role::kUnknown;
  std::string computer_;
  std::map<std::string, int> named_sections_;  // by computer, or by role
  std::vector<Piece> pieces_;
  // By section, of the pieces below `looked_`.
  absl::flat_hash_map<int, Reported> reported_;
  absl::flat_hash_set<std::pair<int, std::string>> reported_products_;  // with activation id
  size_t looked_ = 0;
  size_t events_ = 0;
  bool full_ = false;
  Piece surplus_;
  std::vector<v1::Unread> unread_;
};

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_PIECE_H_
