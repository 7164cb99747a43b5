// SPDX-License-Identifier: Apache-2.0
//
// Forecasts told by cause, as a person reads them: "38 machines leave Licensed between 2026-12-01
// and 2026-12-19 because of HOST_FIREWALL_CLOSED on kms-berlin ...". As many groups as there are
// causes, not as there are machines.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FORECAST_GROUPS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FORECAST_GROUPS_H_

#include <map>
#include <string>
#include <utility>

#include "keymedic/v1/fleet_service.pb.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

class ForecastGroups {
 public:
  explicit ForecastGroups(const Estate& estate) : estate_(estate) {}

  // A forecast will stand in the list; `cause` is what it names, or null.
  void Add(const v1::Forecast& forecast, const v1::Finding* cause);
  void AddUnknown(const std::string& subject, const std::string& what);
  // The list, soonest first: puts the groups into the summary.
  void Finish(const google::protobuf::RepeatedPtrField<v1::Forecast>& sorted,
              v1::ForecastSummary& summary) const;

 private:
  const v1::Finding* CauseOf(const v1::Forecast& forecast) const;
  void Describe(const v1::Forecast& one, v1::ForecastGroup& group) const;

  const Estate& estate_;
  std::map<std::pair<std::string, std::string>, const v1::Finding*> causes_;  // code, subject
  std::map<std::string, v1::ForecastGroup> unknown_;                          // by what is missing
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FORECAST_GROUPS_H_
