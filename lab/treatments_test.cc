// SPDX-License-Identifier: Apache-2.0
//
// Every action of kms/data/treatments.csv, by the real role plugins in a world that needs it:
// found, looked at, done, not done twice, taken back, and what asked for it is found no more.
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <ostream>

#include "kms/diagnosis/diagnosis.h"
#include "kms/tables.h"
#include "lab/world_testing.h"
#include "plugins/kms_client/plugin.h"
#include "plugins/kms_host/plugin.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::lab {
namespace {

namespace v1 = keymedic::v1;
using testing::Contains;

constexpr char kPolicy[] = "policy { kms_hosts: 'kms-1.berlin.example' }\n";
constexpr char kHostKey[] = "AAAAA-BBBBB-CCCCC-DDDDD-22222";  // the estate's; has only the shape

struct Row {
  std::string action;
  std::string faults;
  std::string code;          // the finding that asks for the action
  std::string inverse = "";  // the action that takes it back; empty: nothing does
  std::string stays = "";    // a field that it does not take back
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.action << " for " << row.code; }

std::string Host(const std::string& fault, const std::string& more = "") {
  return absl::StrCat("faults { fault: '", fault, "' target: 'kms-1' since_days: 20 ", more,
                      " }\n");
}
std::string Client(const std::string& fault, const std::string& more = "since_days: 20") {
  return absl::StrCat("faults { fault: '", fault, "' machines: 'pc-001' ", more, " }\n");
}

std::vector<Row> Rows() {
  return {
      {"ensure_service", Host("host_service_stopped"), "HOST_SERVICE_STOPPED", "ensure_service",
       "service_running"},
      {"ensure_listening_port", Host("host_port_changed"), "HOST_PORT_MISMATCH",
       "ensure_listening_port"},
      {"ensure_firewall_exception", Host("host_firewall_closed"), "HOST_FIREWALL_CLOSED",
       "ensure_firewall_exception"},
      {"ensure_firewall_exception", Host("host_firewall_rule_missing"), "HOST_FIREWALL_CLOSED",
       "ensure_firewall_exception"},
      {"ensure_firewall_exception", Host("host_port_changed") + Host("host_firewall_rule_missing"),
       "HOST_PORT_MISMATCH", "ensure_firewall_exception"},
      {"ensure_dns_publishing", Host("host_dns_publishing_off"), "HOST_DNS_PUBLISHING_OFF",
       "ensure_dns_publishing", "srv_record"},
      {"ensure_log_size", Host("host_log_full"), "HOST_EVENT_LOG_FULL", "ensure_log_size",
       "log_full"},
      {"ensure_log_size", Host("host_log_small"), "HOST_EVENT_LOG_FULL", "ensure_log_size"},
      {"ensure_host_key", Host("host_key_wrong_group"), "HOST_KEY_MISMATCH"},
      {"ensure_clock", Client("client_clock_off"), "CLIENT_CLOCK_SKEW"},
      {"ensure_activation_type", Client("client_type_limited"), "CLIENT_ACTIVATION_TYPE_LIMITED",
       "ensure_activation_type"},
      {"ensure_discovery", Client("client_pinned_host", "host: 'kms-1' since_days: 20"),
       "CLIENT_HOST_OVERRIDE", "ensure_host"},
      // Nobody is sent back to a host that no policy names.
      {"ensure_discovery", Client("client_pinned_dead_host"), "CLIENT_HOST_OVERRIDE"},
      {"ensure_discovery", Client("client_pinned_rogue"), "CLIENT_HOST_UNSANCTIONED"},
      {"ensure_host", Client("client_wrong_suffix"), "CLIENT_DNS_NO_SRV", "ensure_discovery"},
      {"ensure_host", Client("client_pinned_other_port", "host: 'kms-1' since_days: 20"),
       "HOST_PORT_MISMATCH", "ensure_host"},
      {"ensure_host_caching", Client("client_caching_off"), "CLIENT_CACHING_OFF",
       "ensure_host_caching"},
      {"ensure_client_key", Client("client_mak"), "CLIENT_KEY_NOT_GVLK"},
      {"ensure_client_key", Client("client_wrong_edition_key"), "CLIENT_KEY_WRONG_EDITION"},
      {"reset_machine_id",
       "faults { fault: 'duplicate_cmid' machines: 'pc-00*' count: 2 since_days: 20 }\n",
       "CLIENT_DUPLICATE_CMID"},
      {"activate", Client("client_never_activated"), "CLIENT_NEVER_ACTIVATED"},
      {"activate", Client("client_renewals_stopped", "since_days: 40"), "CLIENT_RENEWAL_OVERDUE"},
      {"activate", Client("client_pinned_rogue"), "CLIENT_HOST_UNSANCTIONED"},
      {"activate", Client("client_activated_by_rogue", "since_days: 1"),
       "CLIENT_HOST_UNSANCTIONED"},
  };
}

class EachTreatmentTest : public testing::TestWithParam<Row> {
 protected:
  Plugin& PluginOf(const std::string& plugin, const std::string& machine) {
    std::unique_ptr<Plugin>& made = plugins_[{plugin, machine}];
    if (made == nullptr) {
      auto systems = systems::MakeLabSystems(
          machine,
          [this](const lab::v1::MachineRequest& request) { return lab_.world->Serve(request); });
      if (plugin == "kms_client") {
        made = std::make_unique<KmsClientPlugin>(std::move(systems), lab_.clock);
      } else {
        made = std::make_unique<KmsHostPlugin>(std::move(systems));
      }
    }
    return *made;
  }

  // Of all machines, by what their plugins collect now.
  std::vector<v1::Finding> Diagnose() {
    kms::Estate estate;
    for (const std::string& name : lab_.world->machine_names()) {
      kms::MachineState state;
      state.id = state.name = name;
      for (const char* plugin : {"kms_client", "kms_host"}) {
        const auto seen = PluginOf(plugin, name).Collect({});
        EXPECT_TRUE(seen.ok()) << name << seen.status();
        if (!seen.ok()) continue;
        for (const v1::Section& section : seen->sections()) {
          EXPECT_TRUE(kms::ApplySection(section, state).ok()) << section.name();
        }
      }
      estate.Upsert(std::move(state));
    }
    std::vector<v1::Finding> all =
        kms::DiagnoseRecords(estate, lab_.world->policy(), lab_.clock.now);
    for (const std::string& name : lab_.world->machine_names()) {
      for (v1::Finding& finding :
           kms::DiagnoseMachine(estate, name, lab_.world->policy(), lab_.clock.now))
        all.push_back(std::move(finding));
    }
    return kms::Fold(estate, std::move(all));
  }

  v1::CommandResult Run(v1::Mode mode, const std::string& machine, const v1::Command& step,
                        const std::string& digest = "") {
    v1::ActRequest request;
    v1::Command& command = *request.mutable_command();
    command = step;
    command.set_plugin(std::string(kms::FindTreatment(step.action())->plugin));
    command.set_mode(mode);
    command.set_expected_check_digest(digest);
    if (step.action() == "ensure_host_key") (*command.mutable_secrets())["key"] = kHostKey;
    return PluginOf(command.plugin(), machine).Act(request)->result();
  }

  // The whole life of one treatment.
  void Treat(const std::string& machine, const v1::Command& step) {
    const v1::CommandResult check = Run(v1::MODE_CHECK, machine, step);
    ASSERT_EQ(check.outcome(), v1::OUTCOME_WOULD_CHANGE) << check.message();
    EXPECT_EQ(Run(v1::MODE_CHECK, machine, step).check_digest(), check.check_digest())
        << "CHECK did something";
    const v1::CommandResult done = Run(v1::MODE_APPLY, machine, step, check.check_digest());
    ASSERT_EQ(done.outcome(), v1::OUTCOME_CHANGED) << done.message();
    EXPECT_EQ(Run(v1::MODE_APPLY, machine, step).outcome(), v1::OUTCOME_NO_CHANGE);
    ASSERT_EQ(done.inverse().action(), GetParam().inverse);
    if (GetParam().inverse.empty()) return;

    v1::Command back;
    back.set_action(done.inverse().action());
    *back.mutable_params() = done.inverse().params();
    const v1::CommandResult undone = Run(v1::MODE_APPLY, machine, back);
    ASSERT_EQ(undone.outcome(), v1::OUTCOME_CHANGED) << undone.message();
    const v1::CommandResult again = Run(v1::MODE_CHECK, machine, step);
    EXPECT_EQ(Changes(again), Changes(check)) << "not the old state";
    EXPECT_EQ(Run(v1::MODE_APPLY, machine, step).outcome(), v1::OUTCOME_CHANGED);
  }

  static std::vector<std::string> Changes(const v1::CommandResult& result) {
    std::vector<std::string> changes;
    for (const v1::Change& change : result.changes()) {
      if (change.field() == GetParam().stays) continue;
      changes.push_back(
          absl::StrCat(change.field(), ": ", change.before(), " -> ", change.after()));
    }
    return changes;
  }

  static const v1::Finding* Find(const std::vector<v1::Finding>& findings) {
    const auto found = std::find_if(findings.begin(), findings.end(), [](const v1::Finding& f) {
      return f.code() == GetParam().code;
    });
    return found == findings.end() ? nullptr : &*found;
  }

  // So many that a small log holds less than a day of their requests.
  Lived lab_{SmallEstate(60, absl::StrCat(kPolicy, GetParam().faults))};
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Plugin>> plugins_;
};

TEST_P(EachTreatmentTest, WorksOnceAndIsTakenBack) {
  ASSERT_NE(lab_.world, nullptr);
  const std::vector<v1::Finding> findings = Diagnose();
  const v1::Finding* const finding = Find(findings);
  ASSERT_NE(finding, nullptr);
  std::vector<v1::Treatment> treatments(finding->treatments().begin(), finding->treatments().end());
  std::stable_sort(treatments.begin(), treatments.end(), [](const auto& a, const auto& b) {
    return kms::FindTreatment(a.action())->order < kms::FindTreatment(b.action())->order;
  });
  bool asked = false;
  for (const v1::Treatment& treatment : treatments) {
    const std::string& machine =
        treatment.machine_id().empty() ? finding->machine_id() : treatment.machine_id();
    v1::Command step;
    step.set_action(treatment.action());
    *step.mutable_params() = treatment.params();
    SCOPED_TRACE(absl::StrCat(treatment.action(), " on ", machine));
    if (treatment.action() == GetParam().action) {
      asked = true;
      Treat(machine, step);
      if (HasFatalFailure()) return;
    } else {
      const v1::CommandResult done = Run(v1::MODE_APPLY, machine, step);
      EXPECT_TRUE(done.outcome() == v1::OUTCOME_CHANGED || done.outcome() == v1::OUTCOME_NO_CHANGE)
          << done.message();
    }
  }
  EXPECT_TRUE(asked) << "the finding does not ask for it";
  const std::vector<v1::Finding> after = Diagnose();
  const v1::Finding* const left = Find(after);
  EXPECT_EQ(left, nullptr) << left->ShortDebugString();
  EXPECT_EQ(lab_.Do("pc-030", "Activate").hresult(), 0u) << "others are none the worse for it";
}

INSTANTIATE_TEST_SUITE_P(Table, EachTreatmentTest, testing::ValuesIn(Rows()), [](const auto& info) {
  return absl::StrCat(info.param.action, "_", info.index);
});

TEST(TreatmentsTest, EveryActionOfTheTableHasItsRow) {
  std::vector<std::string> tested;
  for (const Row& row : Rows()) tested.push_back(row.action);
  for (const kms::TreatmentRow& row : kms::TreatmentRows()) {
    EXPECT_THAT(tested, Contains(std::string(row.action)));
  }
}

}  // namespace
}  // namespace keymedic::lab
