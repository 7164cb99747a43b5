// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/diagnosis/benches.h"
#include "bench/diagnosis/captures.h"
#include "bench/diagnosis/timing.h"
#include "bench/figure.h"
#include "kms/readers/captures.h"

namespace keymedic::bench {
namespace {

// What nobody who reads lines can do without: each byte is looked at once.
size_t CountLines(absl::string_view text) {
  size_t lines = 0;
  for (const char* at = text.data(); at != nullptr; ++lines) {
    at = static_cast<const char*>(std::memchr(at, '\n', text.data() + text.size() - at));
    if (at != nullptr) ++at;
  }
  return lines;
}

}  // namespace

absl::Status BenchReaders(size_t megabytes, const std::string& kind) {
  constexpr int kRounds = 3;
  absl::Status wrong;
  for (const Capture& capture : LargeCaptures(megabytes << 20)) {
    if (!kind.empty() && kind != capture.kind) continue;
    size_t bytes = 0, lines = 0, machines = 0;
    for (const std::string& file : capture.files) bytes += file.size();
    const double floor = BestOf(kRounds, [&] {
      lines = 0;
      for (const std::string& file : capture.files) lines += CountLines(file);
    });
    const double value = BestOf(kRounds, [&] {
      machines = 0;
      for (const std::string& file : capture.files) {
        kms::CaptureSet set;
        set.Add("capture", file);
        machines += set.Machines().size();
      }
    });
    if (machines != capture.machines || lines == 0) {
      wrong.Update(absl::InternalError(absl::StrCat("readers_", capture.kind, ": ", machines,
                                                    " machines were read of ", capture.machines)));
      continue;
    }
    const double megabyte = static_cast<double>(bytes) / 1e6;
    PrintFigure(absl::StrCat("readers_", capture.kind), megabyte / value, "MB/s", megabyte / floor,
                bytes);
  }
  return wrong;
}

}  // namespace keymedic::bench
