// SPDX-License-Identifier: Apache-2.0
#include "controller/fleet/session.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/times.h"
#include "controller/trust/identity.h"

namespace keymedic::controller {
namespace {

constexpr size_t kMaxSections = 64;
constexpr size_t kMaxNotices = 64;
constexpr size_t kEventsKept = 1000;  // newest, of each machine
constexpr uint32_t kPruneEvery = 250;
constexpr size_t kMaxTextBytes = 256;

std::string Shortened(absl::string_view text) { return std::string(text.substr(0, kMaxTextBytes)); }

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

std::string EventKey(const std::string& machine_id, const v1::EventRecord& event) {
  return MachineKey(machine_id, absl::StrCat(event.channel(), absl::string_view("\0", 1),
                                             absl::StrFormat("%020u", event.record_id())));
}

}  // namespace

Session::Session(Fleet& fleet, std::shared_ptr<Machine> machine, std::shared_ptr<AgentLink> link,
                 Admission admission)
    : fleet_(fleet),
      machine_(std::move(machine)),
      link_(std::move(link)),
      admission_(std::move(admission)) {}

void Session::OnMessage(v1::AgentMessage& message) {
  if (failed_) return;
  if (message.message_case() == v1::AgentMessage::kHello) return OnHello(message.hello());
  if (!greeted_) {
    failed_ = true;
    link_->Close(absl::FailedPreconditionError("the first message of a stream must be Hello"));
    return;
  }
  switch (message.message_case()) {
    case v1::AgentMessage::kSections:
      return OnSections(*message.mutable_sections());
    case v1::AgentMessage::kEvents:
      return OnEvents(*message.mutable_events());
    case v1::AgentMessage::kResult:
      return OnResult(message.result());
    case v1::AgentMessage::kHeartbeat:
      return OnHeartbeat();
    case v1::AgentMessage::kNotice:
      return OnNotice(message.notice());
    default:
      return Ignore("a message of a kind that this controller does not know");
  }
}

void Session::OnClosed() {
  if (std::exchange(greeted_, false)) fleet_.Detach(*machine_, link_.get());
}

void Session::OnHello(const v1::Hello& hello) {
  if (greeted_) return Ignore("a second Hello");
  if (const absl::Status status = ComeIn(); !status.ok()) {
    failed_ = true;
    link_->Close(status);
    return;
  }
  {
    std::lock_guard lock(machine_->mutex);
    rows::v1::MachineRow& row = machine_->row;
    if (!hello.machine_name().empty()) row.set_display_name(Shortened(hello.machine_name()));
    row.set_agent_version(Shortened(hello.agent_version()));
    *row.mutable_labels() = hello.labels();
    machine_->wants_status = hello.wants_status();
    machine_->last_seen = fleet_.clock().Now();
    fleet_.SaveRow(*machine_);
  }
  Greet(hello);
  RemoveUnlisted(hello);
  TakeNotices(hello);
  fleet_.TellStatus(*machine_);
  log::Debug("AGENT_CONNECTED", "machine {} connected", machine_->id);
  if (FleetListener* listener = fleet_.listener()) listener->OnConnected(machine_->id);
}

absl::Status Session::ComeIn() {
  const auto admitted = [this] { return admission_ ? admission_() : absl::OkStatus(); };
  KM_RETURN_IF_ERROR(admitted());
  KM_RETURN_IF_ERROR(fleet_.Attach(*machine_, link_));
  greeted_ = true;
  // Once more, now that who bans it finds this stream to end.
  return admitted();
}

void Session::Greet(const v1::Hello& hello) {
  v1::ControllerMessage answer;
  v1::Welcome& welcome = *answer.mutable_welcome();
  *welcome.mutable_heartbeat_interval() = ToDuration(fleet_.options().heartbeat_interval);
  *welcome.mutable_collect_interval() = ToDuration(fleet_.options().collect_interval);
  *welcome.mutable_controller_time() = ToTimestamp(fleet_.clock().Now());
  v1::ControllerMessage want;
  {
    std::lock_guard lock(machine_->mutex);
    *welcome.mutable_stored() = machine_->row.stored();
    for (const v1::SectionHash& has : hello.hashes()) {
      const Machine::HeldSection* held = machine_->FindSection(has.name());
      if (held == nullptr || held->sha256 != has.sha256()) {
        want.mutable_wanted()->add_names(has.name());
      }
    }
  }
  link_->Send(std::move(answer));
  if (want.has_wanted()) link_->Send(std::move(want));
}

// Hello tells of everything that the agent holds. An agent that holds nothing yet tells nothing
// about what is no more.
void Session::RemoveUnlisted(const v1::Hello& hello) {
  if (hello.hashes().empty()) return;
  absl::flat_hash_set<absl::string_view> listed;
  for (const v1::SectionHash& has : hello.hashes()) listed.insert(has.name());
  v1::SectionUpdate update;
  {
    std::lock_guard lock(machine_->mutex);
    for (const Machine::HeldSection& held : machine_->sections) {
      if (!listed.contains(held.name)) update.add_removed(held.name);
    }
  }
  if (update.removed_size() > 0) OnSections(update);
}

// Hello tells of everything that is wrong with the agent now. What an earlier process of it said,
// and could not take back, is over.
void Session::TakeNotices(const v1::Hello& hello) {
  if (!hello.tells_notices()) return;
  std::map<std::string, const v1::AgentNotice*> told;
  for (const v1::AgentNotice& notice : hello.notices()) told.emplace(NoticeKey(notice), &notice);
  std::vector<v1::AgentNotice> changes;
  {
    std::lock_guard lock(machine_->mutex);
    for (const auto& [key, notice] : machine_->notices) {
      if (told.erase(key) > 0) continue;
      changes.push_back(notice);
      changes.back().set_resolved(true);
    }
  }
  for (const auto& [key, notice] : told) changes.push_back(*notice);
  for (v1::AgentNotice& notice : changes) {
    notice.set_sequence(0);  // there is nothing to acknowledge
    OnNotice(notice);
  }
}

std::string Session::NoticeKey(const v1::AgentNotice& notice) const {
  return MachineKey(machine_->id,
                    absl::StrCat(notice.code(), absl::string_view("\0", 1), notice.subject()));
}

bool Session::CheckSection(v1::Section& section) {
  if (!IsValidId(section.name())) {
    Ignore("a section without a proper name");
    return false;
  }
  const std::string sha256 = Sha256(section.payload());
  if (section.sha256().empty()) section.set_sha256(sha256);
  if (section.sha256() != sha256) {
    Ignore(absl::StrCat("section ", section.name(), ", whose hash is not that of its payload"));
    return false;
  }
  return true;
}

void Session::OnSections(v1::SectionUpdate& update) {
  Batch batch;
  std::vector<const v1::Section*> kept;
  std::vector<Machine::HeldSection> held;
  for (v1::Section& section : *update.mutable_sections()) {
    if (!CheckSection(section)) continue;
    batch.push_back({.table = Table::kSections,
                     .key = MachineKey(machine_->id, section.name()),
                     .value = section.SerializeAsString()});
    kept.push_back(&section);
    held.push_back({section.name(), section.sha256()});
  }
  std::vector<std::string> removed(update.removed().begin(), update.removed().end());
  for (const std::string& name : removed) {
    batch.push_back({.table = Table::kSections, .key = MachineKey(machine_->id, name)});
  }
  std::string name;
  {
    std::lock_guard lock(machine_->mutex);
    const size_t fresh = std::count_if(held.begin(), held.end(), [this](const auto& section) {
      return machine_->FindSection(section.name) == nullptr;
    });
    if (machine_->sections.size() + fresh > kMaxSections) {
      failed_ = true;
      link_->Close(absl::ResourceExhaustedError(
          absl::StrCat("more than ", kMaxSections, " sections; remove a plugin")));
      return;
    }
    name = machine_->row.display_name();
    machine_->last_seen = fleet_.clock().Now();
  }
  if (!kept.empty() || !removed.empty()) {
    for (const std::string& refused : fleet_.diagnosis().Apply(machine_->id, name, kept, removed)) {
      log::Warning("SECTION_NOT_UNDERSTOOD", "machine {}: kept but not diagnosed: {}", machine_->id,
                   refused);
    }
  }
  const std::string collected = update.complete() ? update.collect_id() : "";
  CommitThen(std::move(batch), update.sequence(),
             [machine = machine_, fleet = &fleet_, held = std::move(held),
              removed = std::move(removed), collected]() mutable {
               {
                 std::lock_guard lock(machine->mutex);
                 for (Machine::HeldSection& section : held) {
                   if (auto* old = machine->FindSection(section.name)) {
                     old->sha256 = std::move(section.sha256);
                   } else {
                     machine->sections.push_back(std::move(section));
                   }
                 }
                 for (const std::string& gone : removed) {
                   std::erase_if(machine->sections,
                                 [&](const auto& section) { return section.name == gone; });
                 }
               }
               fleet->TellStatus(*machine);
               FleetListener* listener = fleet->listener();
               if (!collected.empty() && listener != nullptr) {
                 listener->OnCollected(machine->id, collected);
               }
             });
}

void Session::CommitThen(Batch batch, uint64_t sequence, std::function<void()> durable) {
  fleet_.store().CommitAsync(
      std::move(batch), [self = shared_from_this(), sequence,
                         durable = std::move(durable)](const absl::Status& status) {
        if (self->failed_) return;
        if (!status.ok()) {
          self->failed_ = true;
          log::Error("STATE_NOT_STORED", "machine {}: {}", self->machine_->id,
                     std::string(status.message()));
          self->link_->Close(absl::UnavailableError(
              absl::StrCat("the controller cannot store this now: ", status.message())));
          return;
        }
        durable();
        if (sequence > 0) self->link_->Ack(sequence);
      });
}

void Session::OnEvents(v1::EventBatch& events) {
  if (events.dropped() > 0) {
    log::Warning("EVENTS_DROPPED", "machine {} lost {} events, oldest first: its outbox was full",
                 machine_->id, events.dropped());
  }
  Batch batch;
  std::map<std::string, uint64_t> last;
  for (const v1::EventRecord& event : events.events()) {
    if (HasNul(event.channel()) || event.channel().size() > kMaxTextBytes) {
      Ignore("an event without a proper channel");
      continue;
    }
    batch.push_back({.table = Table::kEvents,
                     .key = EventKey(machine_->id, event),
                     .value = event.SerializeAsString()});
    last[event.channel()] = event.record_id();
  }
  bool prune = false;
  {
    std::lock_guard lock(machine_->mutex);
    machine_->last_seen = fleet_.clock().Now();
    for (v1::EventBookmark& bookmark : *machine_->row.mutable_stored()) {
      if (auto found = last.extract(bookmark.channel())) bookmark.set_record_id(found.mapped());
    }
    for (const auto& [channel, record_id] : last) {
      v1::EventBookmark& bookmark = *machine_->row.add_stored();
      bookmark.set_channel(channel);
      bookmark.set_record_id(record_id);
    }
    machine_->events_since_prune += batch.size();
    prune = machine_->events_since_prune >= kPruneEvery;
    if (prune) machine_->events_since_prune = 0;
    if (!batch.empty()) {
      batch.push_back({.table = Table::kMachines,
                       .key = machine_->id,
                       .value = machine_->row.SerializeAsString()});
    }
    CommitThen(std::move(batch), events.sequence(), [] {});
  }
  if (prune) PruneEvents();
}

// What was just given to the store may not be there yet; it is seen the next time.
void Session::PruneEvents() {
  const auto rows =
      fleet_.store().Scan(Table::kEvents, MachineKey(machine_->id, ""), "", 8 * kEventsKept);
  if (!rows.ok() || rows->size() <= kEventsKept) return;
  std::vector<std::pair<absl::Time, const std::string*>> by_time;
  v1::EventRecord event;
  for (const Row& row : *rows) {
    const bool parsed = event.ParseFromString(row.value);
    by_time.emplace_back(parsed ? FromTimestamp(event.time()) : absl::InfinitePast(), &row.key);
  }
  const size_t surplus = by_time.size() - kEventsKept;
  std::stable_sort(by_time.begin(), by_time.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Batch batch;
  for (size_t i = 0; i < surplus; ++i) {
    batch.push_back({.table = Table::kEvents, .key = *by_time[i].second});
  }
  CommitThen(std::move(batch), 0, [] {});
}

void Session::OnResult(const v1::CommandResult& result) {
  FleetListener* listener = fleet_.listener();
  if (listener == nullptr) return;  // not acknowledged: the agent keeps it
  listener->OnResult(machine_->id, result, [link = link_, id = result.command_id()] {
    v1::ControllerMessage message;
    message.mutable_result_ack()->set_command_id(id);
    link->Send(std::move(message));
  });
}

void Session::OnHeartbeat() {
  const absl::Time now = fleet_.clock().Now();
  {
    std::lock_guard lock(machine_->mutex);
    machine_->last_seen = now;
  }
  v1::ControllerMessage message;
  *message.mutable_heartbeat()->mutable_sent_at() = ToTimestamp(now);
  link_->Send(std::move(message));
  fleet_.TellStatus(*machine_);
}

void Session::OnNotice(const v1::AgentNotice& notice) {
  Batch batch;
  if (!IsValidId(notice.code()) || HasNul(notice.subject()) ||
      notice.subject().size() > kMaxTextBytes) {
    Ignore("a notice without a proper code and subject");
    return CommitThen({}, notice.sequence(), [] {});
  }
  const std::string key = NoticeKey(notice);
  {
    std::lock_guard lock(machine_->mutex);
    machine_->last_seen = fleet_.clock().Now();
    if (notice.resolved()) {
      machine_->notices.erase(key);
      batch.push_back({.table = Table::kNotices, .key = key});
    } else if (machine_->notices.size() < kMaxNotices || machine_->notices.contains(key)) {
      machine_->notices[key] = notice;
      batch.push_back({.table = Table::kNotices, .key = key, .value = notice.SerializeAsString()});
    }
  }
  log::Info("AGENT_NOTICE", "machine {}: {} {}{}: {}", machine_->id, notice.code(),
            notice.subject(), notice.resolved() ? " (over)" : "", notice.message());
  fleet_.UpdateAgentFindings(*machine_);
  CommitThen(std::move(batch), notice.sequence(), [] {});
}

// The first, and from then on each tenth of the former distance: a broken agent must not fill the
// log.
void Session::Ignore(absl::string_view what) {
  ++ignored_;
  uint64_t shown = ignored_;
  while (shown % 10 == 0) shown /= 10;
  if (shown != 1) return;
  log::Warning("AGENT_MESSAGE_IGNORED", "machine {}: passed over {} (so far {})", machine_->id,
               std::string(what), ignored_);
}

}  // namespace keymedic::controller
