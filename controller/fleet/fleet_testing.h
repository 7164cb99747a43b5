// SPDX-License-Identifier: Apache-2.0
//
// For tests: a fleet over a store that can be told to refuse, with agents that speak to it without
// any transport.
#ifndef KEYMEDIC_CONTROLLER_FLEET_FLEET_TESTING_H_
#define KEYMEDIC_CONTROLLER_FLEET_FLEET_TESTING_H_

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/session.h"
#include "controller/store/sqlite_store.h"

namespace keymedic::controller {

class TestClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(seconds); }
  std::atomic<int64_t> seconds = 1'790'000'000;
};

// Passes everything on, counts what is read, and can be told to refuse.
class FaultyStore final : public Store {
 public:
  explicit FaultyStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}
  absl::Status Commit(Batch batch) override {
    return full ? Full() : inner_->Commit(std::move(batch));
  }
  void CommitAsync(Batch batch, std::function<void(absl::Status)> done) override {
    if (held != nullptr) {
      held->push_back([this, batch = std::move(batch), done = std::move(done)]() mutable {
        inner_->CommitAsync(std::move(batch), std::move(done));
      });
    } else if (full) {
      done(Full());
    } else {
      inner_->CommitAsync(std::move(batch), std::move(done));
    }
  }
  absl::StatusOr<std::optional<std::string>> Get(Table table, absl::string_view key) override {
    ++reads;
    return inner_->Get(table, key);
  }
  absl::StatusOr<std::vector<Row>> Scan(Table table, absl::string_view prefix,
                                        absl::string_view after, size_t limit) override {
    ++reads;
    return inner_->Scan(table, prefix, after, limit);
  }
  std::atomic<int> reads = 0;
  bool full = false;
  std::vector<std::function<void()>>* held = nullptr;  // not null: nothing becomes durable yet

 private:
  static absl::Status Full() { return absl::ResourceExhaustedError("the disk is full"); }
  std::unique_ptr<Store> inner_;
};

class FakeLink final : public AgentLink {
 public:
  void Send(v1::ControllerMessage message) override {
    std::lock_guard lock(mutex_);
    sent_.push_back(std::move(message));
  }
  void Ack(uint64_t sequence) override {
    std::lock_guard lock(mutex_);
    acks_.push_back(sequence);
  }
  void Close(absl::Status status) override {
    std::lock_guard lock(mutex_);
    closed_ = std::move(status);
  }
  std::vector<v1::ControllerMessage> TakeSent() {
    std::lock_guard lock(mutex_);
    return std::exchange(sent_, {});
  }
  std::vector<uint64_t> acks() {
    std::lock_guard lock(mutex_);
    return acks_;
  }
  std::optional<absl::Status> closed() {
    std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::mutex mutex_;
  std::vector<v1::ControllerMessage> sent_;
  std::vector<uint64_t> acks_;
  std::optional<absl::Status> closed_;
};

class FakeListener final : public FleetListener {
 public:
  void OnResult(const std::string& machine_id, const v1::CommandResult& result,
                std::function<void()> durable) override {
    results.push_back(std::move(durable));
  }
  void OnCollected(const std::string& machine_id, const std::string& collect_id) override {
    collected.push_back(absl::StrCat(machine_id, " ", collect_id));
  }
  void OnConnected(const std::string& machine_id) override { events.push_back("+" + machine_id); }
  void OnDisconnected(const std::string& machine_id) override {
    events.push_back("-" + machine_id);
  }
  std::vector<std::function<void()>> results;
  std::vector<std::string> collected, events;
};

inline v1::Section MakeSection(const std::string& name,
                               const google::protobuf::MessageLite& payload) {
  v1::Section section;
  section.set_name(name);
  section.set_type(payload.GetTypeName());
  section.set_payload(SerializeDeterministic(payload));
  section.set_sha256(Sha256(section.payload()));
  return section;
}

// A retail key on an edition that belongs on KMS.
inline v1::Section RetailLicensing() {
  v1::LicensingSection licensing;
  v1::Product& product = *licensing.add_products();
  product.set_application_id("55c92734-d682-4d71-983e-d6ec3f16059f");
  product.set_name("Windows(R), Enterprise edition");
  product.set_description("Windows(R) Operating System, RETAIL channel");
  product.set_channel("RETAIL");
  product.set_partial_key("ABCDE");
  product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  return MakeSection("licensing", licensing);
}

inline v1::Section EnterpriseOs() {
  v1::OsSection os;
  os.set_computer_name("pc1");
  os.set_edition_id("Enterprise");
  os.set_build(19045);
  os.set_is_server(false);
  return MakeSection("os", os);
}

class FleetTest : public testing::Test {
 protected:
  FleetTest() : store_(*OpenSqliteStore(":memory:")) { Restart(); }
  ~FleetTest() override {
    sessions_.clear();
    Settle();
  }

  void Restart() {
    fleet_ = *Fleet::Open(store_, clock_, {}, {});
    fleet_->SetListener(&listener_);
  }
  // Everything given to the store is durable and said.
  void Settle() { ASSERT_TRUE(store_.Commit({}).ok()); }

  struct Agent {
    std::shared_ptr<FakeLink> link;
    std::shared_ptr<Session> session;
  };
  Agent Connect(const std::string& id, std::vector<v1::Section> holds = {}) {
    v1::Hello hello;
    for (const v1::Section& section : holds) {
      auto* hash = hello.add_hashes();
      hash->set_name(section.name());
      hash->set_sha256(section.sha256());
    }
    return Connect(id, hello);
  }
  Agent Connect(const std::string& id, const v1::Hello& hello) {
    Agent agent{.link = std::make_shared<FakeLink>()};
    agent.session = std::make_shared<Session>(*fleet_, fleet_->FindOrAdd(id), agent.link);
    v1::AgentMessage message;
    *message.mutable_hello() = hello;
    message.mutable_hello()->set_machine_name("PC-" + id);
    agent.session->OnMessage(message);
    sessions_.push_back(agent.session);
    return agent;
  }
  static void Update(Agent& agent, uint64_t sequence, std::vector<v1::Section> sections,
                     const std::string& collect_id = "", std::vector<std::string> removed = {}) {
    v1::AgentMessage message;
    v1::SectionUpdate& update = *message.mutable_sections();
    update.set_sequence(sequence);
    for (v1::Section& section : sections) *update.add_sections() = std::move(section);
    for (std::string& name : removed) update.add_removed(std::move(name));
    update.set_collect_id(collect_id);
    update.set_complete(!collect_id.empty());
    agent.session->OnMessage(message);
  }
  std::vector<std::string> CodesOf(const std::string& id) {
    std::vector<std::string> codes;
    for (const v1::Finding& finding : fleet_->FindingsOf(id)) codes.push_back(finding.code());
    return codes;
  }

  TestClock clock_;
  FaultyStore store_;
  FakeListener listener_;
  std::unique_ptr<Fleet> fleet_;
  std::vector<std::shared_ptr<Session>> sessions_;
};

}  // namespace keymedic::controller

#endif  // KEYMEDIC_CONTROLLER_FLEET_FLEET_TESTING_H_
