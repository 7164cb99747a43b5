// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/diagnosis/benches.h"
#include "bench/diagnosis/captures.h"
#include "bench/diagnosis/timing.h"
#include "bench/figure.h"
#include "kms/readers/captures.h"

namespace keymedic::bench {
namespace {

constexpr int kRounds = 3;
constexpr size_t kGrowth = 16;  // how many times larger the large capture is than the small one

// What nobody who reads lines can do without: each byte is looked at once.
size_t CountLines(absl::string_view text) {
  size_t lines = 0;
  for (const char* at = text.data(); at != nullptr; ++lines) {
    at = static_cast<const char*>(std::memchr(at, '\n', text.data() + text.size() - at));
    if (at != nullptr) ++at;
  }
  return lines;
}

// Seconds from the bytes to the machines, of which there must be as many as the capture shows.
absl::StatusOr<double> TimeToRead(const Capture& capture) {
  size_t machines = 0;
  const double seconds = BestOf(kRounds, [&] {
    kms::CaptureSet set;
    set.Add("capture", capture.file);
    machines = set.Machines().size();
  });
  if (machines == capture.machines) return seconds;
  return absl::InternalError(absl::StrCat("readers_", capture.kind, ": ", machines,
                                          " machines were read of ", capture.machines));
}

}  // namespace

absl::Status BenchReaders(size_t megabytes, const std::string& kind) {
  const std::vector<Capture> small = LargeCaptures((megabytes << 20) / kGrowth);
  const std::vector<Capture> large = LargeCaptures(megabytes << 20);
  absl::Status wrong;
  for (size_t i = 0; i < large.size(); ++i) {
    const Capture& capture = large[i];
    if (!kind.empty() && kind != capture.kind) continue;
    size_t lines = 0;
    const double floor = BestOf(kRounds, [&] { lines = CountLines(capture.file); });
    const auto value = TimeToRead(capture), of_small = TimeToRead(small[i]);
    if (!value.ok() || !of_small.ok() || lines == 0) {
      wrong.Update(value.status());
      wrong.Update(of_small.status());
      continue;
    }
    const auto speed = [](const Capture& read, double seconds) {
      return static_cast<double>(read.file.size()) / 1e6 / seconds;
    };
    const std::string name = absl::StrCat("readers_", capture.kind);
    PrintFigure(name, speed(capture, *value), "MB/s", speed(capture, floor), capture.file.size());
    const auto nanoseconds = [&](const Capture& read, double seconds) {
      return 1e3 / speed(read, seconds);
    };
    PrintFigure(absl::StrCat(name, "_growth"), nanoseconds(capture, *value), "ns/byte",
                nanoseconds(small[i], *of_small), capture.file.size());
  }
  return wrong;
}

}  // namespace keymedic::bench
