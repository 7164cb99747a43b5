// SPDX-License-Identifier: Apache-2.0
//
// Whatever comes, changes and goes in whatever order: what is kept of machines that were not
// touched is what would be found now, and an estate that grew is one that was built at once.
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/diagnosis/index.h"
#include "kms/diagnosis/machines_testing.h"

namespace keymedic::kms {
namespace {

using namespace testing;  // NOLINT: the machines of machines_testing.h

constexpr const char* kIds[] = {"kms1", "kms2", "pc-1", "pc-2", "pc-3", "pc-4", "pc-5"};
constexpr const char* kHosts[] = {"kms1", "KMS1.contoso.example.", "kms2.contoso.example",
                                  "10.0.0.9", "elsewhere.example"};
constexpr const char* kPids[] = {"03612-00206-568-001234-03-1033-20348.0000-0612026",
                                 "03612-00206-568-001234-03-1033-20348.0000-0612027",
                                 "06401-00206-271-395032-03-1033-9600.0000-0712026"};

// Machines that say a little of everything, each time something else.
class Dice {
 public:
  explicit Dice(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }
  bool OneIn(size_t n) { return Below(n) == 0; }
  template <size_t N>
  const char* From(const char* const (&words)[N]) {
    return words[Below(N)];
  }

  // The same machine, with one thing changed that does not make it another one.
  MachineState Nudge(MachineState machine) {
    if (machine.licensing.has_value() && OneIn(2))
      machine.licensing->set_windows_rearms_left(static_cast<uint32_t>(Below(2)));
    if (machine.host.has_value()) machine.host->set_current_count(static_cast<int>(Below(60)));
    if (!machine.host.has_value() && machine.client.has_value() &&
        machine.client->attempts_size() > 0)
      machine.client->mutable_attempts(0)->set_error(OneIn(2) ? 0 : 0xC004F038);
    return machine;
  }

  MachineState Roll(const char* id) {
    MachineState machine = Base(id);
    if (OneIn(4)) machine.name = From(kIds);
    if (machine.os.has_value()) {
      if (OneIn(3)) machine.os->set_computer_name(From(kIds));
      if (OneIn(3)) machine.os->add_addresses("10.0.0.9");
      if (OneIn(6)) machine.os->clear_dns_domain();
    }
    for (size_t n = Below(3); n > 0; --n)
      AddProbe(machine, From(kHosts), OneIn(2) ? v1::PROBE_RESULT_KMS : v1::PROBE_RESULT_TIMEOUT);
    if (OneIn(2)) RollAnswer(machine);
    if (machine.client.has_value()) RollClient(*machine.client, machine);
    if (machine.host.has_value()) RollHost(*machine.host, machine);
    return machine;
  }

 private:
  MachineState Base(const char* id) {
    switch (Below(id[0] == 'k' ? 7 : 5)) {
      case 0:
        return HealthyClient(id);
      case 1:
        return UnlicensedClient(id, OneIn(2) ? 0xC004F042 : 0xC004F038);
      case 2:
        return UnlicensedClient(id);
      case 3: {
        MachineState machine = Machine(id);
        AddProduct(WithOs(machine), "VOLUME_MAK", "AB2CD", v1::LICENSE_STATUS_LICENSED);
        return machine;
      }
      case 4:
        return Machine(id);
      default:
        return HealthyHost(id, static_cast<int>(Below(60)));
    }
  }

  void RollAnswer(MachineState& machine) {
    const char* const zone = OneIn(2) ? kDomain : "child.contoso.example";
    if (OneIn(3)) {
      AddAnswer(machine, 0x8007232B, zone);
      return;
    }
    v1::SrvRecord& record =
        AddRecord(AddAnswer(machine, 0, zone), From(kHosts), OneIn(4) ? 1700 : 1688);
    if (OneIn(4)) record.clear_addresses();
  }

  void RollClient(v1::KmsClientSection& client, MachineState& machine) {
    if (OneIn(3)) client.set_client_machine_id(OneIn(2) ? "SAME" : "0000");
    if (OneIn(4)) client.set_registered_host(From(kHosts));
    if (OneIn(4)) client.set_registered_port(OneIn(2) ? 1700 : 1688);
    if (OneIn(4)) client.set_discovered_host(From(kHosts));
    if (OneIn(3)) client.set_host_extended_pid(From(kPids));
    if (OneIn(6)) client.set_activation_object("Contoso volume");
    if (OneIn(2)) return;
    constexpr uint32_t kErrors[] = {0, 0xC004F074, 0xC004F038, 0x8007232B, 0xC004F042};
    v1::ActivationAttempt& attempt =
        AddAttempt(machine, OneIn(4) ? 8198 : 12288, kErrors[Below(5)], From(kHosts));
    Set(kNow - absl::Hours(static_cast<int64_t>(Below(OneIn(2) ? 5 : 50))), attempt.mutable_at());
    if (OneIn(2)) attempt.set_answered(OneIn(2));
    if (attempt.error() == 0) attempt.set_bound(OneIn(2));
  }

  void RollHost(v1::KmsHostSection& host, MachineState& machine) {
    if (OneIn(3)) machine.licensing->mutable_products(0)->set_extended_pid(From(kPids));
    if (OneIn(6)) host.set_service_running(false);
    if (OneIn(6)) host.set_dns_publishing(false);
    for (size_t n = Below(4); n > 0; --n) {
      v1::RequestSummary& request = *host.add_requests();
      request.set_client_machine_id(OneIn(2) ? "same" : absl::StrCat("cmid-of-", From(kIds)));
      request.add_machine_names(From(kIds));
      if (OneIn(2)) request.add_machine_names("pc-9.contoso.example");
      if (OneIn(3)) request.set_last_error(0xC004F042);
      if (OneIn(2)) request.set_required_count(25);
      Set(kNow - absl::Hours(static_cast<int64_t>(Below(5))), request.mutable_last_at());
    }
  }

  std::mt19937 random_;
};

using Findings = std::map<std::string, std::vector<v1::Finding>>;

std::string Text(const std::vector<v1::Finding>& findings) {
  std::string out;
  for (const v1::Finding& finding : findings) absl::StrAppend(&out, finding.DebugString());
  return out;
}

// Who is allowed depends on what a host is called.
v1::Policy OneHost() {
  v1::Policy policy;
  policy.add_kms_hosts("kms1.contoso.example");
  return policy;
}

std::vector<v1::Finding> Folded(const Estate& estate, const Findings& findings) {
  std::vector<v1::Finding> all = DiagnoseRecords(estate, {}, kNow);
  for (const auto& [id, own] : findings) all.insert(all.end(), own.begin(), own.end());
  return Fold(estate, std::move(all));
}

void ExpectAsBuiltAtOnce(const Estate& estate, const Findings& kept) {
  Estate fresh;
  Findings found;
  for (const char* id : kIds) {
    if (const MachineState* machine = estate.Find(id)) fresh.Load(*machine);
  }
  for (const auto& [id, findings] : kept) {
    found[id] = Diagnose(fresh, id, OneHost());
    ASSERT_EQ(Text(findings), Text(found[id])) << "of " << id;
  }
  ASSERT_EQ(Text(Folded(estate, kept)), Text(Folded(fresh, found)));
}

class EstateProperty : public ::testing::TestWithParam<uint32_t> {};

TEST_P(EstateProperty, GrownIsAsBuiltAtOnce) {
  Dice dice(GetParam());
  Estate estate;
  Findings kept;
  for (int step = 0; step < 400; ++step) {
    const char* const id = kIds[dice.Below(std::size(kIds))];
    const bool goes = dice.OneIn(8);
    const MachineState* known = dice.OneIn(3) ? estate.Find(id) : nullptr;
    MachineState next = known != nullptr ? dice.Nudge(*known) : dice.Roll(id);
    for (const std::string& touched : goes ? estate.Remove(id) : estate.Upsert(std::move(next)))
      kept[touched] = Diagnose(estate, touched, OneHost());
    for (const auto& [other, findings] : kept) {
      ASSERT_EQ(Text(findings), Text(Diagnose(estate, other, OneHost())))
          << other << " changed unseen in step " << step << (goes ? " without " : " by ") << id;
    }
    if (step % 20 != 0) continue;
    ExpectAsBuiltAtOnce(estate, kept);
    if (HasFatalFailure()) FAIL() << "in step " << step;
  }
  for (const char* id : kIds) estate.Remove(id);
  const Estate::Index& index = estate.index();
  EXPECT_TRUE(index.targets.empty() && index.zones.empty() && index.aliases.empty() &&
              index.full_targets.empty() && index.by_name.empty() && index.by_cmid.empty() &&
              index.counts.empty() && index.host_pids.empty() && index.pid_users.empty() &&
              index.named_clones.empty() && index.expiries.empty() && index.hosts.empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, EstateProperty, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace keymedic::kms
