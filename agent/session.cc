// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/times.h"

namespace keymedic::agent {
namespace {

constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(30);
constexpr absl::Duration kShortestInterval = absl::Milliseconds(10);
constexpr int kMaxSilentTicks = 3;
constexpr uint64_t kMaxUpdateBytes = 1 << 20;  // of sections in one message
constexpr int kMaxBatchEvents = 500;
constexpr uint64_t kMaxBatchBytes = 256 << 10;
constexpr size_t kMaxInFlight = 8;

absl::Duration IntervalOr(const google::protobuf::Duration& proto, absl::Duration otherwise) {
  const absl::Duration duration = FromDuration(proto);
  return duration > absl::ZeroDuration() ? std::max(duration, kShortestInterval) : otherwise;
}

}  // namespace

std::shared_ptr<Session> Session::Make(Options options, Env env) {
  std::shared_ptr<Session> session(new Session(std::move(options), std::move(env)));
  std::weak_ptr<Session> weak = session;
  session->commands_ = CommandRunner::Make({
      session->env_.clock,
      session->env_.plugins,
      session->env_.journal,
      session->env_.strand,
      session->env_.lane,
      session->options_.plugin_timeout,
      [weak](v1::CommandResult result, bool look_again) {
        if (auto self = weak.lock()) self->CommandDone(std::move(result), look_again);
      },
      [weak](v1::AgentNotice notice) {
        if (auto self = weak.lock()) self->Notice(std::move(notice));
      },
  });
  return session;
}

Session::Session(Options options, Env env)
    : options_(std::move(options)), env_(std::move(env)), heartbeat_(kDefaultHeartbeat) {}

void Session::Start() {
  commands_->Recover();
  LookAgain({});
  ScheduleLook();
}

void Session::Stop() {
  stopped_ = true;
  link_ = nullptr;
  commands_->Stop();
}

void Session::Connected(Link& link) {
  link_ = &link;
  welcomed_ = false;
  silent_ticks_ = 0;
  sequence_ = 0;
  sent_event_id_ = 0;
  in_flight_.clear();
  heartbeat_ = kDefaultHeartbeat;

  v1::AgentMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_agent_version(KEYMEDIC_VERSION);
  hello.set_machine_name(options_.machine_name);
  hello.mutable_labels()->insert(options_.labels.begin(), options_.labels.end());
  for (auto& hash : sections_.Hashes()) *hello.add_hashes() = std::move(hash);
  if (auto bookmarks = env_.outbox.Bookmarks(); bookmarks.ok()) {
    for (auto& bookmark : *bookmarks) *hello.add_sent() = std::move(bookmark);
  }
  hello.set_tells_notices(true);
  hello.set_wants_status(env_.told != nullptr);
  for (auto& [of, said] : notices_) {
    said.sent = 0;
    if (!said.notice.resolved()) *hello.add_notices() = said.notice;
  }
  Send(std::move(message));
  ScheduleTick();
}

void Session::Disconnected() {
  link_ = nullptr;
  welcomed_ = false;
  ++tick_schedule_;
}

void Session::Received(const v1::ControllerMessage& message) {
  if (stopped_ || link_ == nullptr) return;
  silent_ticks_ = 0;
  switch (message.message_case()) {
    case v1::ControllerMessage::kWelcome:
      return Welcomed(message.welcome());
    case v1::ControllerMessage::kAck:
      return Acknowledged(message.ack().sequence());
    case v1::ControllerMessage::kWanted: {
      std::vector<std::string> held, gone;
      for (const auto& name : message.wanted().names()) {
        (sections_.Find(name) != nullptr ? held : gone).push_back(name);
      }
      return SendSections(held, gone, "");
    }
    case v1::ControllerMessage::kCommand:
      return commands_->Accept(message.command());
    case v1::ControllerMessage::kCollect:
      return LookAgain({message.collect().id(), nullptr});
    case v1::ControllerMessage::kResultAck:
      return commands_->Acknowledge(message.result_ack().command_id());
    case v1::ControllerMessage::kHeartbeat:
      if (message.heartbeat().has_sent_at())
        commands_->SetControllerTime(message.heartbeat().sent_at());
      return;
    case v1::ControllerMessage::kStatus:
      if (env_.told) env_.told(message.status());
      return;
    case v1::ControllerMessage::MESSAGE_NOT_SET:
      log::Warning("AGENT_UNKNOWN_MESSAGE",
                   "ignored a message of the controller that this version ({}) does not know; "
                   "update the agent",
                   KEYMEDIC_VERSION);
  }
}

void Session::Welcomed(const v1::Welcome& welcome) {
  if (welcome.has_controller_time()) commands_->SetControllerTime(welcome.controller_time());
  heartbeat_ = IntervalOr(welcome.heartbeat_interval(), kDefaultHeartbeat);
  ScheduleTick();
  const absl::Duration interval = IntervalOr(welcome.collect_interval(), options_.collect_interval);
  if (interval != options_.collect_interval) {
    options_.collect_interval = interval;
    ScheduleLook();
  }
  if (auto status = env_.outbox.Reconcile(welcome.stored()); !status.ok()) {
    log::Warning("AGENT_OUTBOX_FAILED", "{}", status.ToString());
  }
  welcomed_ = true;
  if (env_.welcomed) env_.welcomed();
  for (const auto& result : commands_->Unacknowledged()) SendResult(result);
  SendEvents();
  SendNotices();
}

void Session::Acknowledged(uint64_t sequence) {
  InFlight done;
  while (!in_flight_.empty() && in_flight_.front().sequence <= sequence) {
    done.last_event_id = std::max(done.last_event_id, in_flight_.front().last_event_id);
    done.dropped += in_flight_.front().dropped;
    in_flight_.pop_front();
  }
  absl::Status status;
  if (done.last_event_id > 0) status.Update(env_.outbox.AcknowledgeEvents(done.last_event_id));
  if (done.dropped > 0) status.Update(env_.outbox.ReportedDropped(done.dropped));
  // They are sent again with the next connection; the controller knows them by their record id.
  if (!status.ok()) log::Warning("AGENT_OUTBOX_FAILED", "{}", status.ToString());
  for (auto it = notices_.begin(); it != notices_.end();) {
    Said& said = it->second;
    said.held = said.held || (said.sent > 0 && said.sent <= sequence);
    it = said.held && said.notice.resolved() ? notices_.erase(it) : std::next(it);
  }
  SendEvents();
}

void Session::CommandDone(v1::CommandResult result, bool look_again) {
  if (stopped_) return;
  if (!look_again) return SendResult(result);
  // What it changed arrives before the word that it is done.
  const std::string id = result.command_id();
  LookAgain({id, [this, result = std::move(result)] { SendResult(result); }});
}

void Session::Send(v1::AgentMessage message) {
  if (link_ != nullptr) link_->Send(std::move(message));
}

void Session::SendResult(const v1::CommandResult& result) {
  v1::AgentMessage message;
  *message.mutable_result() = result;
  Send(std::move(message));
}

void Session::LookAgain(Waiting waiting) {
  waiting_.push_back(std::move(waiting));
  if (!looking_) BeginLook();
}

void Session::BeginLook() {
  looking_ = true;
  current_ = std::exchange(waiting_, {});
  std::vector<v1::EventBookmark> bookmarks;
  if (auto stored = env_.outbox.Bookmarks(); stored.ok()) bookmarks = *std::move(stored);
  env_.lane->Post([weak = weak_from_this(), bookmarks = std::move(bookmarks),
                   &plugins = env_.plugins, &clock = env_.clock, timeout = options_.plugin_timeout,
                   strand = env_.strand] {
    if (weak.expired()) return;
    const absl::Time began = clock.Now();
    auto round = std::make_shared<Round>(Look(plugins, bookmarks, timeout));
    log::Info("AGENT_LOOKED", "{} plugins looked at this machine in {} ms", round->plugins.size(),
              absl::ToInt64Milliseconds(clock.Now() - began));
    strand->Post([weak, round] {
      if (auto self = weak.lock()) self->EndLook(std::move(*round));
    });
  });
}

void Session::EndLook(Round round) {
  if (stopped_) return;
  const Sections::Changes changes = sections_.Merge(round);
  if (auto status = env_.outbox.Add(round.events, round.bookmarks); !status.ok()) {
    log::Warning("AGENT_OUTBOX_FAILED", "events stay in their log until the next round: {}",
                 status.ToString());
  }
  for (auto& notice : round.notices) Notice(std::move(notice));
  commands_->Maintain();

  const std::vector<Waiting> ended = std::exchange(current_, {});
  if (link_ != nullptr) {
    if (welcomed_) SendEvents();
    bool sent = false;
    for (const Waiting& waiting : ended) {
      if (waiting.id.empty()) continue;
      SendSections(sent ? std::vector<std::string>{} : changes.changed,
                   sent ? std::vector<std::string>{} : changes.removed, waiting.id);
      sent = true;
    }
    if (!sent) SendSections(changes.changed, changes.removed, "");
  }
  for (const Waiting& waiting : ended) {
    if (waiting.then) waiting.then();
  }
  if (!std::exchange(looked_once_, true) && env_.looked) env_.looked();
  looking_ = false;
  if (!waiting_.empty()) BeginLook();
}

void Session::ScheduleLook() {
  const uint64_t schedule = ++look_schedule_;
  const absl::Duration delay = options_.collect_interval * (0.9 + 0.2 * env_.random.Uniform());
  env_.strand->PostAfter(delay, [weak = weak_from_this(), schedule] {
    auto self = weak.lock();
    if (self == nullptr || self->stopped_ || schedule != self->look_schedule_) return;
    if (!self->looking_) self->LookAgain({});
    self->ScheduleLook();
  });
}

// With a collect_id: always at least one message, the last of them complete.
void Session::SendSections(const std::vector<std::string>& names,
                           const std::vector<std::string>& removed, const std::string& collect_id) {
  v1::AgentMessage message;
  uint64_t size = 0;
  const auto flush = [&](bool complete) {
    v1::SectionUpdate& update = *message.mutable_sections();
    update.set_sequence(++sequence_);
    update.set_collect_id(collect_id);
    update.set_complete(complete);
    in_flight_.push_back({sequence_});
    Send(std::exchange(message, {}));
    size = 0;
  };
  for (const auto& name : removed) message.mutable_sections()->add_removed(name);
  for (const auto& name : names) {
    const v1::Section* section = sections_.Find(name);
    if (section == nullptr) continue;
    if (size > 0 && size + section->payload().size() > kMaxUpdateBytes) flush(false);
    *message.mutable_sections()->add_sections() = *section;
    size += section->payload().size();
  }
  if (message.has_sections() || !collect_id.empty()) flush(!collect_id.empty());
}

void Session::SendEvents() {
  if (link_ == nullptr || !welcomed_) return;
  while (in_flight_.size() < kMaxInFlight) {
    auto events = env_.outbox.EventsAfter(sent_event_id_, kMaxBatchEvents, kMaxBatchBytes);
    auto dropped = env_.outbox.Dropped();
    if (!events.ok() || !dropped.ok()) {
      log::Warning("AGENT_OUTBOX_FAILED", "{}",
                   (events.ok() ? dropped.status() : events.status()).ToString());
      return;
    }
    for (const InFlight& sent : in_flight_) *dropped -= std::min(*dropped, sent.dropped);
    if (events->records.empty() && *dropped == 0) return;
    v1::AgentMessage message;
    v1::EventBatch& batch = *message.mutable_events();
    batch.set_sequence(++sequence_);
    batch.set_dropped(*dropped);
    for (auto& record : events->records) *batch.add_events() = std::move(record);
    sent_event_id_ = events->last_id;
    in_flight_.push_back({sequence_, sent_event_id_, *dropped});
    Send(std::move(message));
  }
}

void Session::Notice(v1::AgentNotice notice) {
  auto of = std::make_pair(notice.code(), notice.subject());
  notices_[std::move(of)] = {.notice = std::move(notice)};
  SendNotices();
}

void Session::SendNotices() {
  if (link_ == nullptr || !welcomed_) return;
  for (auto& [of, said] : notices_) {
    if (said.held || said.sent > 0) continue;
    said.sent = ++sequence_;
    v1::AgentMessage message;
    *message.mutable_notice() = said.notice;
    message.mutable_notice()->set_sequence(said.sent);
    Send(std::move(message));
  }
}

void Session::ScheduleTick() {
  const uint64_t schedule = ++tick_schedule_;
  env_.strand->PostAfter(heartbeat_, [weak = weak_from_this(), schedule] {
    auto self = weak.lock();
    if (self != nullptr && !self->stopped_ && schedule == self->tick_schedule_) self->Tick();
  });
}

void Session::Tick() {
  if (++silent_ticks_ > kMaxSilentTicks) {
    link_->Close(absl::StrCat("the controller has been silent for ",
                              absl::FormatDuration(heartbeat_ * silent_ticks_)));
    return;
  }
  v1::AgentMessage message;
  *message.mutable_heartbeat()->mutable_sent_at() = ToTimestamp(env_.clock.Now());
  Send(std::move(message));
  if (env_.tick) env_.tick();
  ScheduleTick();
}

}  // namespace keymedic::agent
