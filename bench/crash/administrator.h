// SPDX-License-Identifier: Apache-2.0
//
// The person at the estate, and who counts: lets some machines fall ill, has them treated by one
// remediation whatever dies meanwhile, asks again when nobody answers, retries what did not
// succeed, and then reads from the lab how often each machine was really changed.
//
// Threads: one.
// Errors: what a person could not go on from, above all a remediation that does not end within an
// hour of the estate's time.
#ifndef KEYMEDIC_BENCH_CRASH_ADMINISTRATOR_H_
#define KEYMEDIC_BENCH_CRASH_ADMINISTRATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/crash/estate.h"

namespace keymedic::bench {

struct Tally {
  uint64_t crashes = 0;
  uint64_t commands = 0;  // distinct ones that change something and reached an agent
  uint64_t doubled = 0;   // changes of a machine beyond the one that was wanted
  uint64_t lost = 0;      // changes that were wanted and did not happen

  Tally& operator+=(const Tally& other);
};

// Something that a machine can suffer from and that one action of one command cures.
struct Ailment {
  const char* finding;
  const char* action;
  lab::v1::Act cause;
  std::string cure;  // effects, as the lab calls them
  std::string relapse;
};
const std::vector<Ailment>& ClientAilments();
const std::vector<Ailment>& HostAilments();

// One for the whole life of an estate.
class Administrator {
 public:
  explicit Administrator(Estate& estate) : estate_(estate) {}

  // Each machine that is named, with what it suffers from. Fate is asked once all of it is known
  // to the controller.
  using Ill = std::map<std::string, std::vector<const Ailment*>>;
  absl::StatusOr<Tally> Treat(const Ill& ill);

 private:
  using Asking =
      std::function<void(controller::RemediationManager&, controller::RemediationManager::Done)>;

  absl::Status FallIll(const Ill& ill);
  absl::StatusOr<v1::Remediation> Ask(const Asking& asking);
  absl::StatusOr<v1::Remediation> StartAndWait(const v1::Remediation& plan);
  absl::Status PassUntilQuiet();
  absl::StatusOr<bool> PassOn();

  Estate& estate_;
  absl::Time give_up_;
  uint64_t requests_ = 0;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_ADMINISTRATOR_H_
