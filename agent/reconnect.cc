// SPDX-License-Identifier: Apache-2.0
#include "agent/reconnect.h"

#include <algorithm>
#include <cstdint>

namespace keymedic::agent {
namespace {

constexpr int kMaxDoublings = 20;

}  // namespace

absl::Duration ReconnectDelay(const ReconnectPolicy& policy, int failures,
                              absl::Duration retry_after, double uniform) {
  const int64_t factor = int64_t{1} << std::clamp(failures, 0, kMaxDoublings);
  const absl::Duration ceiling = std::min(policy.most, policy.first * factor);
  return std::max(retry_after, absl::ZeroDuration()) + ceiling * uniform;
}

}  // namespace keymedic::agent
