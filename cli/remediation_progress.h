// SPDX-License-Identifier: Apache-2.0
//
// How a running remediation looks: a block of lines for a terminal that rewrites it (waves, budget,
// states, rate), one line for everything else.
//
// Life cycle: Add each message of WatchRemediation as it comes; a stream that begins anew is fine.
// Threads: one.
#ifndef KEYMEDIC_CLI_REMEDIATION_PROGRESS_H_
#define KEYMEDIC_CLI_REMEDIATION_PROGRESS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::cli {

class RemediationProgressView {
 public:
  void Add(const v1::RemediationProgress& progress, absl::Time now);
  // "canary (2 of 5)  [####....] 40/90  in flight 6  failed 0  budget 6/18  12 a minute"
  std::string Line() const;
  // Several lines, without one at the end: the whole, then one for each wave.
  std::string Block(bool color) const;

 private:
  struct Seen {
    uint32_t wave = 0;
    v1::TargetState state = v1::TARGET_STATE_UNSPECIFIED;
  };

  std::string Head(bool color) const;
  std::string WaveLines() const;
  std::string Rate() const;

  v1::RemediationProgress last_;         // without its targets
  std::map<std::string, Seen> targets_;  // by machine id
  absl::Time now_;
  // When the watching began, and how many had ended by then.
  std::optional<absl::Time> since_;
  uint32_t ended_then_ = 0;
};

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_REMEDIATION_PROGRESS_H_
