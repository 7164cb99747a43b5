// SPDX-License-Identifier: Apache-2.0
//
// Asks the controller for a new certificate in the name of one whose time is over: a nonce, then
// the proof, which the old key signs. Over gRPC's callback API, so it owns no thread.
//
// Life cycle: Begin -> `done`, which always comes, once: after Cancel as well.
// Threads: calls from any thread; `done` comes on one of gRPC's and must not block.
// Ownership: it keeps itself alive until it hands itself to `done`, which must let go of it
// elsewhere: with the last channel of a process gRPC joins the very thread that this comes on.
#ifndef KEYMEDIC_AGENT_RECOVERY_H_
#define KEYMEDIC_AGENT_RECOVERY_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/identity.h"
#include "keymedic/v1/agent_service.pb.h"

namespace keymedic::agent {

class Recovery {
 public:
  using Done = std::function<void(std::shared_ptr<Recovery> last,
                                  absl::StatusOr<v1::RecoverCertificateResponse> response)>;

  static std::shared_ptr<Recovery> Begin(const std::string& controller, const Credential& ended,
                                         const std::string& csr_pem, Done done);
  virtual ~Recovery() = default;
  virtual void Cancel() = 0;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_RECOVERY_H_
