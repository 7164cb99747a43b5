// SPDX-License-Identifier: Apache-2.0
//
// Everything behind `keymedic diagnose`: reading, joining, diagnosing, folding.
#include "kms/readers/captures.h"
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms;           // NOLINT: a program of one function
using namespace keymedic::kms::readers;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Two files, as a client's and a host's: what is before the first form feed, and the rest.
  const absl::string_view bytes = View(data, size);
  const size_t cut = bytes.find('\f');
  CaptureSet captures;
  captures.Add("first", bytes.substr(0, cut));
  if (cut != absl::string_view::npos) captures.Add("second", bytes.substr(cut + 1));
  const auto answer = captures.Diagnose({}, absl::FromUnixSeconds(1'900'000'000));
  RequireNoKey(answer);
  Require(answer.verdict() != keymedic::v1::VERDICT_UNSPECIFIED, "a capture always has a verdict");
  return 0;
}
