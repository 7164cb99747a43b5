// SPDX-License-Identifier: Apache-2.0
//
// A connection between an agent and the controller: what is sent arrives in order, as far as it
// arrives; when an end dies, what is under way is lost from some point on. Each message is a step
// of its sender's life.
//
// Life cycle: one for each connection. Ownership: the lives outlive their ends' last call.
// Threads: one.
#ifndef KEYMEDIC_BENCH_CRASH_WIRE_H_
#define KEYMEDIC_BENCH_CRASH_WIRE_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "agent/session.h"
#include "bench/crash/life.h"
#include "controller/fleet/machine.h"

namespace keymedic::bench {

struct Wire {
  std::deque<v1::AgentMessage> up;
  std::deque<v1::ControllerMessage> down;
  bool cut = false;  // an end has given it up
};

class AgentEnd final : public agent::Link {
 public:
  AgentEnd(std::shared_ptr<Wire> wire, Life& life) : wire_(std::move(wire)), life_(life) {}
  void Send(v1::AgentMessage message) override {
    if (!wire_->cut && life_.Step()) wire_->up.push_back(std::move(message));
  }
  void Close(const std::string&) override { wire_->cut = true; }

 private:
  const std::shared_ptr<Wire> wire_;
  Life& life_;
};

class ControllerEnd final : public controller::AgentLink {
 public:
  ControllerEnd(std::shared_ptr<Wire> wire, Life& life) : wire_(std::move(wire)), life_(life) {}
  void Send(v1::ControllerMessage message) override {
    if (!wire_->cut && life_.Step()) wire_->down.push_back(std::move(message));
  }
  void Ack(uint64_t sequence) override {
    v1::ControllerMessage message;
    message.mutable_ack()->set_sequence(sequence);
    Send(std::move(message));
  }
  void Close(absl::Status) override { wire_->cut = true; }

 private:
  const std::shared_ptr<Wire> wire_;
  Life& life_;
};

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_CRASH_WIRE_H_
