// SPDX-License-Identifier: Apache-2.0
#include "controller/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "controller/audit.h"
#include "controller/policy.h"
#include "controller/remediation/manager.h"
#include "controller/remediation/remediation_service.h"
#include "controller/services/admin_services.h"
#include "controller/services/agent_service.h"
#include "controller/services/fleet_service.h"
#include "controller/services/machine_gate.h"
#include "controller/store/store.h"
#include "controller/trust/authority.h"
#include "controller/trust/authorization.h"
#include "controller/trust/host_keys.h"
#include "controller/trust/recovery.h"
#include "controller/trust/tokens.h"
#include "kms/tables.h"

namespace keymedic::controller {
namespace {

constexpr int kMaxMessageBytes = 8 << 20;
constexpr int kMaxThreads = 128;  // of calls that block; streams need none

// An idle agent should cost little more than its TLS connection: small windows and buffers, no
// probing for bandwidth; half-open connections are found by keepalive.
void Tune(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, 16 << 10);
  builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, 4 << 10);
  builder.AddChannelArgument(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, 1 << 10);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, 64 << 10);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("keymedic-controller");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

}  // namespace

// In the order in which they are made; what is made later uses what stands before it.
struct Server::Parts {
  Parts(const ServerOptions& o, ServerDeps d, Authority a)
      : options(o), deps(d), authority(std::move(a)) {}

  ServerOptions options;
  ServerDeps deps;
  Authority authority;
  std::unique_ptr<Store> store;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<Revocations> revocations;
  std::unique_ptr<Recovery> recovery;
  std::unique_ptr<Tokens> tokens;
  std::unique_ptr<HostKeys> host_keys;
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<RemediationManager> remediations;
  std::unique_ptr<MachineGate> gate;
  std::unique_ptr<AgentServiceImpl> agent_service;
  std::unique_ptr<FleetServiceImpl> fleet_service;
  std::unique_ptr<AccessServiceImpl> access_service;
  std::unique_ptr<HostKeyServiceImpl> host_key_service;
  std::unique_ptr<PolicyServiceImpl> policy_service;
  std::unique_ptr<AuditServiceImpl> audit_service;
  std::unique_ptr<grpc::Service> remediation_service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  std::once_flag shut_down;

  absl::Status Open();
  absl::Status Listen();
};

absl::Status Server::Parts::Open() {
  KM_ASSIGN_OR_RETURN(store, OpenSqliteStore(absl::StrCat(options.data_dir, "/controller.db")));
  KM_ASSIGN_OR_RETURN(audit, AuditLog::Open(*store, deps.clock));
  KM_ASSIGN_OR_RETURN(revocations, Revocations::Load(*store));
  recovery =
      std::make_unique<Recovery>(authority, *revocations, deps.random, options.recovery_grace);
  tokens = std::make_unique<Tokens>(*store, deps.clock, deps.random, authority.ca_sha256());
  host_keys = std::make_unique<HostKeys>(
      *store, deps.clock, deps.random, absl::StrCat(options.data_dir, "/", HostKeys::kDataKeyFile));
  KM_ASSIGN_OR_RETURN(const v1::Policy policy, LoadPolicy(*store));
  KM_ASSIGN_OR_RETURN(fleet, Fleet::Open(*store, deps.clock, options.fleet, policy));
  KM_ASSIGN_OR_RETURN(
      remediations,
      RemediationManager::Open(
          {.fleet = *fleet,
           .store = *store,
           .executor = deps.executor,
           .clock = deps.clock,
           .random = deps.random,
           .audit =
               [this](const std::vector<AuditRecord>& records) { return audit->Append(records); },
           .treatments = kms::TreatmentRows(),
           .policy = [this] { return LoadPolicy(*store); },
           .secrets =
               [this](const std::string& machine_id, const std::string& action) {
                 return host_keys->SecretsFor(machine_id, action);
               }}));
  return absl::OkStatus();
}

absl::Status Server::Parts::Listen() {
  agent_service = std::make_unique<AgentServiceImpl>(
      AgentServiceDeps{*fleet, authority, *tokens, *revocations, *recovery, *audit, deps.clock,
                       deps.random, options.certificate_lifetime});
  host_key_service = std::make_unique<HostKeyServiceImpl>(*host_keys, *fleet, *audit);
  fleet_service =
      std::make_unique<FleetServiceImpl>(*fleet, *revocations, deps.clock, deps.executor);
  gate = std::make_unique<MachineGate>(*fleet, *revocations, *audit, deps.clock);
  access_service = std::make_unique<AccessServiceImpl>(*tokens, *gate, *audit);
  policy_service = std::make_unique<PolicyServiceImpl>(*store, fleet->diagnosis(), *audit);
  audit_service = std::make_unique<AuditServiceImpl>(*audit);
  remediation_service =
      MakeRemediationService(*remediations, [](const grpc::CallbackServerContext& context) {
        return PeerIdentity(*context.auth_context()).uri;
      });

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  Tune(builder);
  builder.AddListeningPort(options.listen, MakeServerCredentials(authority, *revocations), &port);
  builder.RegisterService(agent_service.get());
  builder.RegisterService(fleet_service.get());
  builder.RegisterService(access_service.get());
  builder.RegisterService(host_key_service.get());
  builder.RegisterService(policy_service.get());
  builder.RegisterService(audit_service.get());
  builder.RegisterService(remediation_service.get());
  server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen,
                     "; is another program there? Choose another with --listen HOST:PORT"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      ServerDeps deps) {
  KM_ASSIGN_OR_RETURN(Authority authority, Authority::Load(options.data_dir));
  // From here on whatever was opened is closed in order, whichever step fails.
  auto server = std::unique_ptr<Server>(
      new Server(std::make_unique<Parts>(options, deps, std::move(authority))));
  KM_RETURN_IF_ERROR(server->parts_->Open());
  KM_RETURN_IF_ERROR(server->parts_->Listen());
  log::Info("CONTROLLER_STARTED", "listening on port {}, data in {}", server->port(),
            options.data_dir);
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { Shutdown(); }
int Server::port() const { return parts_->port; }
Fleet& Server::fleet() { return *parts_->fleet; }

void Server::Shutdown() {
  std::call_once(parts_->shut_down, [this] {
    if (parts_->server != nullptr) {
      parts_->server->Shutdown(std::chrono::system_clock::now() +
                               absl::ToChronoMilliseconds(parts_->options.shutdown_grace));
      parts_->server->Wait();
    }
    // What streams left with the store speaks to the fleet when it is done: wait for the last.
    if (parts_->store != nullptr) (void)parts_->store->Commit({});
  });
}

}  // namespace keymedic::controller
