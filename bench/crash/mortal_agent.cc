// SPDX-License-Identifier: Apache-2.0
#include "bench/crash/mortal_agent.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/builtin_plugins.h"
#include "base/status_macros.h"
#include "plugins/builtin.h"

namespace keymedic::bench {
namespace {

constexpr uint64_t kOutboxBytes = 1 << 20;

// Linked in, and yet like those of a process of their own, which can die under an act.
class MortalPlugins final : public agent::PluginRunner {
 public:
  MortalPlugins(const std::string& system,
                std::function<MortalAgent::Options::PluginDeath()> plugin_death)
      : plugin_death_(std::move(plugin_death)) {
    v1::PluginConfig config;
    config.set_system(system);
    inner_ = agent::MakeBuiltinPlugins(BuiltinKmsPlugins(), config);
  }

  absl::StatusOr<v1::ListResponse> List() override { return inner_->List(); }
  absl::StatusOr<v1::CollectResponse> Collect(const std::string& plugin,
                                              const v1::CollectRequest& request,
                                              absl::Duration timeout) override {
    return inner_->Collect(plugin, request, timeout);
  }
  absl::StatusOr<v1::ActResponse> Act(const std::string& plugin, const v1::ActRequest& request,
                                      absl::Duration timeout) override {
    using Death = MortalAgent::Options::PluginDeath;
    const Death death = request.command().mode() == v1::MODE_APPLY ? plugin_death_() : Death::kNone;
    if (death == Death::kBefore) return Died(plugin);
    auto answer = inner_->Act(plugin, request, timeout);
    if (death == Death::kAfter) return Died(plugin);
    return answer;
  }
  absl::StatusOr<v1::DiagnoseResponse> Diagnose(const std::string& plugin,
                                                const v1::DiagnoseRequest& request,
                                                absl::Duration timeout) override {
    return inner_->Diagnose(plugin, request, timeout);
  }
  std::vector<v1::AgentNotice> TakeNotices() override { return inner_->TakeNotices(); }

 private:
  static absl::Status Died(const std::string& plugin) {
    return absl::UnavailableError(absl::StrCat("the process of plugin ", plugin, " was killed"));
  }

  std::unique_ptr<agent::PluginRunner> inner_;
  const std::function<MortalAgent::Options::PluginDeath()> plugin_death_;
};

}  // namespace

absl::Status MortalAgent::Boot() {
  process_ = std::make_unique<Process>();
  Process& process = *process_;
  KM_ASSIGN_OR_RETURN(Database database,
                      Database::Open(absl::StrCat(options_.state_dir, "/journal.db")));
  process.database.emplace(std::move(database));
  KM_ASSIGN_OR_RETURN(agent::Journal journal, agent::Journal::Open(*process.database));
  process.journal.emplace(std::move(journal));
  KM_ASSIGN_OR_RETURN(agent::Outbox outbox, agent::Outbox::Open(*process.database, kOutboxBytes));
  process.outbox.emplace(std::move(outbox));
  process.database->BeforeCommit([&life = process.life] { return life.Step(); });
  process.plugins = std::make_unique<MortalPlugins>(options_.system, options_.plugin_death);
  process.session = agent::Session::Make({.machine_name = options_.machine,
                                          .labels = {{"site", "office"}},
                                          .collect_interval = absl::Minutes(15),
                                          .plugin_timeout = absl::Minutes(1)},
                                         {.clock = options_.clock,
                                          .random = options_.random,
                                          .plugins = *process.plugins,
                                          .journal = *process.journal,
                                          .outbox = *process.outbox,
                                          .strand = Strand::Make(process.executor),
                                          .lane = Strand::Make(process.executor),
                                          .looked = nullptr,
                                          .welcomed = nullptr,
                                          .tick = nullptr});
  process.session->Start();
  process.executor.RunReady();
  return absl::OkStatus();
}

void MortalAgent::Die() { process_.reset(); }

}  // namespace keymedic::bench
