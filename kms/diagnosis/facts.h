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

// Error codes that mean the same thing.
bool IsNoContact(uint32_t error);  // the host did not answer
bool IsNoSrv(uint32_t error);      // no SRV record was found
bool IsNoNameServer(uint32_t error);
bool IsWrongKeyForEdition(uint32_t error);
bool IsNonGenuine(uint32_t error);
bool IsHardwareChanged(uint32_t error);

struct Facts {
  Facts(const Estate& estate, const MachineState& machine, const v1::Policy& policy,
        absl::Time now);

  const Estate& estate;
  const Estate::Index& index;
  const MachineState& machine;
  const v1::Policy& policy;
  const absl::Time now;

  const v1::Product* primary = nullptr;       // Windows itself; else the first product with a key
  const v1::Product* host_product = nullptr;  // the one with a CSVLK
  bool is_host = false;
  bool is_kms_client = false;  // some product is on a GVLK, or the machine asks a host
  // The newest attempt, unless the client was activated after it: then it tells nothing any more.
  const v1::ActivationAttempt* attempt = nullptr;
  uint32_t attempt_error = 0;  // of it; 0: none, or it succeeded

  // The host this client uses: pinned, or of its newest attempt, or found through DNS. Empty: not
  // known.
  std::string host_name;
  bool pinned = false;                         // by registered_host
  const MachineState* host_machine = nullptr;  // that host, if the estate knows it
  bool host_dead = false;   // a probe or the newest attempt says that it does not answer
  bool host_alive = false;  // a probe says that it does

  uint32_t build() const;          // 0: not known
  std::string edition_id() const;  // of the installed edition; empty: not known
  bool wants_kms() const { return !policy.has_expect_kms() || policy.expect_kms(); }
  const v1::Probe* ProbeOf(absl::string_view host) const;
};

std::string Hex(uint32_t code);  // "0xC004F074"

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FACTS_H_
