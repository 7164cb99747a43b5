// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/forecast.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/times.h"
#include "kms/diagnosis/forecast_causes.h"
#include "kms/diagnosis/forecast_groups.h"
#include "kms/diagnosis/forecast_machine.h"
#include "kms/diagnosis/forecast_pool.h"

namespace keymedic::kms {
namespace {

v1::ForecastEvent EventOf(Course course) {
  switch (course) {
    case Course::kLeavesLicensed:
      return v1::FORECAST_EVENT_LEAVES_LICENSED;
    case Course::kLeavesGrace:
      return v1::FORECAST_EVENT_LEAVES_GRACE;
    case Course::kLicenseEnds:
      return v1::FORECAST_EVENT_LICENSE_ENDS;
    default:
      return v1::FORECAST_EVENT_UNSPECIFIED;
  }
}

class Forecaster {
 public:
  Forecaster(const Estate& estate, absl::Span<const v1::Finding> folded, const v1::Policy& policy,
             absl::Time now, const ForecastOptions& options)
      : estate_(estate),
        policy_(policy),
        now_(now),
        until_(now + options.ahead),
        options_(options),
        causes_(folded),
        outlooks_(estate, policy, now),
        groups_(estate) {}

  v1::ListForecastsResponse Make();

 private:
  bool IsMeant(const MachineState& machine) const {
    return !options_.about || options_.about(machine);
  }
  void LookAtMachine(const MachineState& machine);
  void LookAtPool(const MachineState& host);
  const v1::Finding* CauseOfFall(const MachineState& host, const CountFall& fall);
  void Add(v1::Forecast forecast, const MachineState& machine, absl::Time at,
           const v1::Finding* cause);

  const Estate& estate_;
  const v1::Policy& policy_;
  const absl::Time now_, until_;
  const ForecastOptions& options_;
  const ForecastCauses causes_;
  Outlooks outlooks_;
  ForecastGroups groups_;
  v1::ListForecastsResponse answer_;
};

void Forecaster::Add(v1::Forecast forecast, const MachineState& machine, absl::Time at,
                     const v1::Finding* cause) {
  forecast.set_subject(machine.name);
  forecast.set_machine_id(machine.id);
  *forecast.mutable_at() = ToTimestamp(at);
  if (cause != nullptr) {
    forecast.set_cause_code(cause->code());
    forecast.set_cause_subject(cause->subject());
  }
  groups_.Add(forecast, cause);
  *answer_.add_forecasts() = std::move(forecast);
}

void Forecaster::LookAtMachine(const MachineState& machine) {
  v1::ForecastSummary& summary = *answer_.mutable_summary();
  MachineOutlook outlook = outlooks_.Of(machine);
  switch (outlook.course) {
    case Course::kForever:
      return summary.set_permanent(summary.permanent() + 1);
    case Course::kRenews:
      return summary.set_renewing(summary.renewing() + 1);
    case Course::kNotLicensed:
      return summary.set_not_licensed(summary.not_licensed() + 1);
    case Course::kUnknown:
      groups_.AddUnknown(machine.name, outlook.reason);
      return summary.set_not_known(summary.not_known() + 1);
    default:
      break;
  }
  if (outlook.at > until_) return summary.set_later(summary.later() + 1);
  summary.set_leaving(summary.leaving() + 1);
  v1::Forecast forecast;
  forecast.set_event(EventOf(outlook.course));
  const v1::Finding* cause = causes_.Of(machine, outlook);
  forecast.set_reason(std::move(outlook.reason));
  Add(std::move(forecast), machine, outlook.at, cause);
}

// Its own, if it answers nobody; else the one that most of those have who do not come back.
const v1::Finding* Forecaster::CauseOfFall(const MachineState& host, const CountFall& fall) {
  if (const std::string& closed_by = outlooks_.ClosedBy(host); !closed_by.empty())
    return causes_.OfHost(host, closed_by);
  std::map<std::pair<std::string, std::string>, std::pair<int, const v1::Finding*>> tally;
  const std::pair<int, const v1::Finding*>* most = nullptr;
  for (const MachineState* machine : fall.gone) {
    const v1::Finding* cause = causes_.Of(*machine, outlooks_.Of(*machine));
    if (cause == nullptr) continue;
    auto& entry = tally[{cause->code(), cause->subject()}];
    entry = {entry.first + 1, cause};
  }
  for (const auto& [key, entry] : tally) {
    if (most == nullptr || entry.first > most->first) most = &entry;
  }
  return most == nullptr ? nullptr : most->second;
}

void Forecaster::LookAtPool(const MachineState& host) {
  PoolOutlook pool = OutlookOfPool(estate_, host, outlooks_, policy_, now_);
  for (CountFall& fall : pool.falls) {
    if (fall.at > until_) continue;
    v1::Forecast forecast;
    forecast.set_event(v1::FORECAST_EVENT_COUNT_FALLS);
    forecast.set_threshold(fall.threshold);
    forecast.set_count_now(pool.count_now);
    forecast.set_clients(fall.clients);
    const v1::Finding* cause = CauseOfFall(host, fall);
    forecast.set_reason(std::move(fall.reason));
    Add(std::move(forecast), host, fall.at, cause);
  }
  if (!pool.not_known.empty()) groups_.AddUnknown(host.name, pool.not_known);
}

v1::ListForecastsResponse Forecaster::Make() {
  v1::ForecastSummary& summary = *answer_.mutable_summary();
  *summary.mutable_made_at() = ToTimestamp(now_);
  *summary.mutable_until() = ToTimestamp(until_);
  for (const auto& [id, machine] : estate_.index().machines) {
    if (!IsMeant(machine)) continue;
    summary.set_machines(summary.machines() + 1);
    LookAtMachine(machine);
  }
  for (const absl::string_view id : estate_.index().hosts) {
    if (const MachineState* host = estate_.Find(id); host != nullptr && IsMeant(*host))
      LookAtPool(*host);
  }
  auto& forecasts = *answer_.mutable_forecasts();
  std::sort(forecasts.pointer_begin(), forecasts.pointer_end(),
            [](const v1::Forecast* a, const v1::Forecast* b) {
              const auto key = [](const v1::Forecast& f) {
                return std::tuple(f.at().seconds(), absl::string_view(f.subject()),
                                  absl::string_view(f.machine_id()), -int64_t{f.threshold()});
              };
              return key(*a) < key(*b);
            });
  answer_.set_total_size(forecasts.size());
  groups_.Finish(forecasts, summary);
  return std::move(answer_);
}

}  // namespace

v1::ListForecastsResponse Forecast(const Estate& estate, absl::Span<const v1::Finding> folded,
                                   const v1::Policy& policy, absl::Time now,
                                   const ForecastOptions& options) {
  return Forecaster(estate, folded, policy, now, options).Make();
}

}  // namespace keymedic::kms
