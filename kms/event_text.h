// SPDX-License-Identifier: Apache-2.0
//
// What is inside the text of an event. The same event comes as one string of comma separated
// fields, as several strings, or as the sentence that the event viewer shows, in any language: so
// values are found by their shape. A value in angle brackets stands for one that somebody removed,
// and is not known.
//
// Pure functions, any thread. Views point into the text that was passed in.
#ifndef KEYMEDIC_KMS_EVENT_TEXT_H_
#define KEYMEDIC_KMS_EVENT_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/event.pb.h"

namespace keymedic::kms {

// All of an event's strings, with commas between them; at most the first 8 kB.
std::string EventText(const v1::EventRecord& event);

// The fields of a payload that starts with an error code, whatever text stands before it. Reading
// beyond the last gives "", as do values in angle brackets.
class PayloadFields {
 public:
  explicit PayloadFields(absl::string_view text);

  absl::string_view text(size_t index) const;
  std::optional<uint32_t> code(size_t index) const;     // "0xC004F06C", "0x0"
  std::optional<uint32_t> number(size_t index) const;   // decimal
  std::optional<std::string> guid(size_t index) const;  // lower case
  std::optional<absl::Time> time(size_t index) const;   // "2010/9/29 21:46", UTC

 private:
  std::vector<absl::string_view> fields_;
};

// The first error code in a text; a failure is preferred to 0x00000000.
std::optional<uint32_t> FindErrorCode(absl::string_view text);

// The GUID behind "SkuId=" or the like, lower case; "" if there is none.
std::string FindGuidAfter(absl::string_view text, absl::string_view label);

// The DNS domain that a sentence or a payload names, lower case; "" if there is none.
std::string FindDomain(absl::string_view text);

// The name of the object in the first "CN=..." of a text; "" if there is none.
std::string FindCommonName(absl::string_view text);

struct HostPort {
  std::string host;  // "": not known
  std::optional<uint32_t> port;
};
// "host:1688", "host", "[fe80::1]:1688", "fe80::1", "<removed>:1688".
HostPort SplitHostPort(absl::string_view text);

// One line of valid UTF-8 for people, without product keys, at most `limit` bytes.
std::string OneLine(absl::string_view text, size_t limit);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_EVENT_TEXT_H_
