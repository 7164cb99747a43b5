// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_pool.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/times.h"

namespace keymedic::kms {
namespace {

// A machine in the host's memory.
struct Member {
  std::string id;
  absl::Time last_at;
  bool returns = false;
  const MachineState* machine = nullptr;  // null: it has no agent
};

class HostMemory {
 public:
  HostMemory(const Estate& estate, const MachineState& host, Outlooks& outlooks,
             const v1::Policy& policy, absl::Time now)
      : estate_(estate),
        host_(host),
        section_(*host.host),
        closed_(!outlooks.ClosedBy(host).empty()),
        now_(now) {
    LookAtAskers(outlooks, policy);
    LookAtLog(outlooks, policy);
  }

  PoolOutlook Look() const;

 private:
  void LookAtAskers(Outlooks& outlooks, const v1::Policy& policy);
  void LookAtLog(Outlooks& outlooks, const v1::Policy& policy);
  bool Returns(const Member& member, const v1::RequestSummary& request, Outlooks& outlooks,
               const v1::Policy& policy) const;
  bool IsOfThisKey(const v1::RequestSummary& request, const Sku* asked) const;
  bool Judge(int threshold, PoolOutlook& outlook) const;

  const Estate& estate_;
  const MachineState& host_;
  const v1::KmsHostSection& section_;
  const bool closed_;  // it can be asked by nobody
  const absl::Time now_;
  std::vector<int> required_;  // of each that asks
  std::set<int> thresholds_;
  absl::flat_hash_map<std::string, const MachineState*> askers_;  // by client machine id
  std::vector<Member> members_;                                   // of the log, the newest first
  int joining_ = 0;  // who asks it and is not in the log
};

void HostMemory::LookAtAskers(Outlooks& outlooks, const v1::Policy& policy) {
  for (const MachineState* asker : outlooks.AskersOf(host_)) {
    required_.push_back(RequiredCountOf(Facts(estate_, *asker, policy, now_)));
    thresholds_.insert(required_.back());
    askers_.emplace(absl::AsciiStrToLower(asker->client->client_machine_id()), asker);
  }
}

// Office has a count of its own for each of its host keys; the count that is known is the one of
// the host's first key.
bool HostMemory::IsOfThisKey(const v1::RequestSummary& request, const Sku* asked) const {
  if (asked == nullptr || asked->application_id.empty()) return true;
  if (!host_.licensing.has_value()) return true;
  for (const v1::Product& product : host_.licensing->products()) {
    if (ChannelOf(product) == Channel::kKmsHost && product.has_application_id())
      return absl::EqualsIgnoreCase(product.application_id(), asked->application_id);
  }
  return true;
}

bool HostMemory::Returns(const Member& member, const v1::RequestSummary& request,
                         Outlooks& outlooks, const v1::Policy& policy) const {
  if (closed_) return false;
  if (askers_.contains(member.id)) return true;
  if (!IsInRhythm(request, now_)) return false;
  if (member.machine == nullptr) return true;
  // It does not say which host it asks; it asked this one.
  return Facts(estate_, *member.machine, policy, now_).host_name.empty() &&
         outlooks.Of(*member.machine).course == Course::kRenews;
}

void HostMemory::LookAtLog(Outlooks& outlooks, const v1::Policy& policy) {
  absl::flat_hash_map<std::string, size_t> seen;
  for (const v1::RequestSummary& request : section_.requests()) {
    // The host counts nobody whom it rejects.
    if (request.last_error() != 0 || !request.has_last_at() ||
        !IsMachineId(request.client_machine_id()))
      continue;
    const absl::Time at = FromTimestamp(request.last_at());
    const Sku* asked = FindSku(request.activation_id());
    if (at + kHostMemory <= now_ || !IsOfThisKey(request, asked)) continue;
    if (request.required_count() != 0) {
      thresholds_.insert(static_cast<int>(request.required_count()));
    } else if (asked != nullptr && asked->required_count != 0) {
      thresholds_.insert(static_cast<int>(asked->required_count));
    }
    Member member{.id = absl::AsciiStrToLower(request.client_machine_id()), .last_at = at};
    if (const auto known = estate_.index().by_cmid.find(member.id);
        known != estate_.index().by_cmid.end())
      member.machine = estate_.Find(*known->second.begin());
    member.returns = Returns(member, request, outlooks, policy);
    const auto [it, is_new] = seen.try_emplace(member.id, members_.size());
    if (is_new) {
      members_.push_back(std::move(member));
    } else if (members_[it->second].last_at < at) {
      members_[it->second] = std::move(member);
    }
  }
  absl::c_sort(members_, [](const Member& a, const Member& b) {
    return std::tie(b.last_at, b.id) < std::tie(a.last_at, a.id);
  });
  for (const auto& [id, machine] : askers_) joining_ += !closed_ && !seen.contains(id);
}

PoolOutlook HostMemory::Look() const {
  PoolOutlook outlook;
  if (!CountOf(section_).has_value()) {
    outlook.not_known = "its count";
    return outlook;
  }
  outlook.count_now = *CountOf(section_);
  std::set<int> thresholds = thresholds_;
  if (thresholds.empty()) thresholds.insert(kDesktopThreshold);
  for (auto threshold = thresholds.rbegin(); threshold != thresholds.rend(); ++threshold) {
    // Under it already: that is a finding, no forecast.
    if (outlook.count_now < *threshold) continue;
    if (!Judge(*threshold, outlook) && outlook.not_known.empty()) {
      outlook.not_known = absl::StrCat(
          "who is behind ", members_.empty() ? "its count" : "most of its count", " of ",
          outlook.count_now, ": its log shows ", members_.size(), " of these machines");
    }
  }
  return outlook;
}

// False if it is not known.
bool HostMemory::Judge(int threshold, PoolOutlook& outlook) const {
  const size_t remembered = static_cast<size_t>(outlook.count_now);
  int returning = joining_;
  std::vector<const Member*> falling;  // who is in the memory now; the oldest first
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].returns) {
      ++returning;
    } else if (i < remembered) {
      falling.push_back(&members_[i]);
    }
  }
  std::reverse(falling.begin(), falling.end());
  const int unseen = static_cast<int>(remembered - std::min(remembered, members_.size()));
  // Above the ceiling nothing changes: those who return push out the oldest of the others, and the
  // youngest of these are the ones that are left.
  const int total = returning + static_cast<int>(falling.size()) + unseen;
  const int over = total - threshold;  // so many may go
  absl::Time at;
  if (over < static_cast<int>(falling.size())) {
    at = falling[over]->last_at + kHostMemory;
  } else if (closed_) {
    at = now_ + kHostMemory;
  } else {
    return returning >= threshold || unseen == 0;
  }
  CountFall fall{.threshold = threshold, .at = at};
  int strangers = 0;
  for (const Member* member : falling) {
    if (member->last_at + kHostMemory > at) break;
    if (member->machine == nullptr) ++strangers;
    if (member->machine != nullptr) fall.gone.push_back(member->machine);
  }
  fall.clients = static_cast<int>(
      absl::c_count_if(required_, [&](int required) { return required >= threshold; }));
  fall.reason = closed_ ? "no request reaches it any more"
                        : absl::StrCat(fall.gone.size() + strangers, " of the ", outlook.count_now,
                                       " machines that it counts do not ask it again in time");
  if (unseen != 0)
    absl::StrAppend(&fall.reason, "; at the latest: its log does not show all of them");
  outlook.falls.push_back(std::move(fall));
  return true;
}

}  // namespace

PoolOutlook OutlookOfPool(const Estate& estate, const MachineState& host, Outlooks& outlooks,
                          const v1::Policy& policy, absl::Time now) {
  if (!host.host.has_value()) return {.not_known = "what it counts"};
  return HostMemory(estate, host, outlooks, policy, now).Look();
}

}  // namespace keymedic::kms
