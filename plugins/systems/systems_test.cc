// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite over the fake, over the lab system in process and by socket (its far end is
// the fake), and over this machine; and what only the lab's transports can get wrong.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/frames.h"
#include "plugins/systems/dns_responder.h"
#include "plugins/systems/fake_systems.h"
#include "plugins/systems/lab/lab_in_process.h"
#include "plugins/systems/lab/unix_transport.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/systems_conformance.h"

namespace keymedic::systems {
namespace {

using lab::v1::MachineRequest;
using lab::v1::MachineResponse;

absl::StatusOr<Hresult> Simple(const absl::Status& status) {
  if (!status.ok()) return status;
  return 0;
}

// A StatusOr may not be made of an OK status, which is here about to be replaced by the value.
absl::Status Failed(const absl::Status& status) {
  return status.ok() ? absl::UnknownError("no answer") : status;
}

absl::StatusOr<Hresult> ServeAct(Systems& s, const lab::v1::Act& act) {
  const std::string& m = act.method();
  auto& licensing = *s.licensing;
  if (m == "InstallKey") {
    const auto key = ProductKey::Parse(act.text());
    return key.ok() ? licensing.InstallKey(*key) : key.status();
  }
  if (m == "Activate") return licensing.Activate(act.text());
  if (m == "SetKmsHost") return licensing.SetKmsHost(act.text(), act.number());
  if (m == "ClearKmsHost") return licensing.ClearKmsHost();
  if (m == "SetHostCaching") return licensing.SetHostCaching(act.flag());
  if (m == "SetActivationType") {
    return licensing.SetActivationType(static_cast<v1::ActivationType>(act.number()));
  }
  if (m == "SetListeningPort") return licensing.SetListeningPort(act.number());
  if (m == "SetDnsPublishing") return licensing.SetDnsPublishing(act.flag());
  if (m == "Rearm") return licensing.Rearm();
  if (m == "SetLogMaxBytes") return Simple(s.events->SetMaxBytes(act.text(), act.number()));
  if (m == "SetRuleEnabled") return Simple(s.firewall->SetRuleEnabled(act.text(), act.flag()));
  if (m == "AddInboundRule") return Simple(s.firewall->AddInboundRule(act.rule()));
  if (m == "RemoveRule") return Simple(s.firewall->RemoveRule(act.text()));
  if (m == "SetServiceDisabled") return Simple(s.services->SetDisabled(act.text(), act.flag()));
  if (m == "RestartService") return Simple(s.services->Restart(act.text()));
  if (m == "SynchroniseClock") return Simple(s.machine->SynchroniseClock());
  if (m == "Restart") return Simple(s.machine->Restart());
  return absl::UnimplementedError(absl::StrCat("unknown act ", m));
}

// A fake far end: answers the lab's messages from any other Systems.
MachineResponse Serve(Systems& s, const MachineRequest& request) {
  MachineResponse response;
  const auto put = [&](auto answer, auto* (MachineResponse::*field)()) {
    if (answer.ok()) {
      *(response.*field)() = *std::move(answer);
    } else {
      response.set_status(static_cast<int>(answer.status().code()));
      response.set_message(std::string(answer.status().message()));
    }
  };
  switch (request.call_case()) {
    case MachineRequest::kOs:
      put(s.machine->Os(), &MachineResponse::mutable_os);
      break;
    case MachineRequest::kLicensing:
      put(s.licensing->Licensing(), &MachineResponse::mutable_licensing);
      break;
    case MachineRequest::kClient:
      put(s.licensing->Client(), &MachineResponse::mutable_client);
      break;
    case MachineRequest::kHost:
      put(s.licensing->Host(), &MachineResponse::mutable_host);
      break;
    case MachineRequest::kFirewall:
      put(s.firewall->Read(1688), &MachineResponse::mutable_firewall);
      break;
    case MachineRequest::kReadEvents: {
      const auto& read = request.read_events();
      const auto batch = s.events->Read(read.channel(), read.after(), read.limit());
      absl::StatusOr<lab::v1::Events> events = Failed(batch.status());
      if (batch.ok()) {
        events = lab::v1::Events();
        events->set_last_record_id(batch->last_record_id);
        for (const auto& event : batch->events) *events->add_events() = event;
      }
      put(std::move(events), &MachineResponse::mutable_events);
      break;
    }
    case MachineRequest::kSuffixes: {
      const auto suffixes = s.names->SearchSuffixes();
      absl::StatusOr<lab::v1::Suffixes> list = Failed(suffixes.status());
      if (suffixes.ok()) {
        list = lab::v1::Suffixes();
        list->mutable_suffixes()->Assign(suffixes->begin(), suffixes->end());
      }
      put(std::move(list), &MachineResponse::mutable_suffixes);
      break;
    }
    case MachineRequest::kLookupSrv:
      *response.mutable_srv() = s.names->LookupSrv(request.lookup_srv());
      break;
    case MachineRequest::kProbe:
      *response.mutable_probe() = s.probe->Bind(request.probe().host(), request.probe().port());
      break;
    case MachineRequest::kQueryService: {
      const auto state = s.services->Query(request.query_service());
      absl::StatusOr<lab::v1::Service> service = Failed(state.status());
      if (state.ok()) {
        service = lab::v1::Service();
        service->set_running(state->running);
        service->set_disabled(state->disabled);
      }
      put(std::move(service), &MachineResponse::mutable_service);
      break;
    }
    case MachineRequest::kRearmPending: {
      const auto pending = s.licensing->RearmPending();
      if (pending.ok()) {
        response.set_rearm_pending(*pending);
      } else {
        response.set_status(static_cast<int>(pending.status().code()));
        response.set_message(std::string(pending.status().message()));
      }
      break;
    }
    case MachineRequest::kAct: {
      const auto done = ServeAct(s, request.act());
      if (done.ok()) {
        response.set_hresult(*done);
      } else {
        response.set_status(static_cast<int>(done.status().code()));
        response.set_message(std::string(done.status().message()));
      }
      break;
    }
    case MachineRequest::kEffects:  // not of a machine: of the lab
    case MachineRequest::CALL_NOT_SET:
      response.set_status(3);
      break;
  }
  return response;
}

// A lab's socket: each connection is served in turn. After `answers` answers it takes one more
// request and hangs up.
class SocketLab {
 public:
  explicit SocketLab(int answers = 1 << 30) : directory_(testing::TempDir() + "kmlabXXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/s";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    thread_ = std::thread([this, answers] {
      Systems systems = MakeFakeSystems(machine);
      while (true) {
        const int connection = accept(fd_, nullptr, nullptr);
        if (connection < 0) return;
        connections++;
        MachineRequest request;
        for (int i = 0; ReadFrame(connection, request).ok() && i < answers; ++i) {
          if (!WriteFrame(connection, Serve(systems, request)).ok()) break;
        }
        close(connection);
      }
    });
  }
  ~SocketLab() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  const std::string& path() const { return path_; }

  FakeMachine machine = FakeMachine::Conforming();
  std::atomic<int> connections = 0;

 private:
  std::string directory_, path_;
  int fd_;
  std::thread thread_;
};

Systems FakeUnderTest() {
  static auto* const machine = new FakeMachine(FakeMachine::Conforming());
  return MakeFakeSystems(*machine);
}

Systems InProcessUnderTest() {
  static auto* const systems = new Systems(FakeUnderTest());
  static auto* const lab = new absl::StatusOr<InProcessLab>(RegisterInProcessLab(
      "conformance", [](const MachineRequest& request) { return Serve(*systems, request); }));
  EXPECT_TRUE(lab->ok());
  return *OpenSystems("lab:inprocess:conformance#pc-1");
}

// Here only the names and the probe are asked over a wire: a name server of our own answers them.
Systems LocalUnderTest() {
  static auto* const dns = [] {
    auto* made = new DnsResponder;
    made->Start();
    return made;
  }();
  Systems systems = *OpenSystems("local");
  const ResolverOptions options{.servers = dns->server()};
  systems.names = MakePortableNames(options);
  systems.probe = MakePortableProbe(absl::Seconds(5), options);
  return systems;
}

INSTANTIATE_TEST_SUITE_P(
    All, SystemsConformance,
    testing::Values(SystemsUnderTest{"Fake", FakeUnderTest, "Application", true},
                    SystemsUnderTest{"LabInProcess", InProcessUnderTest, "Application", true},
                    SystemsUnderTest{"Local", LocalUnderTest, ""}),
    [](const auto& info) { return info.param.name; });

TEST(OpenSystemsTest, SaysWhatIsWrongWithAName) {
  for (const std::string bad : {"", "remote", "lab:", "lab:unix:/p", "lab:unix:#m", "lab:unix:/p#",
                                "lab:tcp:127.0.0.1:1", "lab:tcp:#m", "lab:inprocess:x"}) {
    const auto opened = OpenSystems(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(opened.status())) << bad << opened.status();
  }
  EXPECT_TRUE(absl::IsNotFound(OpenSystems("lab:inprocess:nobody#pc-1").status()));
}

TEST(InProcessLabTest, OneOfEachNameAndGoneWhenItEnds) {
  const auto answer = [](const MachineRequest& request) {
    MachineResponse response;
    response.mutable_os()->set_computer_name(request.machine());
    return response;
  };
  auto lab = std::make_unique<InProcessLab>(*RegisterInProcessLab("world", answer));
  EXPECT_TRUE(absl::IsAlreadyExists(RegisterInProcessLab("world", answer).status()));
  Systems systems = *OpenSystems("lab:inprocess:world#pc-017");
  EXPECT_EQ(systems.machine->Os()->computer_name(), "pc-017");
  EXPECT_TRUE(absl::IsInternal(systems.licensing->Client().status())) << "another answer";
  lab.reset();
  EXPECT_TRUE(absl::IsUnavailable(systems.machine->Os().status()));
  EXPECT_TRUE(absl::IsNotFound(OpenSystems("lab:inprocess:world#pc-017").status()));
  EXPECT_TRUE(RegisterInProcessLab("world", answer).ok());
}

TEST(UnixTransportTest, ServesEverySeam) {
  SocketLab lab;
  Systems systems = *OpenSystems("lab:unix:" + lab.path() + "#pc-1");
  EXPECT_EQ(systems.machine->Os()->computer_name(), "fake-01");
  EXPECT_EQ(systems.licensing->Client()->client_machine_id(),
            "11111111-0000-4000-8000-000000000001");
  EXPECT_TRUE(absl::IsNotFound(systems.licensing->Host().status()));
  EXPECT_EQ(systems.events->Read("Application", 0, 3)->events.size(), 3u);
  EXPECT_EQ(systems.firewall->Read(1688)->rules_size(), 1);
  EXPECT_EQ(systems.names->SearchSuffixes()->size(), 1u);
  EXPECT_TRUE(systems.services->Query("sppsvc")->running);
  EXPECT_EQ(*systems.licensing->SetKmsHost("kms.example", 1688), 0u);
  EXPECT_EQ(systems.licensing->Client()->registered_host(), "kms.example");
  EXPECT_EQ(lab.connections, 1);
}

TEST(UnixTransportTest, ALabThatCameBackIsFoundAgain) {
  SocketLab lab(1);
  Systems systems = *OpenSystems("lab:unix:" + lab.path() + "#pc-1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(systems.machine->Os().ok()) << i;
  }
  EXPECT_EQ(lab.connections, 3);
}

TEST(UnixTransportTest, AnActThatMayHaveArrivedIsNotRepeated) {
  SocketLab lab(1);
  Systems systems = *OpenSystems("lab:unix:" + lab.path() + "#pc-1");
  EXPECT_TRUE(systems.machine->Os().ok());
  EXPECT_TRUE(absl::IsUnavailable(systems.licensing->Rearm().status()));
  EXPECT_EQ(lab.connections, 1);
  EXPECT_TRUE(systems.machine->Os().ok()) << "and the next call begins anew";
}

TEST(TcpTransportTest, NobodyThereAndNoAddress) {
  const auto os = OpenSystems("lab:tcp:127.0.0.1:1#pc-1")->machine->Os();
  EXPECT_TRUE(absl::IsUnavailable(os.status())) << os.status();
  EXPECT_NE(os.status().message().find("127.0.0.1:1"), std::string::npos);
  for (const std::string bad : {"127.0.0.1", "127.0.0.1:0", "localhost:5", "127.0.0.1:65536"}) {
    const auto refused = OpenSystems("lab:tcp:" + bad + "#pc-1")->machine->Os();
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << bad << refused.status();
  }
}

TEST(UnixTransportTest, NobodyThere) {
  Systems systems = *OpenSystems("lab:unix:/nonexistent/lab.sock#pc-1");
  const auto os = systems.machine->Os();
  EXPECT_TRUE(absl::IsUnavailable(os.status()));
  EXPECT_NE(os.status().message().find("/nonexistent/lab.sock"), std::string::npos);
  Systems too_long = *OpenSystems("lab:unix:/" + std::string(200, 'x') + "#pc-1");
  EXPECT_TRUE(absl::IsInvalidArgument(too_long.machine->Os().status()));
  EXPECT_EQ(too_long.names->LookupSrv("_vlmcs._tcp.x").error(), 0x800705B4u);
  EXPECT_EQ(too_long.probe->Bind("kms", 1688).result(), v1::PROBE_RESULT_UNSPECIFIED);
}

}  // namespace
}  // namespace keymedic::systems
