// SPDX-License-Identifier: Apache-2.0
//
// Diagnosis: machine states in, findings out. Pure: no I/O, no clock, no threads of its own.
//
// The same three calls serve the controller (a whole estate, incrementally), `keymedic diagnose`
// (the machines that a few captures show) and a plugin (one machine):
//
//   Estate estate;                             // the index over all known machine states
//   auto touched = estate.Upsert(state);       // whose findings may differ now
//   for (id : touched) findings[id] = DiagnoseMachine(estate, id, policy, now);
//   auto records = DiagnoseRecords(estate, policy, now);   // SRV records and pools
//   auto folded = Fold(estate, all findings);  // causes, with what follows from them under them
//
// Threads: an Estate is not synchronised; const calls may run together.
// Cost: Upsert and DiagnoseMachine do not grow with the estate, only with what the machine shares a
// machine id or a host with.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSIS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSIS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/finding.pb.h"
#include "keymedic/v1/policy_service.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::kms {

// One fact for which two sources give two values, and nothing says which of them is newer: a reader
// that joins several captures of one machine keeps neither, leaves the field absent and says so
// here. EVIDENCE_CONTRADICTORY reports it.
struct Contradiction {
  std::string field;            // as the section calls it: "kms_client.registered_host"
  std::string one, one_source;  // what the first source says, and which source it is
  std::string other, other_source;
};

// One machine's state, parsed. An absent section means "not known".
struct MachineState {
  std::string id;    // stable identity; the controller's machine id, or a capture's group
  std::string name;  // how findings call it
  std::optional<v1::OsSection> os;
  std::optional<v1::LicensingSection> licensing;
  std::optional<v1::KmsClientSection> client;
  std::optional<v1::KmsHostSection> host;
  std::optional<v1::FirewallSection> firewall;
  std::optional<v1::NamesSection> names;
  std::optional<v1::ProbesSection> probes;
  // Where this state was seen: evidence.source for what has no better source. Empty: the section.
  std::string source;
  std::vector<Contradiction> contradictions;
};

// Puts a section into its place. kInvalidArgument for a payload that does not parse or a type that
// is not known here; the state is then unchanged.
absl::Status ApplySection(const v1::Section& section, MachineState& state);
void RemoveSection(absl::string_view name, MachineState& state);
// What `from` has replaces what `into` has, and is gone from there.
void MoveSections(MachineState& from, MachineState& into);

class Estate {
 public:
  Estate();
  ~Estate();
  Estate(Estate&&) noexcept;
  Estate& operator=(Estate&&) noexcept;

  // Ids (the machine's own first) whose DiagnoseMachine answer may have changed.
  std::vector<std::string> Upsert(MachineState state);
  // The same in place: `change` is given the state of that id, a new one if there is none. It must
  // not change the id.
  std::vector<std::string> Update(absl::string_view id,
                                  absl::FunctionRef<void(MachineState& state)> change);
  std::vector<std::string> Remove(absl::string_view id);
  // As Upsert, for who diagnoses all machines afterwards.
  void Load(MachineState state);

  const MachineState* Find(absl::string_view id) const;
  // By name as others write it: FQDN or short name, any case. Null if none or several fit.
  const MachineState* FindByHostName(absl::string_view host) const;
  size_t size() const;

  struct Index;
  const Index& index() const { return *index_; }

 private:
  std::unique_ptr<Index> index_;
};

// Every finding that this machine's state shows, unfolded, most severe first.
std::vector<v1::Finding> DiagnoseMachine(const Estate& estate, absl::string_view id,
                                         const v1::Policy& policy, absl::Time now);

// What no single machine owns: SRV records, pools.
std::vector<v1::Finding> DiagnoseRecords(const Estate& estate, const v1::Policy& policy,
                                         absl::Time now);

// Puts what follows from a cause under it: fills cause_code and cause_subject on the followers,
// affected_machines and folded_codes on the causes. Keeps every finding; causes come first, most
// severe and widest first.
std::vector<v1::Finding> Fold(const Estate& estate, std::vector<v1::Finding> findings);

// A problem is a cause that somebody should do something about: warning or critical.
bool IsProblem(const v1::Finding& finding);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_DIAGNOSIS_H_
