// SPDX-License-Identifier: Apache-2.0
//
// One agent's stream, as a protocol: what the controller answers to what the agent says. Knows no
// gRPC; agent_stream.h brings the messages.
//
//   Hello          -> Welcome, then SectionWanted for what differs from what is held durably;
//                     sections and notices that it does not list are no more
//   SectionUpdate  -> diagnosed, stored; Ack once durable; the listener hears of a finished round
//   EventBatch     -> stored with the bookmarks; Ack once durable
//   CommandResult  -> the listener; ResultAck once it says that the result is durable
//   AgentNotice    -> stored, or removed when resolved; Ack once durable
//   Heartbeat      -> Heartbeat
//   any of these   -> MachineStatus, to an agent that wants it, if it is news
//
// Threads: OnMessage and OnClosed come one at a time, from the stream. Answers of the store come
// from its thread; they keep the session alive.
// Errors: what breaks the protocol or cannot be stored closes the stream with a status that says
// why; nothing after it is acknowledged, so the agent sends it again. What is merely not understood
// is logged, counted and passed over.
#ifndef KEYMEDIC_CONTROLLER_FLEET_SESSION_H_
#define KEYMEDIC_CONTROLLER_FLEET_SESSION_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/machine.h"

namespace keymedic::controller {

// Whether the machine may still come in.
using Admission = std::function<absl::Status()>;

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `fleet` outlives the session. `admission` is asked at Hello: between the call and its Hello the
  // machine may have been banned or reset. None: it may.
  Session(Fleet& fleet, std::shared_ptr<Machine> machine, std::shared_ptr<AgentLink> link,
          Admission admission = nullptr);

  void OnMessage(v1::AgentMessage& message);  // may take parts of it
  void OnClosed();

 private:
  void OnHello(const v1::Hello& hello);
  absl::Status ComeIn();
  void Greet(const v1::Hello& hello);
  void OnSections(v1::SectionUpdate& update);
  void OnEvents(v1::EventBatch& events);
  void OnResult(const v1::CommandResult& result);
  void OnHeartbeat();
  void OnNotice(const v1::AgentNotice& notice);
  std::string NoticeKey(const v1::AgentNotice& notice) const;

  // False: it cannot be kept; said in the log.
  bool CheckSection(v1::Section& section);
  // Writes; `durable` runs once that is on disk, unless something before it was not.
  void CommitThen(Batch batch, uint64_t sequence, std::function<void()> durable);
  void RemoveUnlisted(const v1::Hello& hello);
  void TakeNotices(const v1::Hello& hello);
  void PruneEvents();
  void Ignore(absl::string_view what);

  Fleet& fleet_;
  const std::shared_ptr<Machine> machine_;
  const std::shared_ptr<AgentLink> link_;
  const Admission admission_;
  bool greeted_ = false;
  uint64_t ignored_ = 0;
  std::atomic<bool> failed_ = false;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_SESSION_H_
