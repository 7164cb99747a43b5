// SPDX-License-Identifier: Apache-2.0
//
// For tests: a certificate authority, what it signs, and a temporary directory.
#ifndef KEYMEDIC_AGENT_FAKE_AUTHORITY_H_
#define KEYMEDIC_AGENT_FAKE_AUTHORITY_H_

#include <atomic>
#include <string>

#include "absl/time/time.h"
#include "agent/identity.h"
#include "base/clock.h"
#include "base/temp_dir_testing.h"
#include "base/x509.h"
#include "gtest/gtest.h"

namespace keymedic::agent {

inline std::string MakeTempDir() { return keymedic::MakeTempDir("keymedic_agent"); }

struct FakeAuthority {
  std::string key = *x509::GenerateKeyPem();
  std::string ca;

  explicit FakeAuthority(absl::Time now)
      : ca(*x509::MakeCaPem(key, "test", now - absl::Hours(1), now + absl::Hours(1000))) {}

  std::string Sign(const std::string& csr_pem, const std::string& machine_id, absl::Time from,
                   absl::Time to) const {
    return *x509::SignCsrPem(
        csr_pem, {machine_id, "spiffe://keymedic/machine/" + machine_id, {}, from, to, false}, ca,
        key);
  }
  Credential Machine(const std::string& machine_id, absl::Time from, absl::Time to) const {
    const std::string machine_key = *x509::GenerateKeyPem();
    return *MakeCredential(
        machine_key, Sign(*x509::MakeCsrPem(machine_key, machine_id), machine_id, from, to), ca);
  }
};

class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now) : now_(absl::ToUnixNanos(now)) {}
  absl::Time Now() const override { return absl::FromUnixNanos(now_); }
  void Advance(absl::Duration by) { now_ += absl::ToInt64Nanoseconds(by); }

 private:
  std::atomic<int64_t> now_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_FAKE_AUTHORITY_H_
