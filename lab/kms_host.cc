// SPDX-License-Identifier: Apache-2.0
#include "lab/kms_host.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "kms/tables.h"

namespace keymedic::lab {
namespace {

// "2010/9/29 21:46": a host does not pad month and day.
std::string HostTime(absl::Time time) {
  const absl::CivilMinute at = absl::ToCivilMinute(time, absl::UTCTimeZone());
  return absl::StrFormat("%d/%d/%d %d:%02d", at.year(), at.month(), at.day(), at.hour(),
                         at.minute());
}

// Microsoft's list of what a host needs to serve clients that are newer than itself; later
// cumulative updates hold these.
struct NeededUpdate {
  uint32_t build, revision;
  absl::string_view family;
};
constexpr NeededUpdate kNeededUpdates[] = {
    {20348, 2322, "Windows Server 2025"}, {17763, 5458, "Windows Server 2025"},
    {17763, 1999, "Windows Server 2022"}, {14393, 4467, "Windows Server 2022"},
    {14393, 2641, "Windows Server 2019"},
};

}  // namespace

bool KnowsFamily(uint32_t build, uint32_t revision, absl::string_view client_family) {
  return std::none_of(std::begin(kNeededUpdates), std::end(kNeededUpdates),
                      [&](const NeededUpdate& update) {
                        return update.build == build && update.family == client_family &&
                               revision < update.revision;
                      });
}

void KmsHost::Expire(absl::Time host_time) {
  std::erase_if(last_contact_,
                [&](const auto& entry) { return entry.second + kCountMemory <= host_time; });
}

uint32_t KmsHost::Count(absl::Time host_time) {
  Expire(host_time);
  return static_cast<uint32_t>(last_contact_.size());
}

void KmsHost::Remember(const KmsRequest& request, absl::Time host_time) {
  Expire(host_time);
  highest_policy_ = std::max(highest_policy_, request.required_count);
  last_contact_[request.client_machine_id] = host_time;
  while (last_contact_.size() > 2 * highest_policy_) {
    last_contact_.erase(
        std::min_element(last_contact_.begin(), last_contact_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
}

KmsAnswer KmsHost::Judge(const KmsRequest& request, absl::Time host_time) const {
  if (is_emulator) return {.count = 2 * request.required_count};
  if (absl::AbsDuration(request.client_time - host_time) > kMaxClockDifference)
    return {.error = kHrClock, .logged = kHrClock};
  if (!kms::HostKeyCovers(csvlk_family, request.family) ||
      !KnowsFamily(build, revision, request.family)) {
    return {.error = kHrKeyGroupOnClient, .logged = kHrKeyGroupOnHost};
  }
  uint32_t count = 0;
  for (const auto& [id, at] : last_contact_) {
    if (at + kCountMemory > host_time && id != request.client_machine_id) ++count;
  }
  return {.count = std::min(count + 1, 2 * std::max(highest_policy_, request.required_count))};
}

KmsAnswer KmsHost::Process(const KmsRequest& request, absl::Time host_time) {
  const KmsAnswer answer = Judge(request, host_time);
  if (is_emulator) return answer;
  const uint32_t logged = answer.logged;
  if (logged == 0) Remember(request, host_time);
  asked_[request.machine_name] = {request.client_machine_id, host_time, logged,
                                  request.required_count, request.family};
  ++counters_.total;
  ++counters_.by_status[static_cast<size_t>(request.status)];
  if (logged != 0) ++counters_.failed;
  log.Write(
      12290, host_time,
      {absl::StrFormat(
          "0x%08X,%u,%s,%s,%s,%d,%d,%d,%s", logged, request.required_count, request.machine_name,
          request.client_machine_id, HostTime(request.client_time), request.is_virtual ? 1 : 0,
          static_cast<int>(request.status) - 1, request.minutes_left, request.activation_id)});
  return answer;
}

void KmsHost::Forget() {
  last_contact_.clear();
  highest_policy_ = 0;
  asked_.clear();
  counters_ = {};
  log.Reset();
}

}  // namespace keymedic::lab
