// SPDX-License-Identifier: Apache-2.0
#include "controller/fleet/fleet.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/trust/host_keys.h"

namespace keymedic::controller {
namespace {

constexpr size_t kChunk = 2000;
constexpr absl::Duration kLookAtAgentsEvery = absl::Seconds(10);
// One replacement is an agent that came back before its old connection was known to be dead. So
// many within this time are two that take each other's place; until both have been quiet for so
// long.
constexpr size_t kSharedTimes = 5;
constexpr absl::Duration kSharedWithin = absl::Minutes(10);
constexpr absl::Duration kSharedQuiet = absl::Hours(1);

// The part of a key before its first \0.
std::string MachineOf(absl::string_view key) { return std::string(key.substr(0, key.find('\0'))); }

template <typename Visit>
absl::Status ScanAll(Store& store, Table table, const std::string& prefix, Visit visit) {
  std::string after;
  while (true) {
    KM_ASSIGN_OR_RETURN(std::vector<Row> rows, store.Scan(table, prefix, after, kChunk));
    for (Row& row : rows) {
      after = row.key;
      KM_RETURN_IF_ERROR(visit(row));
    }
    if (rows.size() < kChunk) return absl::OkStatus();
  }
}

absl::Status Damaged(absl::string_view what, absl::string_view key) {
  return absl::DataLossError(
      absl::StrCat("the store's row of ", what, " ", key, " is damaged; restore it from a backup"));
}

absl::Status NoSuchMachine(absl::string_view machine_id) {
  return absl::NotFoundError(
      absl::StrCat("machines/", machine_id, " does not exist; `keymedic machines list` shows all"));
}

// Machine's mutex held.
bool IsShared(const Machine& machine, absl::Time now) {
  const std::deque<absl::Time>& replaced = machine.replaced;
  if (replaced.empty() || now - replaced.back() >= kSharedQuiet) return false;
  return machine.shared ||
         (replaced.size() == kSharedTimes && replaced.back() - replaced.front() <= kSharedWithin);
}

}  // namespace

std::string MachineKey(absl::string_view machine_id, absl::string_view rest) {
  return absl::StrCat(machine_id, absl::string_view("\0", 1), rest);
}

std::map<std::string, std::string> EffectiveLabels(const rows::v1::MachineRow& row) {
  std::map<std::string, std::string> labels(row.token_labels().begin(), row.token_labels().end());
  labels.insert(row.labels().begin(), row.labels().end());
  return labels;
}

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Open(Store& store, const Clock& clock,
                                                   const FleetOptions& options,
                                                   const v1::Policy& policy) {
  auto fleet = std::unique_ptr<Fleet>(new Fleet(store, clock, options, policy));
  KM_RETURN_IF_ERROR(fleet->Load());
  return fleet;
}

absl::Status Fleet::Load() {
  KM_RETURN_IF_ERROR(ScanAll(store_, Table::kMachines, "", [this](const Row& row) -> absl::Status {
    auto machine = std::make_shared<Machine>(row.key);
    if (!machine->row.ParseFromString(row.value)) return Damaged("machine", row.key);
    machine->last_seen = FromTimestamp(machine->row.last_seen_at());
    machines_.emplace(row.key, std::move(machine));
    return absl::OkStatus();
  }));
  KM_RETURN_IF_ERROR(LoadSections());
  return LoadNotices();
}

absl::Status Fleet::LoadSections() {
  std::shared_ptr<Machine> machine;
  std::vector<v1::Section> sections;
  const auto flush = [&] {
    if (machine != nullptr && !sections.empty()) {
      diagnosis_.Load(machine->id, machine->row.display_name(), sections);
    }
    sections.clear();
  };
  KM_RETURN_IF_ERROR(ScanAll(store_, Table::kSections, "", [&](const Row& row) -> absl::Status {
    const std::string id = MachineOf(row.key);
    if (machine == nullptr || machine->id != id) {
      flush();
      machine = FindOrAdd(id);
    }
    v1::Section section;
    if (!section.ParseFromString(row.value)) return Damaged("section", id);
    machine->sections.push_back({section.name(), section.sha256()});
    sections.push_back(std::move(section));
    return absl::OkStatus();
  }));
  flush();
  return absl::OkStatus();
}

absl::Status Fleet::LoadNotices() {
  KM_RETURN_IF_ERROR(ScanAll(store_, Table::kNotices, "", [this](const Row& row) -> absl::Status {
    v1::AgentNotice notice;
    if (!notice.ParseFromString(row.value)) return Damaged("notice", MachineOf(row.key));
    FindOrAdd(MachineOf(row.key))->notices[row.key] = std::move(notice);
    return absl::OkStatus();
  }));
  for (const auto& [id, machine] : machines_) {
    if (!machine->notices.empty()) UpdateAgentFindings(*machine);
  }
  return absl::OkStatus();
}

std::shared_ptr<Machine> Fleet::Find(const std::string& machine_id) {
  std::shared_lock lock(mutex_);
  const auto it = machines_.find(machine_id);
  return it == machines_.end() ? nullptr : it->second;
}

std::shared_ptr<Machine> Fleet::FindOrAdd(const std::string& machine_id) {
  if (auto machine = Find(machine_id)) return machine;
  std::unique_lock lock(mutex_);
  auto& machine = machines_[machine_id];
  if (machine == nullptr) {
    machine = std::make_shared<Machine>(machine_id);
    machine->row.set_id(machine_id);
    machine->row.set_display_name(machine_id);
    machine->last_seen = clock_.Now();
  }
  return machine;
}

std::vector<std::shared_ptr<Machine>> Fleet::All() {
  std::vector<std::shared_ptr<Machine>> all;
  std::shared_lock lock(mutex_);
  all.reserve(machines_.size());
  for (const auto& [id, machine] : machines_) all.push_back(machine);
  return all;
}

std::vector<FleetPort::MachineInfo> Fleet::Machines() {
  std::vector<MachineInfo> infos;
  for (const auto& machine : All()) {
    std::lock_guard lock(machine->mutex);
    infos.push_back({.id = machine->id,
                     .display_name = machine->row.display_name(),
                     .labels = EffectiveLabels(machine->row),
                     .connected = machine->link != nullptr,
                     .roles = machine->Roles()});
  }
  for (MachineInfo& info : infos) {
    MachineFacts facts = diagnosis_.FactsOf(info.id);
    info.kms_host = std::move(facts.kms_host);
    info.utc_offset_minutes = facts.utc_offset_minutes;
  }
  std::sort(infos.begin(), infos.end(), [](const MachineInfo& a, const MachineInfo& b) {
    return std::tie(a.display_name, a.id) < std::tie(b.display_name, b.id);
  });
  return infos;
}

std::optional<int32_t> Fleet::UtcOffsetMinutesOf(const std::string& machine_id) {
  return diagnosis_.FactsOf(machine_id).utc_offset_minutes;
}

std::shared_ptr<const FoldedView> Fleet::View() {
  LookAtAgents();
  return diagnosis_.View();
}

std::vector<v1::Finding> Fleet::Findings() { return View()->findings; }

std::vector<v1::Finding> Fleet::FindingsOf(const std::string& machine_id) {
  return diagnosis_.FindingsOf(machine_id);
}

v1::Summary Fleet::Summary() {
  v1::Summary summary = View()->summary;
  summary.set_machines(All().size());
  summary.set_connected(Connected());
  return summary;
}

uint32_t Fleet::Connected() {
  uint32_t connected = 0;
  for (const auto& machine : All()) {
    std::lock_guard lock(machine->mutex);
    connected += machine->link != nullptr;
  }
  return connected;
}

v1::ListForecastsResponse Fleet::Forecast(const kms::ForecastOptions& options) {
  LookAtAgents();
  return diagnosis_.Forecast(options);
}

std::string Fleet::NameOf(const std::string& machine_id) {
  const auto machine = Find(machine_id);
  if (machine == nullptr) return "";
  std::lock_guard lock(machine->mutex);
  return machine->row.display_name();
}

absl::StatusOr<v1::Machine> Fleet::DescribeMachine(const std::string& machine_id) {
  const auto machine = Find(machine_id);
  if (machine == nullptr) return NoSuchMachine(machine_id);
  v1::Machine described;
  described.set_name(absl::StrCat("machines/", machine_id));
  described.set_id(machine_id);
  {
    std::lock_guard lock(machine->mutex);
    described.set_display_name(machine->row.display_name());
    for (const auto& [key, value] : EffectiveLabels(machine->row)) {
      (*described.mutable_labels())[key] = value;
    }
    described.set_connected(machine->link != nullptr);
    *described.mutable_last_seen_at() = ToTimestamp(machine->last_seen);
    described.set_agent_version(machine->row.agent_version());
    for (std::string& role : machine->Roles()) described.add_roles(std::move(role));
  }
  const auto view = View();
  const MachineFacts facts = diagnosis_.FactsOf(machine_id);
  if (facts.reported) {
    described.set_license_status(facts.status);
    described.set_product(facts.product);
  }
  if (const auto own = view->of_machine.find(machine_id); own != view->of_machine.end()) {
    described.set_findings(std::count_if(own->second.begin(), own->second.end(), [&](size_t i) {
      return view->findings[i].severity() >= v1::SEVERITY_WARNING;
    }));
  }
  return described;
}

absl::StatusOr<std::vector<v1::Section>> Fleet::SectionsOf(const std::string& machine_id) {
  KM_ASSIGN_OR_RETURN(auto rows,
                      store_.Scan(Table::kSections, MachineKey(machine_id, ""), "", kChunk));
  std::vector<v1::Section> sections;
  for (const Row& row : rows) {
    if (!sections.emplace_back().ParseFromString(row.value)) return Damaged("section", machine_id);
  }
  return sections;
}

absl::StatusOr<std::string> Fleet::ResolveMachine(absl::string_view name) {
  const std::string id(absl::StripPrefix(name, "machines/"));
  if (Find(id) != nullptr) return id;
  std::vector<std::string> named;
  for (const auto& machine : All()) {
    std::lock_guard lock(machine->mutex);
    if (absl::EqualsIgnoreCase(machine->row.display_name(), id)) named.push_back(machine->id);
  }
  if (named.empty()) return NoSuchMachine(id);
  if (named.size() > 1) {
    std::sort(named.begin(), named.end());
    return absl::FailedPreconditionError(absl::StrCat(named.size(), " machines are called ", id,
                                                      "; ask by id: machines/", named[0],
                                                      ", machines/", named[1], "…"));
  }
  return named[0];
}

void Fleet::Disconnect(const std::string& machine_id, const absl::Status& why) {
  if (const auto link = LinkOf(machine_id)) link->Close(why);
}

absl::Status Fleet::Remove(const std::string& machine_id) {
  const auto machine = Find(machine_id);
  if (machine == nullptr) return NoSuchMachine(machine_id);
  {
    std::lock_guard lock(machine->mutex);
    if (machine->link != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("machines/", machine_id,
                       " is connected; remove its agent first, or ban it to keep it out"));
    }
    machine->removed = true;
  }
  if (const absl::Status status = RemoveRows(machine_id); !status.ok()) {
    std::lock_guard lock(machine->mutex);
    machine->removed = false;
    return status;
  }
  {
    std::unique_lock lock(mutex_);
    machines_.erase(machine_id);
  }
  diagnosis_.Remove(machine_id);
  return absl::OkStatus();
}

absl::Status Fleet::RemoveRows(const std::string& machine_id) {
  // What its last stream left with the store is there now.
  KM_RETURN_IF_ERROR(store_.Commit({}));
  Batch batch = {{.table = Table::kMachines, .key = machine_id}, HostKeys::Removal(machine_id)};
  for (const Table table : {Table::kSections, Table::kEvents, Table::kNotices, Table::kTried}) {
    KM_RETURN_IF_ERROR(ScanAll(store_, table, MachineKey(machine_id, ""), [&](const Row& row) {
      batch.push_back({.table = table, .key = row.key});
      return absl::OkStatus();
    }));
  }
  return store_.Commit(std::move(batch));
}

std::shared_ptr<AgentLink> Fleet::LinkOf(const std::string& machine_id) {
  const auto machine = Find(machine_id);
  if (machine == nullptr) return nullptr;
  std::lock_guard lock(machine->mutex);
  return machine->link;
}

bool Fleet::SendTo(const std::string& machine_id, v1::ControllerMessage message) {
  const auto link = LinkOf(machine_id);
  if (link == nullptr) return false;
  link->Send(std::move(message));
  return true;
}

bool Fleet::Send(const std::string& machine_id, const v1::Command& command) {
  v1::ControllerMessage message;
  *message.mutable_command() = command;
  return SendTo(machine_id, std::move(message));
}

bool Fleet::RequestCollect(const std::string& machine_id, const std::string& collect_id) {
  v1::ControllerMessage message;
  message.mutable_collect()->set_id(collect_id);
  return SendTo(machine_id, std::move(message));
}

rows::v1::MachineRow Fleet::EnrollmentRow(const std::string& machine_id, absl::string_view name,
                                          const std::map<std::string, std::string>& labels,
                                          const std::map<std::string, std::string>& token_labels) {
  rows::v1::MachineRow row;
  if (const auto machine = Find(machine_id)) {
    std::lock_guard lock(machine->mutex);
    row = machine->row;
  }
  row.set_id(machine_id);
  row.set_display_name(name.empty() ? machine_id : std::string(name));
  row.mutable_labels()->clear();
  row.mutable_labels()->insert(labels.begin(), labels.end());
  row.mutable_token_labels()->clear();
  row.mutable_token_labels()->insert(token_labels.begin(), token_labels.end());
  *row.mutable_enrolled_at() = ToTimestamp(clock_.Now());
  return row;
}

void Fleet::Enrolled(const rows::v1::MachineRow& row) {
  const auto machine = FindOrAdd(row.id());
  std::lock_guard lock(machine->mutex);
  machine->row = row;
}

absl::Status Fleet::Attach(Machine& machine, std::shared_ptr<AgentLink> link) {
  std::shared_ptr<AgentLink> replaced;
  bool news = false;
  {
    std::lock_guard lock(machine.mutex);
    if (machine.removed) {
      return absl::AbortedError(
          absl::StrCat("machines/", machine.id, " was removed; connect again"));
    }
    replaced = std::exchange(machine.link, std::move(link));
    machine.last_seen = clock_.Now();
    machine.wants_status = false;  // until its Hello says so
    machine.told = 0;
    if (replaced != nullptr) {
      machine.replaced.push_back(machine.last_seen);
      if (machine.replaced.size() > kSharedTimes) machine.replaced.pop_front();
    }
    news = machine.shared != IsShared(machine, machine.last_seen);
  }
  if (news) UpdateAgentFindings(machine);
  if (replaced != nullptr) {
    log::Warning("AGENT_REPLACED", "machine {} connected again; its former stream is closed",
                 machine.id);
    replaced->Close(
        absl::AbortedError("another stream with this machine's identity took over; does a clone "
                           "use its certificate?"));
  }
  return absl::OkStatus();
}

void Fleet::Detach(Machine& machine, const AgentLink* link) {
  {
    std::lock_guard lock(machine.mutex);
    if (machine.link.get() != link) return;
    machine.link = nullptr;
    machine.last_seen = clock_.Now();
    SaveRow(machine);
  }
  log::Debug("AGENT_DISCONNECTED", "machine {} disconnected", machine.id);
  if (FleetListener* listener = listener_) listener->OnDisconnected(machine.id);
}

void Fleet::SaveRow(Machine& machine) {
  if (machine.removed) return;
  *machine.row.mutable_last_seen_at() = ToTimestamp(machine.last_seen);
  store_.CommitAsync(
      {{.table = Table::kMachines, .key = machine.id, .value = machine.row.SerializeAsString()}},
      [id = machine.id](const absl::Status& status) {
        if (!status.ok()) {
          log::Error("MACHINE_NOT_SAVED", "machine {}: {}", id, std::string(status.message()));
        }
      });
}

// Machine's mutex held, for as long as the answer is used.
kms::AgentContact Fleet::ContactOf(const Machine& machine) const {
  return {.machine_id = machine.id,
          .name = machine.row.display_name(),
          .last_heard = machine.last_seen,
          .listening_since = started_at_};
}

void Fleet::UpdateAgentFindings(Machine& machine) {
  const v1::Policy policy = diagnosis_.policy();
  // Held to the end, so that what is said last is also what was seen last.
  std::lock_guard lock(machine.mutex);
  if (machine.removed) return;
  const kms::AgentContact agent = ContactOf(machine);
  std::vector<v1::Finding> findings;
  for (const auto& [key, notice] : machine.notices) {
    findings.push_back(kms::AgentFinding(agent, notice.code(), notice.subject(), notice.message()));
  }
  const absl::Time now = clock_.Now();
  machine.shared = IsShared(machine, now);
  if (machine.shared) {
    findings.push_back(kms::AgentFinding(
        agent, "AGENT_IDENTITY_SHARED", "certificate",
        absl::StrCat("Another agent with this machine's identity took its connection over, ",
                     kSharedTimes, " times within ", absl::FormatDuration(kSharedWithin), ".")));
  }
  std::optional<v1::Finding> silence = kms::DiagnoseAgent(agent, policy, now);
  machine.silent = silence.has_value();
  if (silence) findings.push_back(*std::move(silence));
  diagnosis_.SetAgentFindings(machine.id, std::move(findings));
}

void Fleet::LookAtAgents() {
  const absl::Time now = clock_.Now();
  {
    std::lock_guard lock(looking_mutex_);
    if (now - looked_at_agents_ < kLookAtAgentsEvery) return;
    looked_at_agents_ = now;
  }
  const v1::Policy policy = diagnosis_.policy();
  for (const auto& machine : All()) {
    bool changed;
    {
      std::lock_guard lock(machine->mutex);
      changed =
          machine->silent != kms::DiagnoseAgent(ContactOf(*machine), policy, now).has_value() ||
          machine->shared != IsShared(*machine, now);
    }
    if (changed) UpdateAgentFindings(*machine);
  }
}

}  // namespace keymedic::controller
