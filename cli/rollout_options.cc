// SPDX-License-Identifier: Apache-2.0
#include "cli/rollout_options.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace keymedic::cli {
namespace {

constexpr std::array<absl::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu",
                                                    "Fri", "Sat", "Sun"};

absl::Status Wrong(absl::string_view option, absl::string_view value, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(option, " is '", value, "': ", wanted));
}

absl::Status SetBudget(const std::string& text, v1::RolloutPolicy& policy) {
  absl::string_view number = text;
  uint32_t absolute = 0;
  double percent = 0;
  if (text.empty()) return absl::OkStatus();
  if (absl::ConsumeSuffix(&number, "%") && absl::SimpleAtod(number, &percent) && percent >= 0 &&
      percent <= 100) {
    policy.mutable_error_budget()->set_percent(percent);
  } else if (absl::SimpleAtoi(text, &absolute)) {
    policy.mutable_error_budget()->set_absolute(absolute);
  } else {
    return Wrong("--budget", text, "give a number of machines (3) or a percentage (5%)");
  }
  return absl::OkStatus();
}

absl::Status SetSoak(const std::string& text, v1::RolloutPolicy& policy) {
  absl::Duration soak;
  if (text.empty()) return absl::OkStatus();
  if (!absl::ParseDuration(text, &soak) || soak < absl::ZeroDuration()) {
    return Wrong("--soak", text, "give a time such as 30m or 2h");
  }
  policy.mutable_soak()->set_seconds(absl::ToInt64Seconds(soak));
  return absl::OkStatus();
}

absl::Status SetQueueUntil(const std::string& text, v1::RolloutPolicy& policy) {
  absl::Time until;
  std::string ignored;
  if (text.empty()) return absl::OkStatus();
  if (!absl::ParseTime(absl::RFC3339_full, text, &until, &ignored) &&
      !absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &until, &ignored)) {
    return Wrong("--queue-until", text,
                 "give a day (2026-12-01) or an instant (2026-12-01T06:00:00Z)");
  }
  policy.mutable_queue_until()->set_seconds(absl::ToUnixSeconds(until));
  return absl::OkStatus();
}

template <typename Enum>
struct Word {
  const char* text;
  Enum value;
};
constexpr Word<v1::MissedWindow> kMissed[] = {{"next", v1::MISSED_WINDOW_NEXT},
                                              {"skip", v1::MISSED_WINDOW_SKIP},
                                              {"run", v1::MISSED_WINDOW_RUN}};
constexpr Word<v1::OfflineRule> kOffline[] = {{"queue", v1::OFFLINE_RULE_QUEUE},
                                              {"skip", v1::OFFLINE_RULE_SKIP}};

template <typename Enum, size_t kCount>
absl::Status SetWord(absl::string_view option, const std::string& text,
                     const Word<Enum> (&words)[kCount], Enum& value) {
  std::vector<absl::string_view> known;
  for (const Word<Enum>& word : words) {
    if (text == word.text) value = word.value;
    if (text.empty() || text == word.text) return absl::OkStatus();
    known.push_back(word.text);
  }
  return Wrong(option, text, absl::StrCat("give ", absl::StrJoin(known, ", ")));
}

bool ParseMinute(absl::string_view text, uint32_t& minute) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  uint32_t hours = 0, minutes = 0;
  if (parts.size() != 2 || parts[1].size() != 2 || !absl::SimpleAtoi(parts[0], &hours) ||
      !absl::SimpleAtoi(parts[1], &minutes) || minutes > 59 || hours * 60 + minutes > 24 * 60) {
    return false;
  }
  minute = hours * 60 + minutes;
  return true;
}

// 1 to 7; 0: no day.
uint32_t ParseDay(absl::string_view text) {
  for (size_t day = 0; day < kDays.size(); ++day) {
    if (absl::EqualsIgnoreCase(text, kDays[day])) return static_cast<uint32_t>(day) + 1;
  }
  return 0;
}

bool ParseDays(absl::string_view text, v1::MaintenanceWindow& window) {
  for (const absl::string_view piece : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(piece, '-');
    const uint32_t first = ParseDay(ends[0]);
    const uint32_t last = ends.size() == 2 ? ParseDay(ends[1]) : first;
    if (first == 0 || last == 0 || ends.size() > 2) return false;
    // "sat-mon" goes over the end of the week.
    for (uint32_t day = first;; day = day % 7 + 1) {
      window.add_days(day);
      if (day == last) break;
    }
  }
  return true;
}

std::string MinuteText(uint32_t minute) {
  return absl::StrFormat("%02d:%02d", minute / 60, minute % 60);
}

}  // namespace

absl::StatusOr<v1::MaintenanceWindow> ParseWindow(absl::string_view text) {
  v1::MaintenanceWindow window;
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipWhitespace());
  const std::vector<absl::string_view> times =
      absl::StrSplit(words.empty() ? "" : words.back(), '-');
  uint32_t begin = 0, end = 0;
  if (words.empty() || words.size() > 2 || times.size() != 2 || !ParseMinute(times[0], begin) ||
      !ParseMinute(times[1], end) || begin == 24 * 60 ||
      (words.size() == 2 && !ParseDays(words[0], window))) {
    return Wrong("--window", text,
                 "write it as 22:00-04:00 or fri,sat 22:00-04:00 or mon-thu 20:00-24:00, in each "
                 "machine's own time");
  }
  window.set_begin_minute(begin);
  window.set_end_minute(end);
  return window;
}

std::string WindowText(const v1::MaintenanceWindow& window) {
  std::vector<absl::string_view> days;
  for (const uint32_t day : window.days()) {
    if (day >= 1 && day <= kDays.size()) days.push_back(kDays[day - 1]);
  }
  return absl::StrCat(absl::StrJoin(days, ", "), days.empty() ? "" : " ",
                      MinuteText(window.begin_minute()), "-", MinuteText(window.end_minute()));
}

void RolloutOptions::AddTo(CLI::App& command) {
  command.add_option("--canary", canary, "machines in the canary");
  command.add_option("--first-wave", first_wave, "machines in the first wave after it");
  command.add_option("--growth", growth, "of each wave over the one before");
  command.add_option("--concurrency", concurrency, "machines at the same time");
  command.add_option("--per-host", host_concurrency, "of those, at one KMS host");
  command.add_option("--per-site", site_concurrency, "of those, at one site");
  command.add_option("--budget", budget, "how many may fail: machines (3) or percent of all (5%)");
  command.add_option("--soak", soak, "between waves, then the treated machines must be well (30m)");
  command.add_option("--window", windows,
                     "when machines may be treated, in their own time: 'fri,sat 22:00-04:00'");
  command.add_option("--missed-window", missed, "a machine that missed it: next, skip or run");
  command.add_option("--offline", offline, "a machine that is away: queue or skip");
  command.add_option("--queue-until", queue_until, "how long it stays queued: 2026-12-01");
}

absl::StatusOr<v1::RolloutPolicy> RolloutOptions::ToPolicy() const {
  v1::RolloutPolicy policy;
  policy.set_canary(canary);
  policy.set_first_wave(first_wave);
  policy.set_growth(growth);
  policy.set_concurrency(concurrency);
  policy.set_host_concurrency(host_concurrency);
  policy.set_site_concurrency(site_concurrency);
  KM_RETURN_IF_ERROR(SetBudget(budget, policy));
  KM_RETURN_IF_ERROR(SetSoak(soak, policy));
  KM_RETURN_IF_ERROR(SetQueueUntil(queue_until, policy));
  v1::MissedWindow missed_window = v1::MISSED_WINDOW_UNSPECIFIED;
  KM_RETURN_IF_ERROR(SetWord("--missed-window", missed, kMissed, missed_window));
  policy.set_missed_window(missed_window);
  v1::OfflineRule rule = v1::OFFLINE_RULE_UNSPECIFIED;
  KM_RETURN_IF_ERROR(SetWord("--offline", offline, kOffline, rule));
  policy.set_offline(rule);
  for (const std::string& text : windows) {
    KM_ASSIGN_OR_RETURN(*policy.add_windows(), ParseWindow(text));
  }
  return policy;
}

}  // namespace keymedic::cli
