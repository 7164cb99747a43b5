// SPDX-License-Identifier: Apache-2.0
//
// What the rules look at: one machine, seen once, with the questions that several rules ask
// answered in one place. Absent values stay absent: every question has an answer "not known".
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FACTS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FACTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/diagnosis/diagnosis.h"
#include "kms/diagnosis/index.h"
#include "kms/tables.h"

namespace keymedic::kms {

enum class Channel {
  kUnknown,
  kKmsClient,
  kKmsHost,
  kMak,
  kRetail,
  kOem,
  kEvaluation,
  kVirtualMachine
};

Channel ChannelOf(const v1::Product& product);
// "VOLUME_KMSCLIENT", as the description or the key channel says it; for evidence.
absl::string_view ChannelText(const v1::Product& product);

// Windows itself, or else the first product with a key; add-ons have keys of their own.
const v1::Product* PrimaryProduct(const v1::LicensingSection& licensing);

// The family of a host key, by its activation id or else by its channel; empty: not known.
absl::string_view HostFamilyOf(const v1::Product& product);
// Of every host key of a machine; none if one of them is not known.
std::vector<absl::string_view> HostFamiliesOf(const MachineState& host);
// Does one of them cover that family of client keys? They are also said to if they are not known.
bool IsCoveredBy(const MachineState& host, absl::string_view client_family);

// Does the policy allow this host? It is named there in full, and may be asked for by its short
// name. A policy without hosts allows every one.
bool IsSanctioned(const v1::Policy& policy, absl::string_view host);

// The reason that an unlicensed product gives; 0: none.
uint32_t StateError(const v1::LicensingSection& licensing);

// Error codes that mean the same thing.
bool IsNoContact(uint32_t error);  // the host did not answer
bool IsCountTooLow(uint32_t error);
bool IsKeyRefused(uint32_t error);  // the host's key does not cover what asked
bool IsNoSrv(uint32_t error);       // no SRV record was found
bool IsNoNameServer(uint32_t error);
bool IsWrongKeyForEdition(uint32_t error);
bool IsNonGenuine(uint32_t error);

// By its form: a name is not one, nor are private, local and unassigned ones.
bool IsPublicAddress(absl::string_view host);

// When something happened by the right clock, as far as it is known how wrong this machine's is.
int64_t RightTime(const MachineState& machine, const google::protobuf::Timestamp& at);

struct Facts {
  Facts(const Estate& estate, const MachineState& machine, const v1::Policy& policy,
        absl::Time now);

  const Estate& estate;
  const Estate::Index& index;
  const MachineState& machine;
  const v1::Policy& policy;
  const absl::Time now;

  const v1::Product* primary = nullptr;
  Channel channel = Channel::kUnknown;  // of the primary product
  const Sku* sku = nullptr;             // of the primary product, if its activation id is known
  const Edition* edition = nullptr;     // the installed one, if it is known
  const v1::Product* host_product = nullptr;  // the one with a CSVLK
  const v1::KmsHostSection* host = nullptr;   // its own, if it is a KMS host and known
  bool is_host = false;
  bool is_kms_client = false;  // some product is on a GVLK, or the machine asks a host
  // The newest attempt, unless the client was activated after it: then it tells nothing any more.
  const v1::ActivationAttempt* attempt = nullptr;
  uint32_t attempt_error = 0;  // of it; 0: none, or it succeeded
  uint32_t state_error = 0;    // that an unlicensed product names; often wraps the attempt's
  // What its host's log says of this attempt, if the host rejected it and the client does not know.
  const v1::RequestSummary* rejected = nullptr;

  // The host this client uses: pinned, or of its newest attempt, or found through DNS. Empty: not
  // known.
  std::string host_name;
  uint32_t host_port = 0;                      // 0: not known
  bool pinned = false;                         // by registered_host
  const MachineState* host_machine = nullptr;  // that host, if the estate knows it
  bool host_dead = false;   // a probe or the newest attempt says that it does not answer
  bool host_alive = false;  // a probe says that it does, or that another does which DNS names

  uint32_t build() const;          // 0: not known
  std::string edition_id() const;  // of the installed edition; empty: not known
  bool wants_kms() const { return !policy.has_expect_kms() || policy.expect_kms(); }
  // Limited to activation by the directory, or by tokens.
  bool never_asks() const;
  bool licensed() const {
    return primary != nullptr && primary->status() == v1::LICENSE_STATUS_LICENSED;
  }
  // Does what went wrong fit? The host knows it best, and the newest attempt better than the state.
  bool Shows(bool (*fits)(uint32_t error)) const {
    if (rejected != nullptr) return fits(rejected->last_error());
    return attempt_error != 0 ? fits(attempt_error) : state_error != 0 && fits(state_error);
  }
  // Does its own probe of the host that it uses fail?
  bool probe_fails() const;
  // Is it pinned to a domain that is known to have no record?
  bool searches_in_vain() const;
  // Is the host that it uses one that the estate knows as a KMS host?
  bool uses_known_host() const;
  // The first name that has records, in the order of its suffixes or in the domain that it is
  // pinned to: it asks none of the others. Null: it was told of no host.
  const v1::SrvAnswer* answer_in_use() const;
  // Would it come to this host by DNS? True where it is not known what DNS tells it.
  bool IsOffered(absl::string_view host) const;
  // Null if there is none, or none that says anything.
  const v1::Probe* ProbeOf(absl::string_view host, uint32_t port) const;

 private:
  std::string lookup_domain() const;  // that it is pinned to; empty: none
  void LookAtLicensing();
  void LookAtClient(const v1::KmsClientSection& client);
  void LookAtHost();
  void LookAtHostsLog(const v1::KmsHostSection& log);
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FACTS_H_
