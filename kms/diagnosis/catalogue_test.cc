// SPDX-License-Identifier: Apache-2.0
//
// For every row of the catalogue one estate in which it is found, so that none is forgotten.
#include <functional>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/machines_testing.h"
#include "kms/tables.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h
using ::testing::Contains;

constexpr char kHost[] = "kms1.contoso.example";

using Machines = std::vector<MachineState>;
using Make = std::function<Machines(v1::Policy& policy)>;

// A client, changed.
Make Client(const std::function<void(MachineState&)>& change) {
  return [change](v1::Policy&) {
    MachineState machine = HealthyClient("pc");
    change(machine);
    return Machines{machine};
  };
}

// One that is not licensed, for `reason`.
Make Unlicensed(uint32_t reason, const std::function<void(MachineState&)>& change = {}) {
  return [=](v1::Policy&) {
    MachineState machine = UnlicensedClient("pc", reason);
    if (change) change(machine);
    return Machines{machine};
  };
}

Make Keyed(const char* channel, const char* edition) {
  return [=](v1::Policy&) {
    MachineState machine = Machine("pc");
    WithOs(machine, edition);
    AddProduct(machine, channel, "AB2CD", v1::LICENSE_STATUS_LICENSED);
    return Machines{machine};
  };
}

Make Host(int count, const std::function<void(MachineState&)>& change = {}) {
  return [=](v1::Policy&) {
    MachineState machine = HealthyHost("kms1", count);
    if (change) change(machine);
    return Machines{machine};
  };
}

// A client beside the host.
Make With(Make host, Make client) {
  return [=](v1::Policy& policy) {
    Machines machines = host(policy);
    for (MachineState& machine : client(policy)) machines.push_back(std::move(machine));
    return machines;
  };
}

void AddClones(MachineState& host) {
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id("x");
  request.add_machine_names("pc-1");
  request.add_machine_names("pc-2");
}

void Reject(MachineState& host) {
  v1::RequestSummary& request = *host.host->add_requests();
  request.set_client_machine_id("x");
  request.set_last_error(0xC004F015);
}

void Probes(MachineState& client) { AddProbe(client, kHost, v1::PROBE_RESULT_TIMEOUT); }

Machines Clones(v1::Policy&) {
  Machines machines = {HealthyClient("a"), HealthyClient("b")};
  for (MachineState& machine : machines) {
    machine.client->set_client_machine_id("same");
    machine.licensing->set_windows_rearms_left(0);
  }
  return machines;
}

std::map<std::string, Make> ClientCases() {
  return {
      {"CLIENT_EDITION_NOT_VOLUME", Keyed("RETAIL", "Core")},
      {"CLIENT_KEY_NOT_GVLK", Keyed("RETAIL", "Enterprise")},
      {"CLIENT_KEY_WRONG_EDITION", Unlicensed(0xC004F069)},
      {"CLIENT_MAK_UNTIL_COUNT", With(Host(7), Keyed("VOLUME_MAK", "Enterprise"))},
      {"CLIENT_NEVER_ACTIVATED", Unlicensed(0xC004F056)},
      {"CLIENT_NOT_LICENSED", Unlicensed(0)},
      {"CLIENT_GRACE_EXPIRING", Unlicensed(0,
                                           [](MachineState& m) {
                                             v1::Product& p = *m.licensing->mutable_products(0);
                                             p.set_status(v1::LICENSE_STATUS_ADDITIONAL_GRACE);
                                             Set(kNow + absl::Hours(30), p.mutable_expires_at());
                                           })},
      {"CLIENT_RENEWAL_OVERDUE", Client([](MachineState& m) {
         Set(kNow - absl::Hours(24 * 40), m.client->mutable_last_activation_at());
       })},
      {"CLIENT_HARDWARE_CHANGED", Unlicensed(0xC004F00F)},
      {"CLIENT_NON_GENUINE", Unlicensed(0xC004F200)},
      {"CLIENT_DNS_NO_SRV", Unlicensed(0x8007232B)},
      {"CLIENT_LOOKUP_DOMAIN_WRONG", Unlicensed(0,
                                                [](MachineState& m) {
                                                  m.client->set_lookup_domain("old.example");
                                                  AddAnswer(m, 0x8007232B, "old.example");
                                                  AddRecord(AddAnswer(m), kHost);
                                                })},
      {"CLIENT_DNS_NO_SERVER", Unlicensed(0x8007267C)},
      {"CLIENT_HOST_UNREACHABLE", Unlicensed(0xC004F074)},
      {"CLIENT_HOST_OVERRIDE",
       Client([](MachineState& m) { m.client->set_registered_host(kHost); })},
      {"CLIENT_HOST_UNSANCTIONED",
       Client([](MachineState& m) { m.client->set_registered_host("203.0.113.9"); })},
      {"CLIENT_CACHING_OFF", Client([](MachineState& m) { m.client->set_host_caching(false); })},
      {"CLIENT_CLOCK_SKEW", Client([](MachineState& m) { m.os->set_clock_skew_minutes(420); })},
      {"CLIENT_COUNT_TOO_LOW", Unlicensed(0xC004F038)},
      {"CLIENT_HOST_KEY_MISMATCH", Unlicensed(0xC004F042)},
      {"CLIENT_DUPLICATE_CMID", Clones},
      {"CLIENT_NO_REARM_LEFT", Clones},
      {"CLIENT_ACTIVATION_TYPE_LIMITED",
       Unlicensed(
           0, [](MachineState& m) { m.client->set_activation_type(v1::ACTIVATION_TYPE_TOKEN); })},
      {"CLIENT_ACTIVATED_BY_DIRECTORY",
       Client([](MachineState& m) { m.client->set_activation_object("Contoso"); })},
      {"EVIDENCE_CONTRADICTORY", Client([](MachineState& m) {
         m.contradictions.push_back({"kms_client.registered_host", "a", "one", "b", "two"});
       })},
  };
}

std::map<std::string, Make> HostCases() {
  return {
      {"HOST_NOT_LICENSED", Host(30,
                                 [](MachineState& m) {
                                   m.licensing->mutable_products(0)->set_status(
                                       v1::LICENSE_STATUS_NOTIFICATION);
                                 })},
      {"HOST_KEY_MISMATCH", Host(30, Reject)},
      {"HOST_EDITION_CANNOT_HOST",
       Host(30, [](MachineState& m) { m.os->set_edition_id("ServerTurbine"); })},
      {"HOST_SERVICE_OUTDATED", Host(30,
                                     [](MachineState& m) {
                                       m.licensing->mutable_products(0)->set_channel(
                                           "VOLUME_KMS_WS25");
                                       m.os->set_revision(1);
                                     })},
      {"HOST_COUNT_ZERO", Host(0)},
      {"HOST_COUNT_TOO_LOW", Host(3)},
      {"HOST_COUNT_STUCK", Host(1, AddClones)},
      {"HOST_COUNT_SATURATED", Host(50)},
      {"HOST_FIREWALL_CLOSED",
       Host(30, [](MachineState& m) { m.firewall->mutable_rules(0)->set_enabled(false); })},
      {"HOST_PORT_MISMATCH",
       Host(30, [](MachineState& m) { AddRecord(AddAnswer(m), kHost, 1700); })},
      {"HOST_UNREACHABLE", With(Host(30), Client(Probes))},
      {"HOST_REQUEST_NOT_SEEN",
       With(Host(30),
            Unlicensed(0, [](MachineState& m) { AddAttempt(m, 12288, 0xC004F074, kHost); }))},
      {"HOST_DNS_PUBLISH_FAILED", Host(30,
                                       [](MachineState& m) {
                                         v1::DnsPublication& p = *m.host->add_publications();
                                         p.set_domain(kDomain);
                                         p.set_error(0x80072338);
                                       })},
      {"HOST_DNS_PUBLISHING_OFF",
       Host(30, [](MachineState& m) { m.host->set_dns_publishing(false); })},
      {"HOST_SRV_MISSING", Host(30, [](MachineState& m) { AddAnswer(m, 0x8007232B); })},
      {"HOST_EVENT_LOG_FULL", Host(30, [](MachineState& m) { m.host->set_log_full(true); })},
      {"HOST_REQUESTS_FAILING",
       Host(30, [](MachineState& m) { m.host->set_failed_requests(400); })},
      {"HOST_ACTIVATION_LIMIT", Host(30,
                                     [](MachineState& m) {
                                       m.licensing->mutable_products(0)->set_status_reason(
                                           0xC004C008);
                                     })},
      {"HOST_SERVICE_STOPPED",
       Host(30, [](MachineState& m) { m.host->set_service_running(false); })},
  };
}

std::map<std::string, Make> RecordCases() {
  return {
      {"HOST_COUNT_SPLIT",
       [](v1::Policy&) {
         return Machines{HealthyHost("kms1", 15), HealthyHost("kms2", 15)};
       }},
      {"DNS_SRV_STALE", Client([](MachineState& m) {
         AddRecord(AddAnswer(m), "old.contoso.example");
         AddProbe(m, "old.contoso.example", v1::PROBE_RESULT_TIMEOUT);
       })},
      {"DNS_SRV_UNSANCTIONED",
       [](v1::Policy& policy) {
         policy.add_kms_hosts(kHost);
         MachineState machine = HealthyClient("pc");
         AddRecord(AddAnswer(machine), "rogue.contoso.example");
         return Machines{machine};
       }},
      {"ESTATE_EXPIRY_AHEAD",
       [](v1::Policy&) {
         Machines machines = {UnlicensedClient("pc"), UnlicensedClient("other")};
         for (MachineState& machine : machines) {
           v1::Product& product = *machine.licensing->mutable_products(0);
           product.set_status(v1::LICENSE_STATUS_LICENSED);
           Set(kNow + absl::Hours(24 * 10), product.mutable_expires_at());
           Set(kNow - absl::Hours(24 * 170), machine.client->mutable_last_activation_at());
           Probes(machine);
         }
         return machines;
       }},
  };
}

TEST(Catalogue, EveryRowIsFoundSomewhere) {
  std::map<std::string, Make> cases = ClientCases();
  cases.merge(HostCases());
  cases.merge(RecordCases());
  for (const FindingRow& row : FindingRows()) {
    const std::string code(row.code);
    if (code.substr(0, 6) == "AGENT_") continue;  // said by the controller, not of a state
    ASSERT_TRUE(cases.contains(code)) << code << " has no case here";
    v1::Policy policy;
    Estate estate;
    std::vector<std::string> ids;
    for (MachineState& machine : cases.at(code)(policy)) {
      ids.push_back(machine.id);
      estate.Upsert(std::move(machine));
    }
    EXPECT_THAT(Codes(DiagnoseAll(estate, ids, policy)), Contains(code));
  }
  // And nobody has nothing.
  Estate healthy;
  healthy.Upsert(HealthyHost("kms1", 30));
  healthy.Upsert(HealthyClient("pc"));
  EXPECT_THAT(Codes(DiagnoseAll(healthy, {"kms1", "pc"})), ::testing::IsEmpty());
}

}  // namespace
}  // namespace keymedic::kms
