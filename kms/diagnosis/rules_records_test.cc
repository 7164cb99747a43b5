// SPDX-License-Identifier: Apache-2.0
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<v1::Finding> Records(const Estate& estate, const v1::Policy& policy = {}) {
  return DiagnoseRecords(estate, policy, kNow);
}

MachineState ToldOf(const char* id, const char* host, std::optional<v1::ProbeResult> probe) {
  MachineState machine = HealthyClient(id);
  AddRecord(AddAnswer(machine), host);
  if (probe.has_value()) AddProbe(machine, host, *probe);
  return machine;
}

TEST(Records, ARecordOfAHostThatIsGone) {
  struct Case {
    const char* name;
    std::optional<v1::ProbeResult> probe;
    bool has_address, stale;
  };
  for (const Case& c : {Case{"answers", v1::PROBE_RESULT_KMS, true, false},
                        Case{"silent", v1::PROBE_RESULT_TIMEOUT, true, true},
                        Case{"no address", std::nullopt, false, true},
                        Case{"nobody asked", std::nullopt, true, false}}) {
    MachineState machine = ToldOf("pc", "old.contoso.example", c.probe);
    if (!c.has_address) {
      machine.names->mutable_answers(0)->mutable_records(0)->clear_addresses();
    }
    Estate estate;
    estate.Upsert(machine);
    const std::vector<v1::Finding> findings = Records(estate);
    EXPECT_EQ(findings.size(), c.stale ? 1u : 0u) << c.name;
    if (!c.stale || findings.empty()) continue;
    EXPECT_EQ(findings[0].code(), "DNS_SRV_STALE");
    EXPECT_EQ(findings[0].subject(), "_vlmcs._tcp.contoso.example -> old.contoso.example");
    EXPECT_THAT(findings[0].why_untreatable(), HasSubstr("remove the SRV record"));
  }
}

TEST(Records, AddressNotLookedUpSaysNothing) {
  MachineState machine = ToldOf("pc", "old.contoso.example", std::nullopt);
  v1::SrvRecord& record = *machine.names->mutable_answers(0)->mutable_records(0);
  record.clear_addresses();
  record.clear_resolved();
  Estate estate;
  estate.Upsert(machine);
  EXPECT_THAT(Records(estate), IsEmpty());
}

TEST(Records, AHostThatIsKnownIsItsOwnBusinessUntilItIsNoHostAnyMore) {
  Estate estate;
  estate.Upsert(ToldOf("pc", "kms1.contoso.example", v1::PROBE_RESULT_TIMEOUT));
  estate.Upsert(HealthyHost("kms1"));
  EXPECT_THAT(Records(estate), IsEmpty());
  MachineState retired = Machine("kms1");
  WithOs(retired, "ServerStandard", 20348, true);
  estate.Upsert(retired);
  EXPECT_THAT(Codes(Records(estate)), ElementsAre("DNS_SRV_STALE"));
}

TEST(Records, ARecordThatNobodyAllowed) {
  Estate estate;
  estate.Upsert(ToldOf("pc", "rogue.contoso.example", v1::PROBE_RESULT_KMS));
  EXPECT_THAT(Records(estate), IsEmpty());
  v1::Policy policy;
  policy.add_kms_hosts("kms1.contoso.example");
  EXPECT_THAT(Codes(Records(estate, policy)), ElementsAre("DNS_SRV_UNSANCTIONED"));
  policy.add_kms_hosts("Rogue.contoso.example.");
  EXPECT_THAT(Records(estate, policy), IsEmpty());
}

TEST(Records, ACloudsEndpointIsNobodysRogue) {
  Estate estate;
  estate.Upsert(ToldOf("pc", "azkms.core.windows.net", v1::PROBE_RESULT_TIMEOUT));
  v1::Policy policy;
  policy.add_kms_hosts("kms1.contoso.example");
  EXPECT_THAT(Records(estate, policy), IsEmpty());
}

Estate Pool(int first, int second, uint32_t required) {
  Estate estate;
  for (const auto& [id, count] : {std::pair("kms1", first), std::pair("kms2", second)}) {
    MachineState host = HealthyHost(id, count);
    v1::RequestSummary& request = *host.host->add_requests();
    request.set_client_machine_id("x");
    request.set_required_count(required);
    estate.Upsert(host);
  }
  MachineState pc = HealthyClient("pc");
  v1::SrvAnswer& answer = AddAnswer(pc);
  AddRecord(answer, "kms1.contoso.example");
  AddRecord(answer, "kms2.contoso.example");
  estate.Upsert(pc);
  return estate;
}

TEST(Records, APoolThatIsSplit) {
  const Estate estate = Pool(12, 20, 25);
  const std::vector<v1::Finding> findings = Records(estate);
  ASSERT_THAT(Codes(findings), ElementsAre("HOST_COUNT_SPLIT"));
  EXPECT_EQ(findings[0].subject(), "_vlmcs._tcp.contoso.example");
  // The one with the higher count stays.
  EXPECT_THAT(Treatments(findings[0]), ElementsAre("ensure_dns_publishing@kms1"));
  EXPECT_EQ(findings[0].treatments(0).params().at("enabled"), "false");
}

TEST(Records, APoolThatIsNotSplit) {
  EXPECT_THAT(Records(Pool(12, 12, 25)), IsEmpty()) << "too few in all";
  EXPECT_THAT(Records(Pool(12, 25, 25)), IsEmpty()) << "one is enough";
  EXPECT_THAT(Records(Pool(12, 20, 5)), IsEmpty()) << "enough for servers";
}

TEST(Records, ExpiryAhead) {
  Estate estate;
  MachineState soon = HealthyClient("soon");
  Set(kNow + absl::Hours(24 * 20), soon.licensing->mutable_products(0)->mutable_expires_at());
  Set(kNow - absl::Hours(24 * 160), soon.client->mutable_last_activation_at());
  estate.Upsert(soon);
  EXPECT_THAT(Records(estate), IsEmpty()) << "one machine speaks for itself";
  estate.Upsert(HealthyClient("later"));
  std::vector<v1::Finding> findings = DiagnoseAll(estate, {});
  ASSERT_THAT(Codes(findings), ElementsAre("ESTATE_EXPIRY_AHEAD"));
  EXPECT_THAT(findings[0].affected_machines(), ElementsAre("soon"));
  v1::Policy policy;
  policy.set_expiry_ahead_days(10);
  EXPECT_THAT(Records(estate, policy), IsEmpty());
  policy.set_expiry_ahead_days(180);
  EXPECT_THAT(Records(estate, policy)[0].affected_machines(), ElementsAre("soon"))
      << "the other one renews, and never leaves";
  estate.Upsert(HealthyClient("soon"));
  EXPECT_THAT(Records(estate, policy), IsEmpty()) << "renewed";
}

}  // namespace
}  // namespace keymedic::kms
