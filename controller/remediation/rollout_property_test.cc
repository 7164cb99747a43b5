// SPDX-License-Identifier: Apache-2.0
//
// 100,000 seeded schedules of failures, lost and repeated messages, reconnects, deadlines, soaking,
// ill health, maintenance windows, limits per host and site, targets left out by hand, pauses,
// aborts and crashes of the controller, each against a simulated fleet with a journal. After every
// event: the budget holds, in memory and on disk; hosts and sites have no more in flight than they
// may; whatever is open and not pending has a deadline; nothing begins outside of its window; once
// an abort is durable nothing runs that had not run, but for undoing. At the end: every target is
// at an end, the totals add up, and each command had its effect at most once.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/times.h"
#include "controller/remediation/maintenance.h"
#include "controller/remediation/rollout.h"
#include "controller/remediation/states.h"

namespace keymedic::controller {
namespace {

uint32_t LossesAndFlights(const v1::Remediation& remediation) {
  uint32_t used = 0;
  for (const v1::Target& target : remediation.targets()) {
    used += IsLoss(target.state()) || IsInFlight(target.state());
  }
  return used;
}

class Schedule {
 public:
  explicit Schedule(uint32_t seed) : random_(seed) {
    MakePlan();
    disk_ = plan_;
    rollout_ = std::make_unique<Rollout>(disk_);
  }

  void Run() {
    Perform(rollout_->Start(now_));
    int events = 0;
    while (!rollout_->ended()) {
      ASSERT_LT(++events, 5000) << "does not end: " << rollout_->remediation().ShortDebugString();
      OneEvent(/*wild=*/events < 400);
      if (::testing::Test::HasFailure()) return;
    }
    DurableUpTo(pending_.size());
    CheckEnd();
  }

 private:
  uint32_t Pick(uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(random_); }
  bool Chance(uint32_t percent) { return Pick(100) < percent; }

  void MakePlan() {
    plan_.set_id("r-7");
    const uint32_t targets = 1 + Pick(14);
    auto& budget = *plan_.mutable_policy()->mutable_error_budget();
    if (Chance(50)) {
      budget.set_absolute(1 + Pick(4));
    } else {
      budget.set_percent(Pick(101));
    }
    MakePolicy(*plan_.mutable_policy());
    ASSERT_TRUE(CompletePolicy(*plan_.mutable_policy()).ok());
    failure_percent_ = Chance(30) ? 0 : Pick(60);
    uint32_t wave = 0;
    for (uint32_t i = 0; i < targets; ++i) {
      if (Chance(40)) ++wave;
      v1::Target& target = *plan_.add_targets();
      target.set_machine_id(absl::StrCat("m", i));
      target.set_wave(wave);
      target.set_state(Chance(10) ? v1::TARGET_STATE_QUEUED_OFFLINE : v1::TARGET_STATE_PENDING);
      target.add_finding_codes("BROKEN");
      if (Chance(50)) target.set_site(absl::StrCat("site-", Pick(2)));
      if (Chance(50)) target.set_kms_host(absl::StrCat("kms-", Pick(2)));
      if (Chance(50)) target.set_utc_offset_minutes(static_cast<int32_t>(Pick(1440)) - 720);
      if (Chance(20)) target.add_after(absl::StrCat("m", Pick(targets)));
      for (uint32_t step = 0, steps = 1 + Pick(3); step < steps; ++step) {
        target.add_steps()->set_action("ensure");
      }
    }
  }

  void MakePolicy(v1::RolloutPolicy& policy) {
    policy.set_concurrency(1 + Pick(6));
    if (Chance(30)) policy.set_host_concurrency(1 + Pick(2));
    if (Chance(30)) policy.set_site_concurrency(1 + Pick(2));
    if (Chance(40)) policy.mutable_soak()->set_seconds(1 + Pick(600));
    if (Chance(30)) policy.mutable_queue_timeout()->set_seconds(1 + Pick(3600));
    policy.set_offline(Chance(20) ? v1::OFFLINE_RULE_SKIP : v1::OFFLINE_RULE_QUEUE);
    policy.set_missed_window(static_cast<v1::MissedWindow>(Pick(4)));
    for (uint32_t windows = Chance(30) ? 1 + Pick(2) : 0; windows > 0; --windows) {
      v1::MaintenanceWindow& window = *policy.add_windows();
      window.set_begin_minute(Pick(1440));
      window.set_end_minute(Pick(1441));
      if (Chance(30)) window.add_days(1 + Pick(7));
    }
  }

  // Effects wait for the disk, in order; what they send leaves only then.
  struct Pending {
    v1::Remediation after;
    Rollout::Effects effects;
  };

  void Perform(Rollout::Effects effects) {
    ASSERT_LE(LossesAndFlights(rollout_->remediation()), rollout_->budget()) << "in memory";
    ASSERT_EQ(LossesAndFlights(rollout_->remediation()), rollout_->budget_used());
    CheckDeadlines();
    CheckRoomAndWindows(effects);
    pending_.push_back({rollout_->remediation(), std::move(effects)});
    if (Chance(80)) DurableUpTo(pending_.size());
  }

  void CheckDeadlines() {
    const absl::Time next = rollout_->NextDeadline();
    for (const v1::Target& target : rollout_->remediation().targets()) {
      const bool waits = !IsEnd(target.state()) && target.state() != v1::TARGET_STATE_PENDING;
      ASSERT_EQ(target.has_state_deadline(), waits) << StateName(target.state());
      ASSERT_TRUE(!waits || next <= FromTimestamp(target.state_deadline()));
    }
  }

  void CheckRoomAndWindows(const Rollout::Effects& effects) {
    const v1::Remediation& remediation = rollout_->remediation();
    const v1::RolloutPolicy& policy = remediation.policy();
    std::map<std::string, uint32_t> hosts, sites;
    for (const v1::Target& target : remediation.targets()) {
      if (!IsInFlight(target.state())) continue;
      if (!target.kms_host().empty()) ++hosts[target.kms_host()];
      if (!target.site().empty()) ++sites[target.site()];
    }
    for (const auto& [host, count] : hosts) {
      ASSERT_TRUE(policy.host_concurrency() == 0 || count <= policy.host_concurrency()) << host;
    }
    for (const auto& [site, count] : sites) {
      ASSERT_TRUE(policy.site_concurrency() == 0 || count <= policy.site_concurrency()) << site;
    }
    for (const Rollout::Send& send : effects.sends) {
      const v1::Target& target = remediation.targets(send.target);
      if (!send.first || target.any_time()) continue;
      ASSERT_LE(NextOpening(policy, target.utc_offset_minutes(), now_).begin, now_)
          << "outside of its window";
    }
  }

  void DurableUpTo(size_t count) {
    for (; count > 0 && !pending_.empty(); --count) {
      const Rollout::Effects effects = WriteNext();
      for (const Rollout::Send& send : effects.sends) Deliver(send);
      for (const Rollout::Look& look : effects.looks) looks_.push_back(look);
      ask_health_ |= effects.ask_health;
    }
  }

  Rollout::Effects WriteNext() {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    // Only what the effects name becomes durable: whatever they forget is lost by a crash.
    if (pending.effects.header) {
      const auto targets = disk_.targets();
      disk_ = pending.after;
      *disk_.mutable_targets() = targets;
    }
    for (uint32_t index : pending.effects.targets) {
      *disk_.mutable_targets(index) = pending.after.targets(index);
    }
    EXPECT_LE(LossesAndFlights(disk_), BudgetOf(disk_)) << "on disk";
    return std::move(pending.effects);
  }

  void Deliver(const Rollout::Send& send) {
    const v1::Target& durable = disk_.targets(send.target);
    ASSERT_TRUE(IsInFlight(durable.state()) || IsEnd(durable.state()))
        << "sent before it was durable";
    if (away_.contains(send.target)) {
      if (send.first) not_sent_.push_back(send);
      return;
    }
    if (!journal_.contains(send.command.id())) {
      journal_[send.command.id()] = Execute(send);
    }
    if (!Chance(10)) answers_.push_back(journal_[send.command.id()]);  // otherwise lost
  }

  v1::CommandResult Execute(const Rollout::Send& send) {
    v1::CommandResult result;
    result.set_command_id(send.command.id());
    if (now_ > FromTimestamp(send.command.deadline())) {
      result.set_outcome(v1::OUTCOME_REFUSED);
      return result;
    }
    const bool applies = CommandId::Parse(send.command.id())->phase == Phase::kApply;
    EXPECT_FALSE(applies && disk_.state() == v1::REMEDIATION_STATE_ABORTED)
        << send.command.id() << " ran after the abort";
    if (send.command.mode() == v1::MODE_CHECK) {
      result.set_outcome(Chance(50) ? v1::OUTCOME_NO_CHANGE : v1::OUTCOME_WOULD_CHANGE);
    } else if (Chance(failure_percent_)) {
      result.set_outcome(Chance(50)   ? v1::OUTCOME_FAILED
                         : Chance(50) ? v1::OUTCOME_REFUSED
                                      : v1::OUTCOME_INTERRUPTED);
    } else {
      result.set_outcome(Chance(80) ? v1::OUTCOME_CHANGED : v1::OUTCOME_NO_CHANGE);
      if (Chance(60)) result.mutable_inverse()->set_action("back");
    }
    return result;
  }

  void OneEvent(bool wild) {
    const uint32_t targets = static_cast<uint32_t>(plan_.targets_size());
    if (!not_sent_.empty()) {
      const Rollout::Send send = not_sent_.front();
      not_sent_.pop_front();
      return Perform(rollout_->NotSent(send.target, send.command.id(), now_));
    }
    if (ask_health_) {
      ask_health_ = false;
      std::vector<std::string> troubles(Chance(30) ? 1 : 0, "pc-1 is not well");
      return Perform(rollout_->Health(troubles, now_));
    }
    switch (Pick(wild ? 11 : 4)) {
      case 0:
      case 1: {
        if (answers_.empty()) return Advance();
        const size_t which = Pick(answers_.size());
        const v1::CommandResult answer = answers_[which];
        if (!Chance(10)) answers_.erase(answers_.begin() + which);  // or delivered twice
        return Perform(rollout_->Result(answer, now_));
      }
      case 2: {
        if (looks_.empty()) return Advance();
        const Rollout::Look look = looks_.front();
        looks_.pop_front();
        std::set<std::string> codes;
        if (Chance(failure_percent_)) codes.insert("BROKEN");
        return Perform(
            rollout_->Collected(absl::StrCat("m", look.target), look.collect_id, codes, now_));
      }
      case 3:
        return Advance();
      case 4:
        away_.insert(Pick(targets));
        return;
      case 5: {
        const uint32_t back = Pick(targets);
        away_.erase(back);
        return Perform(rollout_->Connected(absl::StrCat("m", back), now_));
      }
      case 6:
        return Crash();
      case 7:
        return Perform(rollout_->Pause("", now_));
      case 8:
        return Perform(rollout_->Resume(now_));
      case 9:
        if (Chance(3)) Perform(rollout_->Abort("", now_));
        return;
      case 10:
        if (Chance(20)) Perform(rollout_->Skip(Pick(targets), "by hand", now_));
        return;
    }
  }

  void Advance() {
    if (rollout_->remediation().state() == v1::REMEDIATION_STATE_PAUSED) {
      Perform(rollout_->Resume(now_));
    }
    DurableUpTo(pending_.size());
    now_ += Chance(50) ? absl::Seconds(5) : absl::Seconds(Pick(400));
    // Whatever it waits for has an instant, else it would wait for ever.
    const absl::Time next = rollout_->NextDeadline();
    if (Chance(30) && next != absl::InfiniteFuture()) now_ = std::max(now_, next);
    Perform(rollout_->Tick(now_));
  }

  // Some of what was to be written is, the rest never was. What the last write stands for may not
  // have left any more.
  void Crash() {
    DurableUpTo(Pick(static_cast<uint32_t>(pending_.size()) + 1));
    if (!pending_.empty() && Chance(50)) WriteNext();
    pending_.clear();
    looks_.clear();
    not_sent_.clear();
    ask_health_ = false;
    rollout_ = std::make_unique<Rollout>(disk_);
    if (rollout_->ended()) return;
    if (rollout_->remediation().started_at().seconds() == 0) return Perform(rollout_->Start(now_));
    Perform(rollout_->Recover(now_));
  }

  void CheckEnd() {
    uint32_t sum = 0;
    for (const auto& [state, count] : rollout_->remediation().totals()) sum += count;
    EXPECT_EQ(sum, static_cast<uint32_t>(plan_.targets_size()));
    for (const v1::Target& target : rollout_->remediation().targets()) {
      EXPECT_TRUE(IsEnd(target.state())) << StateName(target.state());
    }
    EXPECT_EQ(disk_.SerializeAsString().size(), rollout_->remediation().SerializeAsString().size());
    EXPECT_EQ(rollout_->NextDeadline(), absl::InfiniteFuture());
  }

  std::mt19937 random_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  v1::Remediation plan_, disk_;
  std::unique_ptr<Rollout> rollout_;
  std::deque<Pending> pending_;
  std::map<std::string, v1::CommandResult> journal_;  // the fleet's: an id runs once
  std::deque<v1::CommandResult> answers_;
  std::deque<Rollout::Look> looks_;
  std::deque<Rollout::Send> not_sent_;
  bool ask_health_ = false;
  std::set<uint32_t> away_;
  uint32_t failure_percent_ = 0;
};

TEST(RolloutPropertyTest, BudgetEndAndTotalsHoldOnEverySchedule) {
  for (uint32_t seed = 1; seed <= 100'000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Schedule(seed).Run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace keymedic::controller
