// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/fake_systems.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

absl::Status Broken(const FakeMachine& machine, const std::string& seam) {
  const auto found = machine.broken.find(seam);
  return found == machine.broken.end() ? absl::OkStatus() : found->second;
}

// Notes the act, then does it unless the test wants it refused.
Hresult Do(FakeMachine& machine, const std::string& method, const std::string& argument,
           const std::function<void()>& effect) {
  machine.acts.push_back(argument.empty() ? method : absl::StrCat(method, " ", argument));
  if (const auto refused = machine.refuse.find(method); refused != machine.refuse.end()) {
    return refused->second;
  }
  effect();
  if (const auto hook = machine.on_act.find(method); hook != machine.on_act.end()) hook->second();
  return 0;
}

class FakeMachineSeam final : public Machine {
 public:
  explicit FakeMachineSeam(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<v1::OsSection> Os() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "os"));
    return machine_.os;
  }
  absl::Status SynchroniseClock() override {
    Do(machine_, "SynchroniseClock", "", [&] { machine_.os.set_clock_skew_minutes(0); });
    return absl::OkStatus();
  }
  absl::Status Restart() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "restart"));
    Do(machine_, "Restart", "", [&] {
      if (!std::exchange(machine_.rearm_pending, false)) return;
      machine_.client.set_client_machine_id(absl::StrCat(
          "99999999-0000-4000-8000-", absl::Dec(machine_.acts.size(), absl::kZeroPad12)));
    });
    return absl::OkStatus();
  }

 private:
  FakeMachine& machine_;
};

class FakeLicensing final : public LicensingSystem {
 public:
  explicit FakeLicensing(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<v1::LicensingSection> Licensing() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "licensing"));
    return machine_.licensing;
  }
  absl::StatusOr<v1::KmsClientSection> Client() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "client"));
    return machine_.client;
  }
  absl::StatusOr<v1::KmsHostSection> Host() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "host"));
    if (!machine_.host) return absl::NotFoundError("this fake machine is no KMS host");
    return *machine_.host;
  }
  absl::StatusOr<Hresult> InstallKey(const ProductKey& key) override {
    return Do(machine_, "InstallKey", key.partial(), [&] {
      if (machine_.licensing.products().empty()) machine_.licensing.add_products();
      auto& product = *machine_.licensing.mutable_products(0);
      product.set_partial_key(key.partial());
      product.set_status(v1::LICENSE_STATUS_NOTIFICATION);
      product.clear_expires_at();
    });
  }
  absl::StatusOr<Hresult> Activate(absl::string_view id) override {
    return Do(machine_, "Activate", std::string(id), [&] {
      if (machine_.licensing.products().empty()) return;
      machine_.licensing.mutable_products(0)->set_status(v1::LICENSE_STATUS_LICENSED);
    });
  }
  absl::StatusOr<Hresult> SetKmsHost(absl::string_view host, uint32_t port) override {
    return Do(machine_, "SetKmsHost", absl::StrCat(host, ":", port), [&] {
      machine_.client.set_registered_host(std::string(host));
      machine_.client.set_registered_port(port);
    });
  }
  absl::StatusOr<Hresult> ClearKmsHost() override {
    return Do(machine_, "ClearKmsHost", "", [&] {
      machine_.client.set_registered_host("");
      machine_.client.clear_registered_port();
    });
  }
  absl::StatusOr<Hresult> SetHostCaching(bool enabled) override {
    return Do(machine_, "SetHostCaching", absl::StrCat(enabled),
              [&] { machine_.client.set_host_caching(enabled); });
  }
  absl::StatusOr<Hresult> SetActivationType(v1::ActivationType type) override {
    return Do(machine_, "SetActivationType", absl::StrCat(static_cast<int>(type)),
              [&] { machine_.client.set_activation_type(type); });
  }
  absl::StatusOr<Hresult> SetListeningPort(uint32_t port) override {
    return Do(machine_, "SetListeningPort", absl::StrCat(port), [&] {
      if (machine_.host) machine_.host->set_listening_port(port);
    });
  }
  absl::StatusOr<Hresult> SetDnsPublishing(bool enabled) override {
    return Do(machine_, "SetDnsPublishing", absl::StrCat(enabled), [&] {
      if (machine_.host) machine_.host->set_dns_publishing(enabled);
    });
  }
  absl::StatusOr<Hresult> Rearm() override {
    return Do(machine_, "Rearm", "", [&] {
      machine_.licensing.set_windows_rearms_left(machine_.licensing.windows_rearms_left() - 1);
      machine_.rearm_pending = true;
    });
  }
  absl::StatusOr<bool> RearmPending() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "licensing"));
    return machine_.rearm_pending;
  }

 private:
  FakeMachine& machine_;
};

class FakeEventLog final : public EventLog {
 public:
  explicit FakeEventLog(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<Batch> Read(absl::string_view channel, uint64_t after, size_t limit) override {
    KM_RETURN_IF_ERROR(Broken(machine_, "events"));
    KM_ASSIGN_OR_RETURN(const auto* log, Find(channel));
    if (!log->empty() && log->back().record_id() < after) after = 0;  // was cleared since
    Batch batch;
    batch.last_record_id = after;
    for (const v1::EventRecord& event : *log) {
      if (event.record_id() <= after) continue;
      if (batch.events.size() == limit) break;
      batch.events.push_back(event);
      batch.last_record_id = event.record_id();
    }
    return batch;
  }
  absl::Status SetMaxBytes(absl::string_view channel, uint64_t bytes) override {
    KM_RETURN_IF_ERROR(Find(channel).status());
    Do(machine_, "SetLogMaxBytes", absl::StrCat(channel, " ", bytes), [&] {
      machine_.log_max_bytes[std::string(channel)] = bytes;
      if (machine_.host) machine_.host->set_log_max_bytes(bytes);
    });
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<const std::vector<v1::EventRecord>*> Find(absl::string_view channel) const {
    const auto found = machine_.logs.find(std::string(channel));
    if (found == machine_.logs.end()) {
      return absl::NotFoundError(absl::StrCat("no event channel '", channel, "'"));
    }
    return &found->second;
  }

  FakeMachine& machine_;
};

class FakeFirewall final : public Firewall {
 public:
  explicit FakeFirewall(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<v1::FirewallSection> Read(uint32_t) override {
    KM_RETURN_IF_ERROR(Broken(machine_, "firewall"));
    return machine_.firewall;
  }
  absl::Status SetRuleEnabled(absl::string_view rule_id, bool enabled) override {
    const auto rule = Find(rule_id);
    if (rule == rules().end()) return NoRule(rule_id);
    Do(machine_, "SetRuleEnabled", absl::StrCat(rule_id, " ", enabled),
       [&] { rule->set_enabled(enabled); });
    return absl::OkStatus();
  }
  absl::Status AddInboundRule(const v1::FirewallRule& rule) override {
    if (Find(rule.id()) != rules().end()) {
      return absl::AlreadyExistsError(absl::StrCat("firewall rule '", rule.id(), "' exists"));
    }
    Do(machine_, "AddInboundRule", rule.id(), [&] { *machine_.firewall.add_rules() = rule; });
    return absl::OkStatus();
  }
  absl::Status RemoveRule(absl::string_view rule_id) override {
    const auto rule = Find(rule_id);
    if (rule == rules().end()) return NoRule(rule_id);
    Do(machine_, "RemoveRule", std::string(rule_id), [&] { rules().erase(rule); });
    return absl::OkStatus();
  }

 private:
  using Rules = google::protobuf::RepeatedPtrField<v1::FirewallRule>;
  Rules& rules() { return *machine_.firewall.mutable_rules(); }
  Rules::iterator Find(absl::string_view id) {
    return std::find_if(rules().begin(), rules().end(),
                        [&](const auto& rule) { return rule.id() == id; });
  }
  static absl::Status NoRule(absl::string_view id) {
    return absl::NotFoundError(absl::StrCat("no firewall rule '", id, "'"));
  }

  FakeMachine& machine_;
};

class FakeNames final : public Names {
 public:
  explicit FakeNames(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<std::vector<std::string>> SearchSuffixes() override {
    KM_RETURN_IF_ERROR(Broken(machine_, "names"));
    return machine_.suffixes;
  }
  v1::SrvAnswer LookupSrv(absl::string_view name) override {
    const auto found = machine_.srv.find(std::string(name));
    v1::SrvAnswer answer;
    if (found != machine_.srv.end()) answer = found->second;
    if (found == machine_.srv.end()) answer.set_error(0x8007232B);
    answer.set_name(std::string(name));
    return answer;
  }

 private:
  FakeMachine& machine_;
};

class FakeServices final : public Services {
 public:
  explicit FakeServices(FakeMachine& machine) : machine_(machine) {}
  absl::StatusOr<State> Query(absl::string_view name) override {
    KM_RETURN_IF_ERROR(Broken(machine_, "services"));
    KM_ASSIGN_OR_RETURN(State * state, Find(name));
    return *state;
  }
  absl::Status SetDisabled(absl::string_view name, bool disabled) override {
    KM_ASSIGN_OR_RETURN(State * state, Find(name));
    Do(machine_, "SetServiceDisabled", absl::StrCat(name, " ", disabled), [&] {
      state->disabled = disabled;
      state->running = state->running && !disabled;
    });
    return absl::OkStatus();
  }
  absl::Status Restart(absl::string_view name) override {
    KM_ASSIGN_OR_RETURN(State * state, Find(name));
    if (state->disabled) {
      return absl::FailedPreconditionError(absl::StrCat("the service ", name, " is disabled"));
    }
    Do(machine_, "RestartService", std::string(name), [&] { state->running = true; });
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<State*> Find(absl::string_view name) {
    const auto found = machine_.services.find(std::string(name));
    if (found == machine_.services.end()) {
      return absl::NotFoundError(absl::StrCat("no service '", name, "'"));
    }
    return &found->second;
  }

  FakeMachine& machine_;
};

class FakeProbe final : public EndpointProbe {
 public:
  explicit FakeProbe(FakeMachine& machine) : machine_(machine) {}
  v1::Probe Bind(absl::string_view host, uint32_t port) override {
    v1::Probe probe;
    probe.set_host(std::string(host));
    probe.set_port(port);
    const auto found = machine_.endpoints.find(absl::StrCat(host, ":", port));
    probe.set_result(found == machine_.endpoints.end() ? v1::PROBE_RESULT_UNRESOLVED
                                                       : found->second);
    return probe;
  }

 private:
  FakeMachine& machine_;
};

}  // namespace

void FakeMachine::Log(std::string channel, uint32_t event_id, std::vector<std::string> data,
                      int64_t unix_seconds) {
  std::vector<v1::EventRecord>& log = logs[channel];
  v1::EventRecord event;
  event.set_record_id(log.empty() ? 1 : log.back().record_id() + 1);
  event.set_channel(std::move(channel));
  event.set_event_id(event_id);
  event.set_provider("Microsoft-Windows-Security-SPP");
  event.mutable_time()->set_seconds(unix_seconds);
  event.set_computer(os.computer_name());
  for (std::string& text : data) event.add_data(std::move(text));
  log.push_back(std::move(event));
}

FakeMachine FakeMachine::Conforming() {
  FakeMachine machine;
  machine.os.set_computer_name("fake-01");
  machine.os.set_dns_domain("contoso.example");
  machine.os.set_edition_id("Enterprise");
  machine.os.set_build(22631);
  machine.os.set_clock_skew_minutes(0);
  auto& product = *machine.licensing.add_products();
  product.set_activation_id("73111121-5638-40f6-bc11-f1d7b0d64300");
  product.set_application_id("55c92734-d682-4d71-983e-d6ec3f16059f");
  product.set_name("Windows(R), Enterprise edition");
  product.set_description("Windows(R) Operating System, VOLUME_KMSCLIENT channel");
  product.set_channel("VOLUME_KMSCLIENT");
  product.set_partial_key("2YT43");
  product.set_status(v1::LICENSE_STATUS_LICENSED);
  machine.licensing.set_windows_rearms_left(3);
  machine.client.set_client_machine_id("11111111-0000-4000-8000-000000000001");
  machine.client.set_registered_host("");
  machine.client.set_host_caching(true);
  machine.client.set_activation_type(v1::ACTIVATION_TYPE_ALL);
  machine.client.set_renewal_interval_minutes(10080);
  machine.firewall.set_enabled(true);
  machine.firewall.set_active_profile("domain");
  auto& rule = *machine.firewall.add_rules();
  rule.set_id("SPPSVC-In-TCP");
  rule.set_enabled(false);
  rule.set_inbound_allow(true);
  rule.add_tcp_ports(1688);
  machine.suffixes = {"contoso.example"};
  machine.services["sppsvc"] = {.running = true, .disabled = false};
  for (int i = 0; i < 5; ++i) machine.Log("Application", 903, {}, 1700000000 + i);
  machine.logs["Key Management Service"];
  return machine;
}

Systems MakeFakeSystems(FakeMachine& machine) {
  Systems systems;
  systems.machine = std::make_unique<FakeMachineSeam>(machine);
  systems.licensing = std::make_unique<FakeLicensing>(machine);
  systems.events = std::make_unique<FakeEventLog>(machine);
  systems.firewall = std::make_unique<FakeFirewall>(machine);
  systems.names = std::make_unique<FakeNames>(machine);
  systems.services = std::make_unique<FakeServices>(machine);
  systems.probe = std::make_unique<FakeProbe>(machine);
  return systems;
}

}  // namespace keymedic::systems
