// SPDX-License-Identifier: Apache-2.0
//
// What becomes of one machine's license if nothing changes: the one judgement behind the forecast
// and behind ESTATE_EXPIRY_AHEAD. It rests on what the machine and its host show, never on a guess;
// what they do not show makes it kUnknown, with the reason.
//
// The primary product is judged. A KMS activation lasts 180 days; a client that keeps renewing
// (every 7 days, if its host says nothing else) never leaves Licensed.
//
// Life cycle: made for one look at an estate that does not change meanwhile. Looks at each host
// once, and at all clients at most once, when a question needs it. One thread.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_MACHINE_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_MACHINE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kms/diagnosis/facts.h"

namespace keymedic::kms {

inline constexpr absl::Duration kKmsValidity = absl::Hours(24 * 180);  // of one activation
inline constexpr absl::Duration kHostMemory = absl::Hours(24 * 30);    // of one client
inline constexpr absl::Duration kRenewalInterval = absl::Hours(24 * 7);

enum class Course {
  kUnknown,
  kForever,         // licensed without an end
  kRenews,          // licensed, and keeps renewing
  kLeavesLicensed,  // licensed until `at`; nothing renews it
  kLeavesGrace,     // in a grace period until `at`
  kLicenseEnds,     // evaluation or subscription until `at`
  kNotLicensed,     // in notification or unlicensed: nothing is left to lose
};

struct MachineOutlook {
  Course course = Course::kUnknown;
  absl::Time at = absl::InfiniteFuture();
  std::string reason;
  // The finding of its host that stops it, if one does; its own stand in its findings.
  const MachineState* host = nullptr;
  std::string host_code;
};

class Outlooks {
 public:
  Outlooks(const Estate& estate, const v1::Policy& policy, absl::Time now)
      : estate_(estate), policy_(policy), now_(now) {}

  MachineOutlook Of(const MachineState& machine);
  // Will it be licensed no more at some time, although it is now?
  bool LeavesLicensed(const MachineState& machine);

  // The code of the finding that keeps a host from answering anybody; empty: none.
  const std::string& ClosedBy(const MachineState& host);
  // Machines that will ask this host again, as far as the estate knows them.
  const std::vector<const MachineState*>& AskersOf(const MachineState& host);
  // How many different machines will ask it again, with those of its log that have no agent.
  int ReturningTo(const MachineState& host);

 private:
  MachineOutlook OfKmsClient(const Facts& facts);
  std::optional<MachineOutlook> StoppedByHost(const Facts& facts, absl::Time expires);
  bool Serves(const MachineState& host, int required);
  bool IsAsker(const Facts& facts);
  void FindAskers();

  const Estate& estate_;
  const v1::Policy& policy_;
  const absl::Time now_;
  std::map<std::string, std::string> closed_by_;  // by id of the host, as all of these
  std::map<std::string, std::vector<const MachineState*>> askers_;
  std::map<std::string, int> returning_;
  bool askers_found_ = false;
};

// How many machines a host must have counted before it activates this one.
int RequiredCountOf(const Facts& facts);
// A machine without an agent that asked this lately is in its rhythm: two renewals, as for others.
bool IsInRhythm(const v1::RequestSummary& request, absl::Time now);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_MACHINE_H_
