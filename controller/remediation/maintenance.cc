// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/maintenance.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace keymedic::controller {
namespace {

constexpr uint32_t kMinutesOfDay = 24 * 60;
constexpr int kDaysOfWeek = 7;
constexpr int kMostOffsetMinutes = 24 * 60;

bool BeginsOn(const v1::MaintenanceWindow& window, absl::CivilDay day) {
  if (window.days().empty()) return true;
  const auto number = static_cast<uint32_t>(absl::GetWeekday(day)) + 1;  // Monday is 0 there
  return std::find(window.days().begin(), window.days().end(), number) != window.days().end();
}

// From yesterday's, which may last until today, to the same day of next week.
std::vector<Opening> OpeningsAround(const v1::RolloutPolicy& policy, absl::TimeZone zone,
                                    absl::Time now) {
  const absl::CivilDay today = absl::ToCivilDay(now, zone);
  std::vector<Opening> openings;
  for (absl::CivilDay day = today - 1; day <= today + kDaysOfWeek + 1; ++day) {
    for (const v1::MaintenanceWindow& window : policy.windows()) {
      if (!BeginsOn(window, day)) continue;
      const absl::Time midnight = absl::FromCivil(day, zone);
      const bool overnight = window.end_minute() <= window.begin_minute();
      openings.push_back(
          {midnight + absl::Minutes(window.begin_minute()),
           midnight + absl::Minutes(window.end_minute() + (overnight ? kMinutesOfDay : 0))});
    }
  }
  std::sort(openings.begin(), openings.end(),
            [](const Opening& a, const Opening& b) { return a.begin < b.begin; });
  return openings;
}

}  // namespace

Opening NextOpening(const v1::RolloutPolicy& policy, int utc_offset_minutes, absl::Time now) {
  if (policy.windows().empty()) return {};
  const int offset = std::clamp(utc_offset_minutes, -kMostOffsetMinutes, kMostOffsetMinutes);
  const std::vector<Opening> openings =
      OpeningsAround(policy, absl::FixedTimeZone(offset * 60), now);
  Opening found{absl::InfiniteFuture(), absl::InfiniteFuture()};
  for (const Opening& opening : openings) {
    if (opening.end <= now) continue;
    if (found.begin == absl::InfiniteFuture()) {
      found = opening;
    } else if (opening.begin <= found.end) {
      found.end = std::max(found.end, opening.end);
    }
  }
  return found;
}

absl::Status CheckWindows(const v1::RolloutPolicy& policy) {
  int number = 0;
  for (const v1::MaintenanceWindow& window : policy.windows()) {
    ++number;
    const auto bad = [&](absl::string_view field, uint32_t value, absl::string_view wanted) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rollout policy: windows[", number, "].", field, " is ", value, "; it must be ", wanted));
    };
    for (const uint32_t day : window.days()) {
      if (day < 1 || day > kDaysOfWeek) return bad("days", day, "from 1 (Monday) to 7 (Sunday)");
    }
    if (window.begin_minute() >= kMinutesOfDay) {
      return bad("begin_minute", window.begin_minute(), "from 0 to 1439");
    }
    if (window.end_minute() > kMinutesOfDay) {
      return bad("end_minute", window.end_minute(), "from 0 to 1440");
    }
  }
  return absl::OkStatus();
}

}  // namespace keymedic::controller
