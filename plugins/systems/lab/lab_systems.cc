// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/lab_systems.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

using lab::v1::Act;
using lab::v1::MachineRequest;
using lab::v1::MachineResponse;

class Link {
 public:
  Link(std::string machine, LabTransport transport)
      : machine_(std::move(machine)), transport_(std::move(transport)) {}

  absl::StatusOr<MachineResponse> Call(MachineRequest request) {
    request.set_machine(machine_);
    KM_ASSIGN_OR_RETURN(MachineResponse response, transport_(request));
    if (response.status() != 0) {
      return absl::Status(static_cast<absl::StatusCode>(response.status()),
                          absl::StrCat("lab machine ", machine_, ": ", response.message()));
    }
    return response;
  }

  absl::StatusOr<MachineResponse> Ask(MachineRequest request, MachineResponse::AnswerCase wanted) {
    KM_ASSIGN_OR_RETURN(MachineResponse response, Call(std::move(request)));
    if (response.answer_case() != wanted) {
      return absl::InternalError(absl::StrCat("lab machine ", machine_, " answered field ",
                                              static_cast<int>(response.answer_case()),
                                              " where field ", static_cast<int>(wanted),
                                              " was asked for: lab and plugin differ in version"));
    }
    return response;
  }

  absl::StatusOr<Hresult> Do(Act act) {
    MachineRequest request;
    *request.mutable_act() = std::move(act);
    KM_ASSIGN_OR_RETURN(MachineResponse response, Call(std::move(request)));
    return response.hresult();
  }

  // For acts that no licensing service may refuse: an HRESULT is then an error like any other.
  absl::Status Change(Act act) {
    const std::string method = act.method();
    KM_ASSIGN_OR_RETURN(Hresult hresult, Do(std::move(act)));
    if (hresult == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("lab machine ", machine_, ": ", method, " gave 0x",
                                            absl::Hex(hresult, absl::kZeroPad8)));
  }

 private:
  const std::string machine_;
  const LabTransport transport_;
};

using SharedLink = std::shared_ptr<Link>;

Act MakeAct(absl::string_view method, absl::string_view text = "") {
  Act act;
  act.set_method(std::string(method));
  act.set_text(std::string(text));
  return act;
}
Act MakeAct(absl::string_view method, absl::string_view text, uint32_t number) {
  Act act = MakeAct(method, text);
  act.set_number(number);
  return act;
}
Act MakeFlagAct(absl::string_view method, absl::string_view text, bool flag) {
  Act act = MakeAct(method, text);
  act.set_flag(flag);
  return act;
}

class LabMachine final : public Machine {
 public:
  explicit LabMachine(SharedLink link) : link_(std::move(link)) {}
  absl::StatusOr<v1::OsSection> Os() override {
    MachineRequest request;
    request.mutable_os();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kOs));
    return std::move(*response.mutable_os());
  }
  absl::Status SynchroniseClock() override { return link_->Change(MakeAct("SynchroniseClock")); }
  absl::Status Restart() override { return link_->Change(MakeAct("Restart")); }

 private:
  SharedLink link_;
};

class LabLicensing final : public LicensingSystem {
 public:
  explicit LabLicensing(SharedLink link) : link_(std::move(link)) {}

  absl::StatusOr<v1::LicensingSection> Licensing() override {
    MachineRequest request;
    request.mutable_licensing();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kLicensing));
    return std::move(*response.mutable_licensing());
  }
  absl::StatusOr<v1::KmsClientSection> Client() override {
    MachineRequest request;
    request.mutable_client();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kClient));
    return std::move(*response.mutable_client());
  }
  absl::StatusOr<v1::KmsHostSection> Host() override {
    MachineRequest request;
    request.mutable_host();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kHost));
    return std::move(*response.mutable_host());
  }

  absl::StatusOr<Hresult> InstallKey(const ProductKey& key) override {
    return link_->Do(MakeAct("InstallKey", key.reveal()));
  }
  absl::StatusOr<Hresult> Activate(absl::string_view activation_id) override {
    return link_->Do(MakeAct("Activate", activation_id));
  }
  absl::StatusOr<Hresult> SetKmsHost(absl::string_view host, uint32_t port) override {
    return link_->Do(MakeAct("SetKmsHost", host, port));
  }
  absl::StatusOr<Hresult> ClearKmsHost() override { return link_->Do(MakeAct("ClearKmsHost")); }
  absl::StatusOr<Hresult> SetHostCaching(bool enabled) override {
    return link_->Do(MakeFlagAct("SetHostCaching", "", enabled));
  }
  absl::StatusOr<Hresult> SetActivationType(v1::ActivationType type) override {
    return link_->Do(MakeAct("SetActivationType", "", static_cast<uint32_t>(type)));
  }
  absl::StatusOr<Hresult> SetListeningPort(uint32_t port) override {
    return link_->Do(MakeAct("SetListeningPort", "", port));
  }
  absl::StatusOr<Hresult> SetDnsPublishing(bool enabled) override {
    return link_->Do(MakeFlagAct("SetDnsPublishing", "", enabled));
  }
  absl::StatusOr<Hresult> Rearm() override { return link_->Do(MakeAct("Rearm")); }
  absl::StatusOr<bool> RearmPending() override {
    MachineRequest request;
    request.mutable_rearm_pending();
    KM_ASSIGN_OR_RETURN(const auto response,
                        link_->Ask(std::move(request), MachineResponse::kRearmPending));
    return response.rearm_pending();
  }

 private:
  SharedLink link_;
};

class LabEventLog final : public EventLog {
 public:
  explicit LabEventLog(SharedLink link) : link_(std::move(link)) {}
  absl::StatusOr<Batch> Read(absl::string_view channel, uint64_t after, size_t limit) override {
    MachineRequest request;
    auto& read = *request.mutable_read_events();
    read.set_channel(std::string(channel));
    read.set_after(after);
    read.set_limit(static_cast<uint32_t>(limit));
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kEvents));
    Batch batch;
    auto& events = *response.mutable_events();
    batch.last_record_id = events.last_record_id();
    batch.events.reserve(events.events_size());
    for (auto& event : *events.mutable_events()) batch.events.push_back(std::move(event));
    return batch;
  }
  absl::Status SetMaxBytes(absl::string_view channel, uint64_t bytes) override {
    if (bytes > UINT32_MAX) {
      return absl::InvalidArgumentError(
          absl::StrCat("an event log of ", bytes, " bytes: the largest is ", UINT32_MAX));
    }
    return link_->Change(MakeAct("SetLogMaxBytes", channel, static_cast<uint32_t>(bytes)));
  }

 private:
  SharedLink link_;
};

class LabFirewall final : public Firewall {
 public:
  explicit LabFirewall(SharedLink link) : link_(std::move(link)) {}
  absl::StatusOr<v1::FirewallSection> Read(uint32_t) override {
    MachineRequest request;
    request.mutable_firewall();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kFirewall));
    return std::move(*response.mutable_firewall());
  }
  absl::Status SetRuleEnabled(absl::string_view rule_id, bool enabled) override {
    return link_->Change(MakeFlagAct("SetRuleEnabled", rule_id, enabled));
  }
  absl::Status AddInboundRule(const v1::FirewallRule& rule) override {
    Act act = MakeAct("AddInboundRule");
    *act.mutable_rule() = rule;
    return link_->Change(std::move(act));
  }
  absl::Status RemoveRule(absl::string_view rule_id) override {
    return link_->Change(MakeAct("RemoveRule", rule_id));
  }

 private:
  SharedLink link_;
};

// What a lab that cannot be asked leaves of a look-up: no verdict of a name server is invented.
constexpr uint32_t kDnsTimeout = 0x800705B4;

class LabNames final : public Names {
 public:
  explicit LabNames(SharedLink link) : link_(std::move(link)) {}
  absl::StatusOr<std::vector<std::string>> SearchSuffixes() override {
    MachineRequest request;
    request.mutable_suffixes();
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kSuffixes));
    const auto& suffixes = response.suffixes().suffixes();
    return std::vector<std::string>(suffixes.begin(), suffixes.end());
  }
  v1::SrvAnswer LookupSrv(absl::string_view name) override {
    MachineRequest request;
    request.set_lookup_srv(std::string(name));
    auto response = link_->Ask(std::move(request), MachineResponse::kSrv);
    if (response.ok()) return std::move(*response->mutable_srv());
    v1::SrvAnswer answer;
    answer.set_name(std::string(name));
    answer.set_error(kDnsTimeout);
    return answer;
  }

 private:
  SharedLink link_;
};

class LabServices final : public Services {
 public:
  explicit LabServices(SharedLink link) : link_(std::move(link)) {}
  absl::StatusOr<State> Query(absl::string_view name) override {
    MachineRequest request;
    request.set_query_service(std::string(name));
    KM_ASSIGN_OR_RETURN(auto response, link_->Ask(std::move(request), MachineResponse::kService));
    return State{.running = response.service().running(),
                 .disabled = response.service().disabled()};
  }
  absl::Status SetDisabled(absl::string_view name, bool disabled) override {
    return link_->Change(MakeFlagAct("SetServiceDisabled", name, disabled));
  }
  absl::Status Restart(absl::string_view name) override {
    return link_->Change(MakeAct("RestartService", name));
  }

 private:
  SharedLink link_;
};

class LabProbe final : public EndpointProbe {
 public:
  explicit LabProbe(SharedLink link) : link_(std::move(link)) {}
  v1::Probe Bind(absl::string_view host, uint32_t port) override {
    MachineRequest request;
    request.mutable_probe()->set_host(std::string(host));
    request.mutable_probe()->set_port(port);
    auto response = link_->Ask(std::move(request), MachineResponse::kProbe);
    if (response.ok()) return std::move(*response->mutable_probe());
    v1::Probe probe;  // the result stays unspecified: nothing was learnt
    probe.set_host(std::string(host));
    probe.set_port(port);
    probe.set_detail(std::string(response.status().message()));
    return probe;
  }

 private:
  SharedLink link_;
};

}  // namespace

Systems MakeLabSystems(std::string machine, LabTransport transport) {
  auto link = std::make_shared<Link>(std::move(machine), std::move(transport));
  Systems systems;
  systems.machine = std::make_unique<LabMachine>(link);
  systems.licensing = std::make_unique<LabLicensing>(link);
  systems.events = std::make_unique<LabEventLog>(link);
  systems.firewall = std::make_unique<LabFirewall>(link);
  systems.names = std::make_unique<LabNames>(link);
  systems.services = std::make_unique<LabServices>(link);
  systems.probe = std::make_unique<LabProbe>(link);
  return systems;
}

}  // namespace keymedic::systems
