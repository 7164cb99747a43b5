// SPDX-License-Identifier: Apache-2.0
//
// One connection to the controller: a channel with mutual TLS, the stream on it, and the renewal of
// the certificate beside the stream. Over gRPC's callback API, so it owns no thread.
//
// Life cycle: Open -> Send, Renew ... -> `closed`, the last event, always comes: after Close, after
// the controller ended the stream, or when it could not be reached.
// Threads: calls from any thread; events come on gRPC's threads and must not block.
// Ownership: it keeps itself alive until it hands itself to `closed`.
#ifndef KEYMEDIC_AGENT_CONNECTION_H_
#define KEYMEDIC_AGENT_CONNECTION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/identity.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::agent {

class Connection;

struct ConnectionEvents {
  std::function<void(v1::ControllerMessage)> message;
  std::function<void(absl::StatusOr<v1::RenewCertificateResponse>)> renewed;
  // `retry_after`: how long the controller asks to stay away; zero if it says nothing.
  // `last` keeps the connection and must be let go of elsewhere: with the last channel of a process
  // gRPC joins the very thread that this comes on.
  std::function<void(std::shared_ptr<Connection> last, absl::Status status,
                     absl::Duration retry_after)>
      closed;
};

class Connection {
 public:
  static std::shared_ptr<Connection> Open(const std::string& controller,
                                          const Credential& credential, ConnectionEvents events);
  virtual ~Connection() = default;

  virtual void Send(v1::AgentMessage message) = 0;
  virtual void Renew(const std::string& csr_pem) = 0;  // one at a time
  virtual void Close() = 0;
};

// Of google.rpc.RetryInfo in the serialised google.rpc.Status of an error; zero if it has none.
absl::Duration RetryDelay(const std::string& status_details);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CONNECTION_H_
