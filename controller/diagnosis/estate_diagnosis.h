// SPDX-License-Identifier: Apache-2.0
//
// The controller's live diagnosis: the estate's parsed states, what each machine shows, and the
// folded view of it all. A change re-examines the machine at once and marks what shares a machine
// id or a host with it; the marked are looked at when somebody next asks, so that a host with ten
// thousand clients costs its reporting nothing. The folded view is made on demand and kept until
// something changes.
//
// Threads: any. One mutex, held for the diagnosis of one machine on the way in, and for a whole
// fold on the way out. Nothing here does I/O.
// Errors: a section that is not understood is named in Apply's answer and changes nothing.
#ifndef KEYMEDIC_CONTROLLER_DIAGNOSIS_ESTATE_DIAGNOSIS_H_
#define KEYMEDIC_CONTROLLER_DIAGNOSIS_ESTATE_DIAGNOSIS_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "keymedic/v1/finding.pb.h"
#include "keymedic/v1/fleet_service.pb.h"
#include "keymedic/v1/policy_service.pb.h"
#include "keymedic/v1/section.pb.h"
#include "kms/diagnosis/diagnosis.h"
#include "kms/diagnosis/forecast.h"

namespace keymedic::controller {

// What a list of machines shows of one.
struct MachineFacts {
  bool reported = false;  // some state has arrived
  v1::LicenseStatus status = v1::LICENSE_STATUS_UNSPECIFIED;
  std::string product;
  std::string kms_host;  // that it is told to use or has found, lower case; "": not known
  std::optional<int32_t> utc_offset_minutes;
};

// Everything at one moment. Does not change once made.
struct FoldedView {
  std::vector<v1::Finding> findings;                                 // folded, causes first
  absl::flat_hash_map<std::string, std::vector<size_t>> of_machine;  // id -> index of findings
  v1::Summary summary;  // all but `machines` and `connected`
};

class EstateDiagnosis {
 public:
  EstateDiagnosis(const Clock& clock, v1::Policy policy)
      : clock_(clock), policy_(std::move(policy)) {}

  // Returns a line for each section that was not understood.
  std::vector<std::string> Apply(const std::string& machine_id, const std::string& machine_name,
                                 absl::Span<const v1::Section* const> sections,
                                 absl::Span<const std::string> removed);
  // The machine is gone: others may show other findings without it.
  void Remove(const std::string& machine_id);
  // At start: takes the state and leaves the diagnosis for later.
  void Load(const std::string& machine_id, const std::string& machine_name,
            absl::Span<const v1::Section> sections);
  // What is to be said about the agent itself.
  void SetAgentFindings(const std::string& machine_id, std::vector<v1::Finding> findings);
  void SetPolicy(const v1::Policy& policy);
  v1::Policy policy() const;

  // Looks at what changes have marked; View and FindingsOf do so by themselves.
  void LookAgain();
  std::vector<v1::Finding> FindingsOf(const std::string& machine_id);
  MachineFacts FactsOf(const std::string& machine_id) const;
  std::shared_ptr<const FoldedView> View();
  // What becomes of this estate, as the view shows it, if nothing changes. Holds the mutex for a
  // look at every machine.
  v1::ListForecastsResponse Forecast(const kms::ForecastOptions& options);

 private:
  struct Entry {
    std::vector<v1::Finding> findings;
    std::vector<v1::Finding> agent_findings;
    MachineFacts facts;
    absl::Time diagnosed_at = absl::InfinitePast();
    absl::Time first_seen = absl::InfinitePast();  // of what is found when nothing was known before
  };
  using Entries = absl::node_hash_map<std::string, Entry>;  // by machine id

  // mutex_ is held for all of these.
  Entries::value_type& EntryOf(const std::string& machine_id);
  std::shared_ptr<const FoldedView> ViewOf(absl::Time now);
  void Diagnose(Entries::value_type& entry, absl::Time now);
  void DiagnoseStale(absl::Time now);
  std::shared_ptr<const FoldedView> MakeView(absl::Time now);
  void Summarize(FoldedView& view) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  v1::Policy policy_;
  kms::Estate estate_;
  Entries entries_;
  // In the order in which they came, which is that of their states in memory.
  std::vector<Entries::value_type*> in_order_;
  absl::flat_hash_set<Entries::value_type*> stale_;
  absl::flat_hash_map<std::string, absl::Time> record_first_seen_;  // of findings of no machine
  absl::Time all_diagnosed_at_ = absl::InfinitePast();
  std::shared_ptr<const FoldedView> view_;  // null: something changed since
  absl::Time viewed_at_ = absl::InfinitePast();
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_DIAGNOSIS_ESTATE_DIAGNOSIS_H_
