// SPDX-License-Identifier: Apache-2.0
//
// The lines between pieces of evidence: prompts, comments, and what says whose the next piece is.
#ifndef KEYMEDIC_KMS_READERS_HEADINGS_H_
#define KEYMEDIC_KMS_READERS_HEADINGS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/readers/piece.h"

namespace keymedic::kms::readers {

bool IsComment(absl::string_view text);
// "Computer: pc-017" and its like.
std::optional<absl::string_view> NamedComputer(absl::string_view text);
// A line that is nothing but a machine's name, as tools head what they got from it: "\\PC-101:",
// "pc-101 | CHANGED | rc=0 >>", "ok: [pc-101] =>", "===== PC-101 =====".
std::optional<std::string> MachineHeading(absl::string_view text);
// A prompt and the command behind it: follows the machine that the command is about.
bool ReadPrompt(absl::string_view text, Sink& sink);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_HEADINGS_H_
