// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "agent/connection.h"
#include "agent/identity.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/recovery.h"
#include "agent/session.h"
#include "agent/status_file.h"
#include "base/files.h"
#include "base/log.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "base/x509.h"

namespace keymedic::agent {
namespace {

// A plugin that hangs in the first look does not keep the agent from its controller.
constexpr absl::Duration kFirstLookPatience = absl::Seconds(10);

// Owns the parts and the loop of connecting. Everything runs on the strand, but for what is said
// to be called from outside.
class Core final : public Link, public std::enable_shared_from_this<Core> {
 public:
  Core(AgentOptions options, AgentDeps deps, Identity identity, Database database)
      : options_(std::move(options)),
        deps_(deps),
        identity_(std::move(identity)),
        database_(std::move(database)),
        strand_(Strand::Make(deps.executor)),
        lane_(Strand::Make(deps.executor)) {}

  absl::Status Init();

  // From outside.
  void Start();
  void Stop();
  bool connected() const { return connected_; }
  void Post(std::function<void()> work) { strand_->Post(std::move(work)); }
  const std::string& machine_id() const { return machine_id_; }

  // Link.
  void Send(v1::AgentMessage message) override {
    if (connection_ != nullptr) connection_->Send(std::move(message));
  }
  void Close(const std::string& why) override {
    log::Info("AGENT_GIVES_UP_CONNECTION", "{}", why);
    if (connection_ != nullptr) connection_->Close();
  }

 private:
  void FirstLookOver();
  void Connect();
  void OpenConnection(const Credential& credential);
  bool Reload();
  void Recover(const Credential& ended);
  void Recovered(absl::StatusOr<v1::RecoverCertificateResponse> response);
  absl::StatusOr<std::string> NewRequest();
  absl::Status StoreNext(const std::string& certificate_pem, const std::string& ca_pem);
  void Welcomed();
  void Closed(const absl::Status& status, absl::Duration retry_after);
  void RenewIfDue();
  void Renewed(absl::StatusOr<v1::RenewCertificateResponse> response);
  void ReconnectNow();
  void Told(const v1::MachineStatus& status);

  const AgentOptions options_;
  const AgentDeps deps_;
  Identity identity_;
  std::string machine_id_;
  Database database_;
  std::optional<Journal> journal_;
  std::optional<Outbox> outbox_;
  std::shared_ptr<Strand> strand_;
  std::shared_ptr<Strand> lane_;
  std::shared_ptr<Session> session_;

  std::atomic<bool> started_ = false;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> connected_ = false;
  absl::Notification closed_for_good_;

  bool stop_begun_ = false;  // Stop has been here, and waits if there is a connection
  bool connecting_ = false;  // the loop has begun
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Recovery> recovery_;
  bool recovery_tried_ = false;  // by the present attempt to connect
  bool using_next_ = false;      // this connection tries the renewed credential
  bool next_failed_ = false;     // the last try with it came to nothing: the old one is tried
  bool reconnect_now_ = false;
  int failures_ = 0;     // since the last Welcome
  std::string new_key_;  // of the renewal or recovery under way
};

absl::Status Core::Init() {
  machine_id_ = identity_.machine_id();
  // Hundreds of agents share a process: none needs a page cache of megabytes.
  KM_RETURN_IF_ERROR(
      database_.Execute("PRAGMA cache_size=-128; PRAGMA journal_size_limit=1048576"));
  KM_ASSIGN_OR_RETURN(journal_, Journal::Open(database_));
  KM_ASSIGN_OR_RETURN(outbox_, Outbox::Open(database_, options_.outbox_max_bytes));
  const std::weak_ptr<Core> weak = weak_from_this();
  const auto call = [weak](void (Core::*method)()) {
    return [weak, method] {
      if (auto self = weak.lock()) ((*self).*method)();
    };
  };
  std::function<void(const v1::MachineStatus&)> told;
  if (options_.keep_status) {
    told = [weak](const v1::MachineStatus& status) {
      if (auto self = weak.lock()) self->Told(status);
    };
  }
  session_ = Session::Make(
      {options_.machine_name, options_.labels, options_.collect_interval, options_.plugin_timeout},
      {deps_.clock, deps_.random, deps_.plugins, *journal_, *outbox_, strand_, lane_,
       call(&Core::FirstLookOver), call(&Core::Welcomed), call(&Core::RenewIfDue), told});
  return absl::OkStatus();
}

void Core::Start() {
  if (started_.exchange(true)) return;
  strand_->Post([self = shared_from_this()] { self->session_->Start(); });
  strand_->PostAfter(kFirstLookPatience, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->FirstLookOver();
  });
}

void Core::Stop() {
  if (!started_ || stopped_.exchange(true)) return;
  strand_->Post([self = shared_from_this()] {
    self->stop_begun_ = true;
    self->session_->Stop();
    if (self->connection_ != nullptr) {
      self->connection_->Close();
    } else if (self->recovery_ != nullptr) {
      self->recovery_->Cancel();
    } else {
      self->closed_for_good_.Notify();
    }
  });
  closed_for_good_.WaitForNotification();
  // A plugin may still be at work; then what it posts back.
  for (const auto& lane : {lane_, strand_}) {
    absl::Notification drained;
    lane->Post([&drained] { drained.Notify(); });
    drained.WaitForNotification();
  }
}

void Core::FirstLookOver() {
  if (std::exchange(connecting_, true)) return;
  Connect();
}

void Core::Connect() {
  if (stopped_) return;
  Reload();
  using_next_ = identity_.next().has_value() && !next_failed_;
  const Credential& credential = using_next_ ? *identity_.next() : identity_.current();
  // If nothing comes of it, or this machine's clock is ahead, what there is is tried all the same.
  if (deps_.clock.Now() > credential.not_after && !std::exchange(recovery_tried_, true)) {
    return Recover(credential);
  }
  recovery_tried_ = false;
  OpenConnection(credential);
}

// What another process has stored meanwhile, enrolling this machine anew, takes effect. True: it
// did. What is not whole is looked at again with the next attempt.
bool Core::Reload() {
  auto stored = Identity::Read(options_.state_dir);
  if (!stored.ok()) {
    log::Warning("AGENT_IDENTITY_UNREADABLE", "{}", stored.status().ToString());
    return false;
  }
  const bool changed = stored->controller() != identity_.controller() ||
                       stored->current().certificate_pem != identity_.current().certificate_pem;
  identity_ = *std::move(stored);
  if (changed) {
    next_failed_ = false;
    new_key_.clear();  // what was asked for the old one is not waited for any more
    log::Info("AGENT_IDENTITY_CHANGED", "this machine was enrolled anew, with {}",
              identity_.controller());
  }
  return changed;
}

// A new key, kept in new_key_, and the request for its certificate.
absl::StatusOr<std::string> Core::NewRequest() {
  KM_ASSIGN_OR_RETURN(std::string key, x509::GenerateKeyPem());
  KM_ASSIGN_OR_RETURN(std::string csr, x509::MakeCsrPem(key, options_.machine_name));
  new_key_ = std::move(key);
  return csr;
}

absl::Status Core::StoreNext(const std::string& certificate_pem, const std::string& ca_pem) {
  KM_ASSIGN_OR_RETURN(Credential next,
                      MakeCredential(std::exchange(new_key_, ""), certificate_pem,
                                     ca_pem.empty() ? identity_.current().ca_pem : ca_pem));
  return identity_.StoreNext(std::move(next));
}

void Core::Recover(const Credential& ended) {
  log::Info("AGENT_CERTIFICATE_EXPIRED",
            "this machine's certificate ended at {}; asking {} for a new one",
            absl::FormatTime(ended.not_after), identity_.controller());
  const auto csr = NewRequest();
  if (!csr.ok()) return Recovered(csr.status());
  recovery_ = Recovery::Begin(
      identity_.controller(), ended, *csr,
      [weak = weak_from_this(), strand = strand_](
          std::shared_ptr<Recovery> last, absl::StatusOr<v1::RecoverCertificateResponse> response) {
        strand->Post([weak, last = std::move(last), response = std::move(response)] {
          if (auto self = weak.lock()) self->Recovered(response);
        });
      });
}

void Core::Recovered(absl::StatusOr<v1::RecoverCertificateResponse> response) {
  recovery_.reset();
  if (stopped_) {
    if (stop_begun_) closed_for_good_.Notify();
    return;
  }
  if (Reload()) return Connect();
  absl::Status status = response.status();
  if (status.ok()) status = StoreNext(response->certificate_pem(), response->ca_pem());
  if (status.ok()) {
    next_failed_ = false;
    log::Info("AGENT_CERTIFICATE_RECOVERED", "the new certificate ends at {}",
              absl::FormatTime(identity_.next()->not_after));
  } else {
    log::Warning("AGENT_RECOVERY_FAILED",
                 "no new certificate: {}; the old one is kept. If this machine should belong to "
                 "this controller and this lasts, enrol it again: keymedic-agent enroll",
                 status.ToString());
  }
  Connect();
}

void Core::OpenConnection(const Credential& credential) {
  const std::weak_ptr<Core> weak = weak_from_this();
  ConnectionEvents events;
  // The strand is held here and not through `weak`: gRPC's threads must not own the core.
  events.message = [weak, strand = strand_](v1::ControllerMessage message) {
    strand->Post([weak, message = std::move(message)] {
      if (auto self = weak.lock()) self->session_->Received(message);
    });
  };
  events.renewed = [weak, strand = strand_](absl::StatusOr<v1::RenewCertificateResponse> response) {
    strand->Post([weak, response = std::move(response)] {
      if (auto self = weak.lock()) self->Renewed(response);
    });
  };
  events.closed = [weak, strand = strand_](std::shared_ptr<Connection> last, absl::Status status,
                                           absl::Duration retry_after) {
    strand->Post([weak, last = std::move(last), status = std::move(status), retry_after] {
      if (auto self = weak.lock()) self->Closed(status, retry_after);
    });
  };
  connection_ = Connection::Open(identity_.controller(), credential, std::move(events));
  session_->Connected(*this);
}

void Core::Welcomed() {
  connected_ = true;
  failures_ = 0;
  log::Info("AGENT_CONNECTED", "connected to {} as machine {}", identity_.controller(),
            machine_id_);
  absl::Status status;
  if (using_next_) {
    status = identity_.PromoteNext();
    using_next_ = false;
  } else if (identity_.next().has_value()) {
    status = identity_.DiscardNext();  // the old one works where the new one did not
  }
  next_failed_ = false;
  if (!status.ok()) log::Error("AGENT_IDENTITY_NOT_STORED", "{}", status.ToString());
  RenewIfDue();
}

void Core::Closed(const absl::Status& status, absl::Duration retry_after) {
  connection_.reset();
  new_key_.clear();
  session_->Disconnected();
  const bool was_connected = connected_.exchange(false);
  if (stopped_) {
    if (stop_begun_) closed_for_good_.Notify();
    return;
  }
  if (std::exchange(reconnect_now_, false)) return Connect();
  if (!was_connected) {
    ++failures_;
    if (identity_.next().has_value()) next_failed_ = using_next_;
  }
  const absl::Duration delay =
      ReconnectDelay(options_.reconnect, failures_, retry_after, deps_.random.Uniform());
  const std::string text =
      fmt::format("{} {}: {}; next attempt in {}",
                  was_connected ? "lost the connection to" : "cannot connect to",
                  identity_.controller(), status.ToString(), absl::FormatDuration(delay));
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    log::Warning("AGENT_REFUSED",
                 "{}; if this machine should belong to this controller, enrol "
                 "it again: keymedic-agent enroll",
                 text);
  } else {
    log::Info("AGENT_DISCONNECTED", "{}", text);
  }
  strand_->PostAfter(delay, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Connect();
  });
}

void Core::RenewIfDue() {
  if (connection_ == nullptr || !new_key_.empty() || identity_.next().has_value() ||
      !identity_.current().NeedsRenewal(deps_.clock.Now())) {
    return;
  }
  const auto csr = NewRequest();
  if (!csr.ok()) return log::Error("AGENT_RENEWAL_FAILED", "{}", csr.status().ToString());
  connection_->Renew(*csr);
}

void Core::Renewed(absl::StatusOr<v1::RenewCertificateResponse> response) {
  if (stopped_ || new_key_.empty()) return;
  // A renewal of the old identity must not take the place of a new one.
  if (Reload()) return ReconnectNow();
  absl::Status status = response.status();
  if (status.ok()) status = StoreNext(response->certificate_pem(), response->ca_pem());
  if (!status.ok()) {
    new_key_.clear();
    return log::Warning("AGENT_RENEWAL_FAILED",
                        "the certificate, which ends at {}, could not be renewed: {}",
                        absl::FormatTime(identity_.current().not_after), status.ToString());
  }
  log::Info("AGENT_CERTIFICATE_RENEWED", "the new certificate ends at {}; reconnecting with it",
            absl::FormatTime(identity_.next()->not_after));
  ReconnectNow();
}

void Core::Told(const v1::MachineStatus& status) {
  const absl::Status stored = StoreStatus(options_.state_dir, status);
  if (!stored.ok()) log::Warning("AGENT_STATUS_NOT_STORED", "{}", stored.ToString());
}

void Core::ReconnectNow() {
  reconnect_now_ = true;
  if (connection_ != nullptr) connection_->Close();
}

class AgentImpl final : public Agent {
 public:
  explicit AgentImpl(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~AgentImpl() override { core_->Stop(); }

  void Start() override { core_->Start(); }
  void Stop() override { core_->Stop(); }
  bool connected() const override { return core_->connected(); }
  void Post(std::function<void()> work) override { core_->Post(std::move(work)); }
  const std::string& machine_id() const override { return core_->machine_id(); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Open(const AgentOptions& options, AgentDeps deps) {
  KM_ASSIGN_OR_RETURN(Identity identity, Identity::Load(options.state_dir));
  KM_ASSIGN_OR_RETURN(Database database,
                      Database::Open(absl::StrCat(options.state_dir, "/journal.db")));
  auto core = std::make_shared<Core>(options, deps, std::move(identity), std::move(database));
  KM_RETURN_IF_ERROR(core->Init());
  return std::make_unique<AgentImpl>(std::move(core));
}

}  // namespace keymedic::agent
