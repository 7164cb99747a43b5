// SPDX-License-Identifier: Apache-2.0
//
// A small estate whose processes die: a controller, the agents of a KMS host and of some of its
// clients, and the plugins. Lab machines stand for the Windows ones; controller and agents are the
// real code over real databases, joined by wires.
//
// Who dies when is Fate's: it is asked at each boot, and when Tempt is called. What is dead is
// buried before anything else happens and comes up again over what it had on disk; in one of four
// cases the agent took its machine with it, which restarts.
//
// Life cycle: Make -> Pass*.
// Threads: one.
// Errors: of the disks; nothing that a death causes is one.
#ifndef KEYMEDIC_BENCH_CRASH_ESTATE_H_
#define KEYMEDIC_BENCH_CRASH_ESTATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "bench/crash/mortal_agent.h"
#include "bench/crash/mortal_controller.h"
#include "bench/crash/wire.h"
#include "controller/fleet/session.h"
#include "lab/world.h"
#include "plugins/systems/lab/lab_in_process.h"

namespace keymedic::bench {

class Fate {
 public:
  using PluginDeath = MortalAgent::Options::PluginDeath;
  virtual ~Fate() = default;
  // How many more steps this one takes before it dies; nullopt: it lives on.
  virtual std::optional<uint64_t> Of(const std::string& process) = 0;
  virtual PluginDeath OfPlugin() = 0;
};

inline constexpr char kControllerProcess[] = "controller";
inline constexpr char kHostMachine[] = "kms-1";

class Estate {
 public:
  // `dir` is empty. `fate` outlives the estate.
  static absl::StatusOr<std::unique_ptr<Estate>> Make(std::string dir, uint64_t seed, Fate& fate);

  // The next thing that happens: a burial, a connection, a message, work that is due; or, if
  // nothing is left to happen now, a second passes, and the answer is false.
  absl::StatusOr<bool> Pass();
  // Asks Fate about everyone.
  void Tempt();

  const std::vector<std::string>& machines() const { return machines_; }  // with an agent
  // Past all agents.
  absl::Status Do(const std::string& machine, const lab::v1::Act& act);
  std::map<std::string, uint64_t> EffectsOn(const std::string& machine);

  MortalController& controller() { return controller_; }
  uint64_t controller_boots() const { return controller_boots_; }
  absl::Time now() const { return clock_.now; }
  Random& random() { return random_; }
  uint64_t crashes() const { return crashes_; }
  // Distinct ones that change something and reached an agent.
  uint64_t commands() const { return commands_.size(); }

 private:
  struct OwnClock final : Clock {
    absl::Time Now() const override { return now; }
    absl::Time now;
  };
  struct Member {
    std::unique_ptr<MortalAgent> agent;
    // Of the present connection; null: there is none.
    std::shared_ptr<Wire> wire;
    std::unique_ptr<AgentEnd> agent_end;
    std::shared_ptr<controller::Session> controller_end;
    std::vector<v1::ControllerMessage> commands = {};  // that it was ever sent
  };

  Estate(std::string dir, uint64_t seed, Fate& fate);

  absl::Status Begin();
  lab::v1::MachineResponse Serve(const lab::v1::MachineRequest& request);
  bool Chance(double probability) { return random_.Uniform() < probability; }

  absl::StatusOr<bool> Bury();
  absl::Status BuryController();
  absl::Status BuryAgent(Member& member);
  bool Connect();
  void Disconnect(Member& member);
  bool DeliverOne();
  void DeliverUp(Member& member);
  void DeliverDown(Member& member);
  bool RunReady();
  void Doom(const std::string& process, Life& life);

  const std::string dir_;
  Fate& fate_;
  SeededRandom random_;
  OwnClock clock_;
  std::unique_ptr<lab::World> world_;
  std::vector<std::string> machines_;
  std::map<std::string, Member> members_;  // before the lab, which reads it
  std::optional<systems::InProcessLab> lab_;
  MortalController controller_;
  uint64_t controller_boots_ = 0;
  uint64_t crashes_ = 0;
  std::set<std::string> commands_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_ESTATE_H_
