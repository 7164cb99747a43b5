// SPDX-License-Identifier: Apache-2.0
//
// A support bundle: what one machine shows, as files that people can read and `keymedic diagnose`
// reads back without loss. Its parts:
//   manifest.json         which machine, when, by which versions; what is in it
//   sections/NAME.json    its state, one file for each section
//   findings.json, events.json, agent.log
// Product keys are redacted everywhere. A bundle that was unpacked, or packed once more with
// others, is a bundle still: what lies beside and below a manifest belongs to it. All functions are
// pure.
#ifndef KEYMEDIC_CLI_BUNDLE_H_
#define KEYMEDIC_CLI_BUNDLE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/archive.h"
#include "keymedic/v1/bundle.pb.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::cli {

inline constexpr absl::string_view kManifestName = "manifest.json";

// kInvalidArgument for a section of a type that is not known here.
absl::StatusOr<std::vector<ArchiveEntry>> PackBundle(const v1::SupportBundle& bundle,
                                                     absl::string_view agent_log, absl::Time now);

struct Manifest {
  std::string machine;
  absl::Time collected_at;
};
// Nothing: these bytes are no manifest of a bundle. kInvalidArgument, kFailedPrecondition: they
// are, but cannot be used.
std::optional<absl::StatusOr<Manifest>> ReadManifest(absl::string_view content);
// True for "sections/os.json", the names below a manifest that hold state.
bool IsSectionName(absl::string_view name);
absl::Status ReadSection(absl::string_view content, kms::MachineState& state);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_BUNDLE_H_
