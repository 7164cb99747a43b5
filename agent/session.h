// SPDX-License-Identifier: Apache-2.0
//
// What the agent says and does, apart from how it travels: messages of the controller in, messages
// of the agent out through a Link. It also holds what outlives a connection: sections, schedule,
// commands. Known nowhere else: the order of a conversation.
//
//   Hello (hashes) -> Welcome -> sections the controller wants, events, results, notices -> changes
//
// Life cycle: Make -> Start (first look at the machine) -> [Connected -> Received* ->
// Disconnected]*
// -> Stop.
// Threads: everything on `strand`; plugins are called on `lane`.
#ifndef KEYMEDIC_AGENT_SESSION_H_
#define KEYMEDIC_AGENT_SESSION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/commands.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/plugin_runner.h"
#include "agent/sections.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::agent {

// One connection, seen from the session.
class Link {
 public:
  virtual ~Link() = default;
  virtual void Send(v1::AgentMessage message) = 0;
  // Gives the connection up; Disconnected follows later.
  virtual void Close(const std::string& why) = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  struct Options {
    std::string machine_name;
    std::map<std::string, std::string> labels;
    absl::Duration collect_interval;
    absl::Duration plugin_timeout;
  };
  struct Env {
    const Clock& clock;
    Random& random;
    PluginRunner& plugins;
    Journal& journal;
    Outbox& outbox;
    std::shared_ptr<Strand> strand;
    std::shared_ptr<Strand> lane;
    std::function<void()> looked;    // the first look at the machine is over
    std::function<void()> welcomed;  // the controller has accepted this connection
    std::function<void()> tick;      // at each heartbeat of a connection
    // What the controller makes of this machine. Null: it is not asked for that.
    std::function<void(const v1::MachineStatus&)> told = nullptr;
  };

  static std::shared_ptr<Session> Make(Options options, Env env);

  void Start();
  void Stop();
  void Connected(Link& link);
  void Received(const v1::ControllerMessage& message);
  void Disconnected();

 private:
  // Somebody waits for the end of a round of looking.
  struct Waiting {
    std::string id;              // of a Collect or a command; empty: nobody at the controller
    std::function<void()> then;  // after the changes have been sent; may be empty
  };
  // Sent, and not yet acknowledged: what may go from the outbox once it is.
  struct InFlight {
    uint64_t sequence = 0;
    int64_t last_event_id = 0;
    uint64_t dropped = 0;
  };

  // What is wrong with the agent itself, or was and the controller does not know yet that it is
  // over. Of this process alone: a new one looks for itself, and its Hello ends what it does not
  // find.
  struct Said {
    v1::AgentNotice notice;
    uint64_t sent = 0;  // in this connection, with this sequence; 0: not yet
    bool held = false;  // the controller has it
  };

  Session(Options options, Env env);

  void Welcomed(const v1::Welcome& welcome);
  void Acknowledged(uint64_t sequence);
  void CommandDone(v1::CommandResult result, bool look_again);
  void Send(v1::AgentMessage message);
  void SendResult(const v1::CommandResult& result);

  void LookAgain(Waiting waiting);
  void BeginLook();
  void EndLook(Round round);
  void ScheduleLook();

  void SendSections(const std::vector<std::string>& names, const std::vector<std::string>& removed,
                    const std::string& collect_id);
  void SendEvents();
  void Notice(v1::AgentNotice notice);
  void SendNotices();

  void ScheduleTick();
  void Tick();

  Options options_;
  Env env_;
  std::shared_ptr<CommandRunner> commands_;
  Sections sections_;
  bool stopped_ = false;

  bool looking_ = false;
  bool looked_once_ = false;
  std::vector<Waiting> waiting_;  // for the next round
  std::vector<Waiting> current_;  // for the one under way
  uint64_t look_schedule_ = 0;    // a timer of an older schedule does nothing

  std::map<std::pair<std::string, std::string>, Said> notices_;  // by code and subject

  // Of the present connection.
  Link* link_ = nullptr;
  bool welcomed_ = false;
  absl::Duration heartbeat_;
  uint64_t tick_schedule_ = 0;
  int silent_ticks_ = 0;
  uint64_t sequence_ = 0;
  int64_t sent_event_id_ = 0;
  std::deque<InFlight> in_flight_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_SESSION_H_
