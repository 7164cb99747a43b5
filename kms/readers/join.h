// SPDX-License-Identifier: Apache-2.0
//
// Which pieces of evidence are one machine's. Pieces of one file are one machine unless the file
// shows otherwise (headings, a second report, client beside host events); pieces of several files
// are one machine by computer name, by client machine id, or because no other fits.
#ifndef KEYMEDIC_KMS_READERS_JOIN_H_
#define KEYMEDIC_KMS_READERS_JOIN_H_

#include <optional>
#include <vector>

#include "kms/readers/piece.h"

namespace keymedic::kms::readers {

struct Machine {
  MachineState state;
  // The newest instant in its evidence. What the evidence counts from its own present ("169 days
  // left") counts from here; absent: no instant at all.
  std::optional<absl::Time> as_of;
  bool licensing_events = false;  // has events of the licensing service, telling or not
};

// `now` stands in for a machine's as_of if its evidence has none; without it, what needs one is
// left out.
std::vector<Machine> JoinPieces(const std::vector<Piece>& pieces, std::optional<absl::Time> now);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_JOIN_H_
