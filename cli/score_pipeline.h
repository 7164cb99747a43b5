// SPDX-License-Identifier: Apache-2.0
//
// A simulated estate through the real pipeline, in this process and at one instant: what the agents
// of its machines report (lab/reports.h), and the diagnosis of kms/ with the estate's policy.
//
// Threads: one.
// Errors: what a plugin could not collect, or a section that is not understood, by machine.
#ifndef KEYMEDIC_CLI_SCORE_PIPELINE_H_
#define KEYMEDIC_CLI_SCORE_PIPELINE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "keymedic/v1/finding.pb.h"
#include "lab/world.h"

namespace keymedic::cli {

// Everything that is found by the estate's policy, folded. `clock` is the world's, and stands still
// meanwhile.
absl::StatusOr<std::vector<v1::Finding>> DiagnoseWorld(lab::World& world, const Clock& clock);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_SCORE_PIPELINE_H_
