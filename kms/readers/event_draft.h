// SPDX-License-Identifier: Apache-2.0
//
// An event while its text is being read: what event_text.cc and event_mention.cc share.
#ifndef KEYMEDIC_KMS_READERS_EVENT_DRAFT_H_
#define KEYMEDIC_KMS_READERS_EVENT_DRAFT_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "keymedic/v1/event.pb.h"
#include "kms/readers/piece.h"

namespace keymedic::kms::readers {

struct Draft {
  v1::EventRecord event;
  std::vector<std::string> text;
  bool in_text = false;
};

// Puts the text into the event as the strings that the log itself holds.
void FillData(Draft& draft, uint32_t line, Sink& sink);

// Ids that mean licensing without their provider beside them.
bool IsTellingId(uint32_t id);

// The first run of digits at or after `from` that stands alone and that `wanted` likes, and where
// it ends.
std::optional<std::pair<uint32_t, size_t>> FindId(absl::string_view text, size_t from,
                                                  absl::FunctionRef<bool(uint32_t)> wanted);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_EVENT_DRAFT_H_
