// SPDX-License-Identifier: Apache-2.0
#include "bench/crash/estate.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "bench/office.h"
#include "lab/estate.h"

namespace keymedic::bench {
namespace {

constexpr int kClients = 3;   // with an agent
constexpr size_t kPool = 30;  // the others are there so that it is large enough

}  // namespace

Estate::Estate(std::string dir, uint64_t seed, Fate& fate)
    : dir_(std::move(dir)),
      fate_(fate),
      random_(seed),
      controller_(absl::StrCat(dir_, "/controller"), clock_, random_) {
  clock_.now = absl::FromUnixSeconds(1'790'000'000);
}

absl::StatusOr<std::unique_ptr<Estate>> Estate::Make(std::string dir, uint64_t seed, Fate& fate) {
  std::unique_ptr<Estate> estate(new Estate(std::move(dir), seed, fate));
  KM_RETURN_IF_ERROR(estate->Begin());
  return estate;
}

absl::Status Estate::Begin() {
  KM_ASSIGN_OR_RETURN(const lab::v1::Estate parsed, lab::ParseEstate(OfficeEstate(kPool), "crash"));
  KM_ASSIGN_OR_RETURN(world_, lab::World::Make(parsed, clock_));
  static std::atomic<int> labs = 0;
  const std::string lab_name = absl::StrCat("crash-", labs++);
  KM_ASSIGN_OR_RETURN(auto registered,
                      systems::RegisterInProcessLab(
                          lab_name, [this](const auto& request) { return Serve(request); }));
  lab_.emplace(std::move(registered));

  machines_ = lab::HostNames(parsed);
  for (const std::string& client : lab::ClientNames(parsed)) {
    if (machines_.size() <= kClients) machines_.push_back(client);
  }
  KM_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(dir_, "/controller")));
  KM_RETURN_IF_ERROR(controller_.Boot());
  for (const std::string& machine : machines_) {
    const std::string state_dir = absl::StrCat(dir_, "/", machine);
    KM_RETURN_IF_ERROR(MakeDirectories(state_dir));
    KM_RETURN_IF_ERROR(controller_.Enroll(machine));
    auto agent = std::make_unique<MortalAgent>(
        MortalAgent::Options{.machine = machine,
                             .state_dir = state_dir,
                             .system = absl::StrCat("lab:inprocess:", lab_name, "#", machine),
                             .clock = clock_,
                             .random = random_,
                             .plugin_death = [this] {
                               const auto death = fate_.OfPlugin();
                               if (death != Fate::PluginDeath::kNone) ++crashes_;
                               return death;
                             }});
    MortalAgent& started = *agent;
    members_[machine].agent = std::move(agent);
    KM_RETURN_IF_ERROR(started.Boot());
  }
  return absl::OkStatus();
}

// Looking is free; an act of a dead agent's plugin does not happen.
lab::v1::MachineResponse Estate::Serve(const lab::v1::MachineRequest& request) {
  if (request.has_act() && !members_.at(request.machine()).agent->life().Step()) {
    lab::v1::MachineResponse dead;
    dead.set_status(static_cast<int>(absl::StatusCode::kUnavailable));
    dead.set_message("the agent is dead");
    return dead;
  }
  return world_->Serve(request);
}

absl::Status Estate::Do(const std::string& machine, const lab::v1::Act& act) {
  lab::v1::MachineRequest request;
  request.set_machine(machine);
  *request.mutable_act() = act;
  const lab::v1::MachineResponse response = world_->Serve(request);
  if (response.status() == 0 && response.hresult() == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(act.method(), " on ", machine, ": ", response.message()));
}

std::map<std::string, uint64_t> Estate::EffectsOn(const std::string& machine) {
  lab::v1::MachineRequest request;
  request.set_machine(machine);
  request.mutable_effects();
  const lab::v1::MachineResponse response = world_->Serve(request);
  return {response.effects().count().begin(), response.effects().count().end()};
}

void Estate::Doom(const std::string& process, Life& life) {
  const std::optional<uint64_t> steps = fate_.Of(process);
  if (steps.has_value()) {
    life.DieAfter(*steps);
  } else {
    life.LiveOn();
  }
}

void Estate::Tempt() {
  Doom(kControllerProcess, controller_.life());
  for (auto& [name, member] : members_) Doom(name, member.agent->life());
}

absl::StatusOr<bool> Estate::Pass() {
  KM_ASSIGN_OR_RETURN(const bool buried, Bury());
  if (buried || Connect() || DeliverOne() || RunReady()) return true;
  clock_.now += absl::Seconds(1);
  controller_.executor().Advance(absl::Seconds(1));
  for (auto& [name, member] : members_) member.agent->executor().Advance(absl::Seconds(1));
  return false;
}

bool Estate::RunReady() {
  int ran = controller_.executor().RunReady();
  for (auto& [name, member] : members_) ran += member.agent->executor().RunReady();
  return ran > 0;
}

absl::StatusOr<bool> Estate::Bury() {
  bool buried = false;
  if (controller_.life().dead()) {
    KM_RETURN_IF_ERROR(BuryController());
    buried = true;
  }
  for (auto& [name, member] : members_) {
    if (!member.agent->life().dead()) continue;
    KM_RETURN_IF_ERROR(BuryAgent(member));
    buried = true;
  }
  return buried;
}

absl::Status Estate::BuryController() {
  ++crashes_;
  for (auto& [name, member] : members_) {
    while (member.wire != nullptr && !member.wire->down.empty() && Chance(0.5)) DeliverDown(member);
    Disconnect(member);
  }
  controller_.Die();
  ++controller_boots_;
  KM_RETURN_IF_ERROR(controller_.Boot());
  Doom(kControllerProcess, controller_.life());
  return absl::OkStatus();
}

absl::Status Estate::BuryAgent(Member& member) {
  ++crashes_;
  while (member.wire != nullptr && !member.wire->up.empty() && Chance(0.5)) DeliverUp(member);
  Disconnect(member);
  const std::string machine = member.agent->machine();
  member.agent->Die();
  if (Chance(0.25)) {
    lab::v1::Act restart;
    restart.set_method("Restart");
    KM_RETURN_IF_ERROR(Do(machine, restart));
  }
  KM_RETURN_IF_ERROR(member.agent->Boot());
  Doom(machine, member.agent->life());
  return absl::OkStatus();
}

// Both ends that live hear of it.
void Estate::Disconnect(Member& member) {
  if (member.wire == nullptr) return;
  member.wire->cut = true;
  if (!member.agent->life().dead()) member.agent->session().Disconnected();
  if (!controller_.life().dead()) member.controller_end->OnClosed();
  member.controller_end.reset();
  member.agent_end.reset();
  member.wire.reset();
}

bool Estate::Connect() {
  bool changed = false;
  for (auto& [name, member] : members_) {
    if (member.wire != nullptr && member.wire->cut) {
      Disconnect(member);
      changed = true;
    }
    if (member.wire != nullptr) continue;
    changed = true;
    member.wire = std::make_shared<Wire>();
    member.agent_end = std::make_unique<AgentEnd>(member.wire, member.agent->life());
    member.controller_end = std::make_shared<controller::Session>(
        controller_.fleet(), controller_.fleet().FindOrAdd(name),
        std::make_shared<ControllerEnd>(member.wire, controller_.life()));
    member.agent->session().Connected(*member.agent_end);
  }
  return changed;
}

// From any of the wires that carry something.
bool Estate::DeliverOne() {
  std::vector<std::function<void()>> ways;
  for (auto& [name, member] : members_) {
    if (!member.wire->up.empty()) ways.push_back([this, to = &member] { DeliverUp(*to); });
    if (!member.wire->down.empty()) ways.push_back([this, to = &member] { DeliverDown(*to); });
  }
  if (ways.empty()) return false;
  ways[random_.Uint64() % ways.size()]();
  return true;
}

void Estate::DeliverUp(Member& member) {
  v1::AgentMessage message = std::move(member.wire->up.front());
  member.wire->up.pop_front();
  if (controller_.life().dead()) return;
  member.controller_end->OnMessage(message);
  controller_.executor().RunReady();
}

// A command comes once, or several times, and now and then one of old comes again.
void Estate::DeliverDown(Member& member) {
  const v1::ControllerMessage message = std::move(member.wire->down.front());
  member.wire->down.pop_front();
  std::vector<v1::ControllerMessage> arrive{message};
  if (message.has_command()) {
    if (message.command().mode() == v1::MODE_APPLY) commands_.insert(message.command().id());
    member.commands.push_back(message);
    while (Chance(0.3)) arrive.push_back(message);
    if (Chance(0.1)) arrive.push_back(member.commands[random_.Uint64() % member.commands.size()]);
  }
  for (const v1::ControllerMessage& one : arrive) {
    if (member.agent->life().dead()) return;
    member.agent->session().Received(one);
    member.agent->executor().RunReady();
  }
}

}  // namespace keymedic::bench
