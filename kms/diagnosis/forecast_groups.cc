// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast_groups.h"

#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/times.h"

namespace keymedic::kms {
namespace {

constexpr int kExamples = 5;

std::string Day(const google::protobuf::Timestamp& at) {
  return absl::FormatTime("%Y-%m-%d", FromTimestamp(at), absl::UTCTimeZone());
}

std::string When(const v1::ForecastGroup& group) {
  const std::string first = Day(group.first_at()), last = Day(group.last_at());
  return first == last ? absl::StrCat("on ", first)
                       : absl::StrCat("between ", first, " and ", last);
}

std::string What(const v1::Forecast& one, const v1::ForecastGroup& group) {
  const bool several = group.machines() > 1;
  const std::string who = several ? absl::StrCat(group.machines(), " machines") : one.subject();
  const std::string when = When(group);
  switch (group.event()) {
    case v1::FORECAST_EVENT_LEAVES_LICENSED:
      return absl::StrCat(who, several ? " leave" : " leaves", " Licensed ", when);
    case v1::FORECAST_EVENT_LEAVES_GRACE:
      return absl::StrCat(who, several ? " leave their" : " leaves its", " grace period ", when);
    case v1::FORECAST_EVENT_LICENSE_ENDS:
      return absl::StrCat(several ? "The licenses of " : "The license of ", who,
                          several ? " end " : " ends ", when);
    default:
      return absl::StrCat(
          "The count of ", who, ", ", one.count_now(), " now, falls under ", one.threshold(), " ",
          when,
          one.clients() == 0
              ? ""
              : absl::StrCat(" (machines that ask it and need that: ", one.clients(), ")"));
  }
}

}  // namespace

void ForecastGroups::Add(const v1::Forecast& forecast, const v1::Finding* cause) {
  if (cause != nullptr) causes_.try_emplace({cause->code(), cause->subject()}, cause);
}

void ForecastGroups::AddUnknown(const std::string& subject, const std::string& what) {
  v1::ForecastGroup& group = unknown_[what];
  group.set_event(v1::FORECAST_EVENT_NOT_KNOWN);
  group.set_machines(group.machines() + 1);
  if (group.examples_size() < kExamples) group.add_examples(subject);
}

const v1::Finding* ForecastGroups::CauseOf(const v1::Forecast& forecast) const {
  const auto it = causes_.find({forecast.cause_code(), forecast.cause_subject()});
  return it == causes_.end() ? nullptr : it->second;
}

void ForecastGroups::Describe(const v1::Forecast& one, v1::ForecastGroup& group) const {
  std::string text = What(one, group);
  const v1::Finding* cause = CauseOf(one);
  if (cause == nullptr) {
    group.set_text(absl::StrCat(text, ": ", one.reason(), "; no cause of it was found."));
    return;
  }
  const bool each_its_own = group.machines() > 1 && group.cause_subject().empty();
  absl::StrAppend(&text, ", ", each_its_own ? "each " : "", "because of ", cause->code(),
                  each_its_own ? " of its own" : absl::StrCat(" on ", cause->subject()), " (",
                  cause->title(), "). ");
  if (cause->treatments().empty()) {
    group.set_why_untreatable(cause->why_untreatable());
    group.set_text(absl::StrCat(text, "By hand: ", cause->why_untreatable()));
    return;
  }
  v1::Treatment& first = *group.mutable_prevention();
  first = cause->treatments(0);
  std::string where;
  if (each_its_own) {
    where = "on each";
    // Several machines, several places: the first one's would be wrong for all others.
    first.clear_machine_id();
  } else {
    if (first.machine_id().empty()) first.set_machine_id(cause->machine_id());
    const MachineState* machine = estate_.Find(first.machine_id());
    where = absl::StrCat("on ", machine == nullptr ? cause->subject() : machine->name);
  }
  group.set_text(absl::StrCat(text, first.action(), " ", where, " prevents it: ", first.title(),
                              first.needs_approval() ? " (only with explicit approval)." : "."));
}

void ForecastGroups::Finish(const google::protobuf::RepeatedPtrField<v1::Forecast>& sorted,
                            v1::ForecastSummary& summary) const {
  using Key = std::tuple<int, std::string, std::string, std::string, uint32_t>;
  std::map<Key, int> index;
  std::vector<const v1::Forecast*> first;  // of each group
  for (const v1::Forecast& forecast : sorted) {
    const v1::Finding* cause = CauseOf(forecast);
    const bool own = cause != nullptr && cause->machine_id() == forecast.machine_id();
    const bool count = forecast.event() == v1::FORECAST_EVENT_COUNT_FALLS;
    const std::string subject = own ? "" : forecast.cause_subject();
    const auto [it, is_new] =
        index.try_emplace(Key(forecast.event(), forecast.cause_code(), subject,
                              count ? forecast.machine_id() : "", forecast.threshold()),
                          summary.groups_size());
    if (is_new) {
      v1::ForecastGroup& group = *summary.add_groups();
      group.set_event(forecast.event());
      group.set_cause_code(forecast.cause_code());
      group.set_cause_subject(subject);
      *group.mutable_first_at() = forecast.at();
      first.push_back(&forecast);
    }
    v1::ForecastGroup& group = *summary.mutable_groups(it->second);
    group.set_machines(group.machines() + 1);
    *group.mutable_last_at() = forecast.at();
    if (group.examples_size() < kExamples) group.add_examples(forecast.subject());
  }
  for (int i = 0; i < summary.groups_size(); ++i) {
    v1::ForecastGroup& group = *summary.mutable_groups(i);
    if (group.machines() == 1) group.set_cause_subject(first[i]->cause_subject());
    Describe(*first[i], group);
  }
  for (const auto& [what, missing] : unknown_) {
    v1::ForecastGroup& group = *summary.add_groups();
    group = missing;
    group.set_text(absl::StrCat("Not known of ", absl::StrJoin(missing.examples(), ", "),
                                missing.machines() > kExamples
                                    ? absl::StrCat(" and ", missing.machines() - kExamples, " more")
                                    : "",
                                ": ", what, "."));
  }
}

}  // namespace keymedic::kms
