// SPDX-License-Identifier: Apache-2.0
//
// Reads captured evidence: what administrators paste. Each reader recognises its kind by content,
// in any display language, by values that are never translated. What cannot be read is reported
// with line and reason, never guessed. Pure: no files, no clock.
//
//   CaptureSet set;
//   set.Add("dlv.txt", text);  set.Add("-", more);
//   DiagnoseCapturesResponse answer = set.Diagnose(policy, now);
#ifndef KEYMEDIC_KMS_READERS_CAPTURES_H_
#define KEYMEDIC_KMS_READERS_CAPTURES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "keymedic/v1/policy_service.pb.h"
#include "kms/diagnosis/diagnosis.h"
#include "kms/readers/join.h"
#include "kms/readers/own_labels.h"
#include "kms/readers/piece.h"

namespace keymedic::kms {

class CaptureSet {
 public:
  // The words of a machine's own slmgr (its slmgr.ini), for what is added after. False: these bytes
  // hold none.
  bool AddLabels(absl::string_view slmgr_ini) { return labels_.Add(slmgr_ini); }
  // Any bytes. False: it is no evidence, which is remembered as unread; as a whole file that was
  // asked for, unless it was only found beside others (in a directory, in an archive).
  bool Add(absl::string_view file, absl::string_view content, bool asked_for = true);

  // A machine that told its state itself: its sections stand as they are, and what captures say of
  // the same machine only fills in what it did not tell. `state.name` is its name, `state.source`
  // where the state comes from. Of two states of one machine the newer counts.
  void AddMachine(MachineState state, absl::Time as_of);
  // Remembers what could not be read, or not be opened.
  void Refuse(absl::string_view file, std::string reason, bool asked_for = true);

  // The machines that the evidence shows, with what belongs together joined: a client and a host
  // that share a client machine id, a machine's events with its licence state.
  std::vector<MachineState> Machines() const;
  const std::vector<v1::Unread>& unread() const { return unread_; }

  // HEALTHY: evidence was read and nothing is above a notice. INCONCLUSIVE: it was read and does
  // not tell. Instants that the evidence lacks are taken from `now`.
  v1::DiagnoseCapturesResponse Diagnose(const v1::Policy& policy, absl::Time now) const;

 private:
  std::vector<readers::Machine> Join(std::optional<absl::Time> now) const;

  readers::OwnLabels labels_;
  std::vector<v1::Unread> unread_;
  std::vector<readers::Machine> whole_;  // told by the machines themselves
  std::vector<readers::Piece> pieces_;   // one for each thing that was recognised, in order
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_READERS_CAPTURES_H_
