// SPDX-License-Identifier: Apache-2.0
//
// When which target is due: each has one instant at most, and the first of all is known at once,
// however many there are.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_DUE_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_DUE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/time/time.h"

namespace keymedic::controller {

class Due {
 public:
  // In place of what was there.
  void Set(uint32_t index, absl::Time at) {
    Clear(index);
    at_[index] = at;
    order_.insert({at, index});
  }
  void Clear(uint32_t index) {
    const auto found = at_.find(index);
    if (found == at_.end()) return;
    order_.erase({found->second, index});
    at_.erase(found);
  }
  std::optional<absl::Time> At(uint32_t index) const {
    const auto found = at_.find(index);
    return found == at_.end() ? std::nullopt : std::optional(found->second);
  }
  absl::Time First() const {
    return order_.empty() ? absl::InfiniteFuture() : order_.begin()->first;
  }
  bool Is(uint32_t index, absl::Time now) const {
    const auto found = at_.find(index);
    return found != at_.end() && found->second <= now;
  }
  // Adds those that are due by `now`.
  void Collect(absl::Time now, std::set<uint32_t>& indexes) const {
    for (const auto& [at, index] : order_) {
      if (at > now) break;
      indexes.insert(index);
    }
  }

 private:
  std::map<uint32_t, absl::Time> at_;
  std::set<std::pair<absl::Time, uint32_t>> order_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_DUE_H_
