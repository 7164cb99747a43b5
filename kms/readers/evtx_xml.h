// SPDX-License-Identifier: Apache-2.0
//
// The binary XML of an event-log export (.evtx). An export consists of chunks of 64 kB; within one,
// events share names and templates, to which they refer by offset. Every offset and size in it is
// checked before it is followed: the bytes are a stranger's.
//
// Pure; one thread. `chunk` must outlive the reader.
#ifndef KEYMEDIC_KMS_READERS_EVTX_XML_H_
#define KEYMEDIC_KMS_READERS_EVTX_XML_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keymedic::kms::readers {

struct EvtxEvent {
  std::string provider;
  std::optional<uint32_t> id;
  std::string channel, computer;
  std::optional<absl::Time> time;
  std::vector<std::string> data;  // the <Data> strings, in order
};

class EvtxXml {
 public:
  // Whether the events of this provider are wanted; those of others are left after its name.
  using Wanted = absl::FunctionRef<bool(absl::string_view provider)>;

  explicit EvtxXml(absl::string_view chunk) : chunk_(chunk) {}

  enum class Result { kRead, kForeign, kDamaged };
  // The event whose binary XML is chunk[begin, end). After kDamaged, why() says what was wrong.
  Result Read(size_t begin, size_t end, Wanted wanted, EvtxEvent& event);
  absl::string_view why() const { return why_; }

 private:
  const absl::string_view chunk_;
  absl::string_view why_;
};

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_EVTX_XML_H_
