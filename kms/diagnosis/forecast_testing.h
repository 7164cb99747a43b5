// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the forecast: clients and hosts by what happened how many days ago, and
// forecasts in a line each.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_TESTING_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_TESTING_H_

#include <string>
#include <utility>
#include <vector>

#include "base/times.h"
#include "kms/diagnosis/forecast.h"
#include "kms/diagnosis/index.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms::testing {

inline constexpr absl::Duration kDay = absl::Hours(24);

// Activated so many days ago by kms1, licensed for 180 days from then.
inline MachineState Activated(std::string id, int days_ago,
                              const char* host = "kms1.contoso.example") {
  MachineState machine = HealthyClient(std::move(id));
  Set(kNow - days_ago * kDay, machine.client->mutable_last_activation_at());
  Set(kNow + (180 - days_ago) * kDay, machine.licensing->mutable_products(0)->mutable_expires_at());
  machine.client->set_discovered_host(host);
  machine.client->set_discovered_port(1688);
  AddRecord(AddAnswer(machine), host);
  return machine;
}

inline MachineState Host(std::string id, int count) {
  MachineState host = HealthyHost(std::move(id), count);
  host.licensing->mutable_products(0)->set_permanent(true);
  return host;
}

inline void Asked(MachineState& host, const std::string& cmid, int days_ago,
                  uint32_t required = 25) {
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id(cmid);
  request.set_required_count(required);
  Set(kNow - days_ago * kDay, request.mutable_last_at());
}

inline void CloseFirewall(MachineState& host) {
  host.firewall->mutable_rules(0)->set_enabled(false);
}

inline v1::ListForecastsResponse ForecastOf(const Estate& estate, const v1::Policy& policy = {},
                                            const ForecastOptions& options = {},
                                            std::vector<v1::Finding> more = {}) {
  std::vector<v1::Finding> all = DiagnoseRecords(estate, policy, kNow);
  for (const auto& [id, machine] : estate.index().machines) {
    for (v1::Finding& finding : Diagnose(estate, id, policy)) all.push_back(std::move(finding));
  }
  for (v1::Finding& finding : more) all.push_back(std::move(finding));
  return Forecast(estate, Fold(estate, std::move(all)), policy, kNow, options);
}

// "pc LEAVES_LICENSED +20 CODE@subject"
inline std::vector<std::string> Lines(const v1::ListForecastsResponse& forecast) {
  std::vector<std::string> lines;
  for (const v1::Forecast& one : forecast.forecasts()) {
    std::string line = absl::StrCat(
        one.subject(), " ",
        v1::ForecastEvent_Name(one.event()).substr(std::string("FORECAST_EVENT_").size()));
    if (one.threshold() != 0) absl::StrAppend(&line, "(", one.threshold(), ")");
    absl::StrAppend(&line, " +", (FromTimestamp(one.at()) - kNow) / kDay);
    if (!one.cause_code().empty())
      absl::StrAppend(&line, " ", one.cause_code(), "@", one.cause_subject());
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace keymedic::kms::testing

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_TESTING_H_
