// SPDX-License-Identifier: Apache-2.0
//
// What a target or a wave waits for beside its turn: the end of the wave before, the canary's word,
// soaking and health, a maintenance window, room at its KMS host and its site.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/times.h"
#include "controller/remediation/maintenance.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/rollout_changes.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

constexpr uint32_t kCanaryWave = 1;
constexpr uint32_t kNoWave = UINT32_MAX;
constexpr size_t kTroublesShown = 3;

bool HasRoomIn(const std::map<std::string, uint32_t>& crowd, const std::string& name,
               uint32_t limit) {
  if (limit == 0 || name.empty()) return true;
  const auto found = crowd.find(name);
  return found == crowd.end() || found->second < limit;
}

}  // namespace

// --- Waves ---

// True: a wave was opened, so look what may begin.
bool Rollout::OpenNextWave(Changes& changes) {
  const uint32_t next = NextWave();
  if (next == kNoWave || !WaveIsOver()) return false;
  if (remediation_.open_wave() == kCanaryWave && !CanaryDecides(next, changes)) return true;
  if (!HasSoaked(changes)) return false;
  OpenWave(next, changes);
  return true;
}

// A machine that is away holds up the canary and nothing else.
bool Rollout::WaveIsOver() const {
  const auto holds = [&](uint32_t index) {
    return remediation_.targets(index).wave() == remediation_.open_wave();
  };
  return std::none_of(pending_.begin(), pending_.end(), holds) &&
         std::none_of(flight_.begin(), flight_.end(), holds) &&
         (remediation_.open_wave() > kCanaryWave ||
          std::none_of(queued_.begin(), queued_.end(), holds));
}

uint32_t Rollout::LastWave() const {
  uint32_t last = 0;
  for (const v1::Target& target : remediation_.targets()) last = std::max(last, target.wave());
  return last;
}

uint32_t Rollout::NextWave() const {
  // Targets stand in the order of their waves.
  for (uint32_t index : pending_) {
    const uint32_t wave = remediation_.targets(index).wave();
    if (wave > remediation_.open_wave()) return wave;
  }
  return kNoWave;
}

// False: the canary was lost, which ends it all, or nobody of its wave has proven anything, so that
// others take their place.
bool Rollout::CanaryDecides(uint32_t next, Changes& changes) {
  uint32_t in_wave = 0, proven = 0;
  for (const v1::Target& target : remediation_.targets()) {
    if (target.wave() > kCanaryWave) break;
    if (target.wave() != kCanaryWave) continue;
    ++in_wave;
    proven += IsGood(target.state());
    if (!IsLoss(target.state())) continue;
    remediation_.set_state(v1::REMEDIATION_STATE_FAILED);
    remediation_.set_reason(
        absl::StrCat("the canary ", target.display_name(), " was lost: ", target.message()));
    changes.effects.header = true;
    CancelOpen("the canary was lost; nothing was sent here", changes);
    return false;
  }
  if (in_wave == 0 || proven > 0) return true;
  uint32_t wanted = std::max(1u, remediation_.policy().canary());
  for (uint32_t index : pending_) {
    if (target(index).wave() < next || wanted-- == 0) break;
    target(index).set_wave(kCanaryWave);
    changes.effects.targets.insert(index);
  }
  last_wave_ = LastWave();
  return false;
}

void Rollout::OpenWave(uint32_t wave, Changes& changes) {
  remediation_.set_open_wave(wave);
  remediation_.clear_soak_until();
  health_asked_ = false;
  changes.effects.header = true;
}

// Where nothing was changed nothing needs to soak.
bool Rollout::HasSoaked(Changes& changes) {
  const absl::Duration soak = FromDuration(remediation_.policy().soak());
  const bool treated = std::any_of(
      remediation_.targets().begin(), remediation_.targets().end(), [](const v1::Target& target) {
        return target.state() == v1::TARGET_STATE_SUCCEEDED || IsLoss(target.state());
      });
  if (soak == absl::ZeroDuration() || !treated) return true;
  if (!remediation_.has_soak_until()) {
    *remediation_.mutable_soak_until() = ToTimestamp(changes.now + soak);
    changes.effects.header = true;
  } else if (FromTimestamp(remediation_.soak_until()) <= changes.now && !health_asked_) {
    health_asked_ = true;
    changes.effects.ask_health = true;
  }
  return false;
}

Rollout::Effects Rollout::Health(const std::vector<std::string>& troubles, absl::Time now) {
  if (ended() || !health_asked_ || !remediation_.has_soak_until()) return {};
  Changes changes{now, {}};
  // Whatever is wrong: who resumes it has seen that, and decides.
  if (const uint32_t next = NextWave(); next != kNoWave) OpenWave(next, changes);
  if (!troubles.empty() && MayBegin()) {
    std::vector<std::string> shown = troubles;
    if (shown.size() > kTroublesShown) shown.resize(kTroublesShown);
    remediation_.set_state(v1::REMEDIATION_STATE_PAUSED);
    remediation_.set_reason(
        absl::StrCat("the machines treated so far are not well: ", absl::StrJoin(shown, "; "),
                     troubles.size() > shown.size()
                         ? absl::StrCat("; and ", troubles.size() - shown.size(), " more")
                         : "",
                     ". Resume it or abort it."));
  }
  Proceed(changes);
  return std::move(changes.effects);
}

// --- Windows ---

// A plan may wait over the end of summer time: its window is where the machine's clock is now.
bool Rollout::TakeUtcOffset(v1::Target& target) const {
  const std::optional<int32_t> offset =
      utc_offset_of_ ? utc_offset_of_(target.machine_id()) : std::nullopt;
  if (!offset || (target.has_utc_offset_minutes() && target.utc_offset_minutes() == *offset)) {
    return false;
  }
  target.set_utc_offset_minutes(*offset);
  return true;
}

// Says whether the target may begin now; notes what it waits for. One that missed its window may
// end here.
bool Rollout::InWindow(uint32_t index, Changes& changes) {
  v1::Target& target = this->target(index);
  const v1::RolloutPolicy& policy = remediation_.policy();
  if (policy.windows().empty() || target.any_time()) return true;
  const std::optional<absl::Time> turn = window_turns_.At(index);
  if (turn && *turn > changes.now) return *turn == FromTimestamp(target.window_ends());
  const bool moved = TakeUtcOffset(target);
  const bool ended =
      !moved && target.has_window_ends() && FromTimestamp(target.window_ends()) <= changes.now;
  if (ended && policy.missed_window() == v1::MISSED_WINDOW_SKIP) {
    Finish(index, v1::TARGET_STATE_SKIPPED, "missed its maintenance window; nothing was sent",
           changes);
    return false;
  }
  if (ended && policy.missed_window() == v1::MISSED_WINDOW_RUN) {
    target.set_any_time(true);
    changes.effects.targets.insert(index);
    return true;
  }
  const int offset = target.utc_offset_minutes();
  const Opening opening = NextOpening(policy, offset, changes.now);
  const bool open = opening.begin <= changes.now;
  window_turns_.Set(index, open ? opening.end : opening.begin);
  if (!target.has_window_ends() || ended || moved) {
    *target.mutable_window_ends() = ToTimestamp(opening.end);
    changes.effects.targets.insert(index);
  }
  if (!open) {
    target.set_message(absl::StrCat(
        "waits for its maintenance window, ",
        absl::FormatTime("%a %Y-%m-%d %H:%M", opening.begin, absl::FixedTimeZone(offset * 60)),
        target.has_utc_offset_minutes() ? " of its own time"
                                        : " UTC (its time zone is not known)"));
    changes.effects.targets.insert(index);
  }
  return open;
}

// --- Room ---

bool Rollout::HasRoom(const v1::Target& target) const {
  return HasRoomIn(hosts_, target.kms_host(), remediation_.policy().host_concurrency()) &&
         HasRoomIn(sites_, target.site(), remediation_.policy().site_concurrency());
}

void Rollout::CountCrowds(const v1::Target& target, bool enters) {
  const uint32_t change = enters ? 1 : -1u;
  hosts_[target.kms_host()] += change;
  sites_[target.site()] += change;
}

}  // namespace keymedic::controller
