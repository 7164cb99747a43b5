// SPDX-License-Identifier: Apache-2.0
#include "cli/remediation_progress.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/remediation_states.h"
#include "cli/remediation_words.h"
#include "cli/terminal.h"

namespace keymedic::cli {
namespace {

constexpr size_t kWaveNameWidth = 12;
constexpr absl::Duration kShortestForARate = absl::Seconds(2);

struct Counts {
  uint32_t targets = 0, ended = 0, in_flight = 0, lost = 0;

  void Add(v1::TargetState state, uint32_t n) {
    targets += n;
    if (IsEnd(state)) ended += n;
    if (IsInFlight(state)) in_flight += n;
    if (IsLoss(state)) lost += n;
  }
};

Counts CountAll(const v1::RemediationProgress& progress) {
  Counts counts;
  for (int i = v1::TargetState_MIN; i <= v1::TargetState_MAX; ++i) {
    const auto state = static_cast<v1::TargetState>(i);
    const auto found = progress.totals().find(StateName(state));
    if (found != progress.totals().end()) counts.Add(state, found->second);
  }
  return counts;
}

std::string StatesText(const v1::RemediationProgress& progress) {
  std::vector<std::string> parts;
  for (int i = v1::TargetState_MIN; i <= v1::TargetState_MAX; ++i) {
    const std::string name = StateName(static_cast<v1::TargetState>(i));
    const auto found = progress.totals().find(name);
    if (found != progress.totals().end() && found->second > 0)
      parts.push_back(absl::StrCat(found->second, " ", name));
  }
  return absl::StrJoin(parts, ", ");
}

std::string BudgetText(const v1::RemediationProgress& progress) {
  return absl::StrCat("budget ", progress.budget_used(), "/", progress.budget());
}

}  // namespace

void RemediationProgressView::Add(const v1::RemediationProgress& progress, absl::Time now) {
  for (const v1::Target& target : progress.changed())
    targets_[target.machine_id()] = {target.wave(), target.state()};
  last_ = progress;
  last_.clear_changed();
  now_ = now;
  if (since_.has_value()) return;
  since_ = now;
  ended_then_ = CountAll(last_).ended;
}

std::string RemediationProgressView::Rate() const {
  const absl::Duration watched = since_.has_value() ? now_ - *since_ : absl::ZeroDuration();
  const uint32_t ended = CountAll(last_).ended - ended_then_;
  if (ended == 0 || watched < kShortestForARate) return "";
  const double rate = ended / absl::ToDoubleMinutes(watched);
  // Whole machines where there are many, one digit where there are few.
  return absl::StrCat("  ", rate < 10 ? std::round(rate * 10) / 10 : std::round(rate), " a minute");
}

std::string RemediationProgressView::Line() const {
  const Counts counts = CountAll(last_);
  return absl::StrCat(WaveName(last_.wave()), " (", last_.wave() + 1, " of ", last_.waves(), ")  ",
                      Bar(counts.ended, last_.targets()), "  in flight ", counts.in_flight,
                      "  failed ", counts.lost, "  ", BudgetText(last_), Rate(),
                      last_.state() == v1::REMEDIATION_STATE_RUNNING
                          ? ""
                          : absl::StrCat("  ", StateName(last_.state())));
}

std::string RemediationProgressView::Head(bool color) const {
  const bool stopped = last_.state() != v1::REMEDIATION_STATE_RUNNING &&
                       last_.state() != v1::REMEDIATION_STATE_SUCCEEDED;
  std::string head = absl::StrCat(
      Paint(absl::StrCat(last_.id(), " ", StateName(last_.state())),
            stopped ? Style::kYellow : Style::kBold, color),
      "  ",
      Paint(BudgetText(last_), last_.budget_used() >= last_.budget() ? Style::kRed : Style::kPlain,
            color),
      Rate());
  if (last_.has_soak_until()) {
    absl::StrAppend(
        &head, "  soaking until ",
        absl::FormatTime("%H:%M:%S", absl::FromUnixSeconds(last_.soak_until().seconds()),
                         absl::LocalTimeZone()));
  }
  if (!last_.reason().empty()) absl::StrAppend(&head, "  ", last_.reason());
  return head;
}

std::string RemediationProgressView::WaveLines() const {
  std::map<uint32_t, Counts> waves;
  for (const auto& [machine, seen] : targets_) waves[seen.wave].Add(seen.state, 1);
  std::string lines;
  for (const auto& [wave, counts] : waves) {
    std::string name = WaveName(wave);
    name.resize(std::max(name.size(), kWaveNameWidth), ' ');
    absl::StrAppend(&lines, wave == last_.wave() ? "> " : "  ", name, " ",
                    Bar(counts.ended, counts.targets));
    if (counts.in_flight > 0) absl::StrAppend(&lines, "  in flight ", counts.in_flight);
    if (counts.lost > 0) absl::StrAppend(&lines, "  failed ", counts.lost);
    lines += '\n';
  }
  return lines;
}

std::string RemediationProgressView::Block(bool color) const {
  return absl::StrCat(Head(color), "\n", WaveLines(), "  ", StatesText(last_));
}

}  // namespace keymedic::cli
