// SPDX-License-Identifier: Apache-2.0
//
// What was tried and did not help: which treatment of which finding on which machine. It is not
// offered again without a person's word; forgotten when the finding is cured, and for a finding
// that came back later as a new one.
//
// Life cycle: Load at start, Note for each target that a rollout changed; what Note writes goes
// into the batch that makes the target durable. Threads: one at a time.
#ifndef KEYMEDIC_CONTROLLER_REMEDIATION_TRIED_H_
#define KEYMEDIC_CONTROLLER_REMEDIATION_TRIED_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/store/store.h"
#include "keymedic/rows/v1/rows.pb.h"
#include "keymedic/v1/remediation_service.pb.h"

namespace keymedic::controller {

class Tried {
 public:
  // kDataLoss naming a row that does not parse; the store's own.
  static absl::StatusOr<Tried> Load(Store& store);

  void Note(const v1::Remediation& remediation, const v1::Target& target, absl::Time now,
            Batch& batch);
  // "was tried by r-1 and did not help (…); …", of an attempt at this very finding; "": there was
  // none.
  std::string WhyNotAgain(const v1::Finding& finding, const std::string& machine_id,
                          const std::string& action) const;

 private:
  std::map<std::string, rows::v1::TriedRow> rows_;  // by the store's key
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_REMEDIATION_TRIED_H_
