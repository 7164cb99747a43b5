// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the clients' rules. Each case: a machine in one state, and every code that is
// found of it. What is not in the case must not be found, so each also says where the other rules
// stay quiet.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_CLIENT_CASES_TESTING_H_
#define KEYMEDIC_KMS_DIAGNOSIS_CLIENT_CASES_TESTING_H_

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms::testing {

inline constexpr uint32_t kNoContact = 0xC004F074;

struct Case {
  const char* name;
  std::function<MachineState()> machine;
  std::vector<std::string> codes;
  std::function<void(v1::Policy&)> policy;
};

inline MachineState Changed(MachineState machine,
                            const std::function<void(MachineState&)>& change) {
  change(machine);
  return machine;
}

inline MachineState Keyed(const char* channel, v1::LicenseStatus status, const char* edition,
                          const char* partial = "AB2CD") {
  MachineState machine = Machine("pc");
  WithOs(machine, edition);
  AddProduct(machine, channel, partial, status);
  return machine;
}

inline void OffKms(v1::Policy& policy) { policy.set_expect_kms(false); }
inline void Sanctions(v1::Policy& policy) { policy.add_kms_hosts("kms1.contoso.example"); }

inline MachineState Pinned(MachineState machine, const char* host) {
  machine.client->set_registered_host(host);
  return machine;
}

inline void ExpectFound(const Case& c) {
  v1::Policy policy;
  if (c.policy) c.policy(policy);
  Estate estate;
  estate.Upsert(c.machine());
  const std::vector<v1::Finding> findings = Diagnose(estate, "pc", policy);
  EXPECT_THAT(Codes(findings), ::testing::UnorderedElementsAreArray(c.codes)) << c.name;
  for (const v1::Finding& finding : findings) {
    EXPECT_THAT(finding.evidence(), ::testing::Not(::testing::IsEmpty())) << finding.code();
    EXPECT_EQ(finding.why_untreatable().empty(),
              !finding.treatments().empty() || finding.severity() < v1::SEVERITY_WARNING)
        << finding.code() << ": " << finding.why_untreatable();
  }
}

}  // namespace keymedic::kms::testing

#endif  // KEYMEDIC_KMS_DIAGNOSIS_CLIENT_CASES_TESTING_H_
