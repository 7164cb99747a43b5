// SPDX-License-Identifier: Apache-2.0
//
// The two messages of an endpoint probe, as bytes: the DCE/RPC bind for the KMS interface and what
// may come back. Nothing here can ask for an activation. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RPC_BIND_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RPC_BIND_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::systems {

std::string KmsBindPdu();

struct BindVerdict {
  v1::ProbeResult result = v1::PROBE_RESULT_UNSPECIFIED;
  std::string detail;
};

// Reads what has arrived so far; nothing while more bytes are needed to tell. `ended`: no more will
// come.
std::optional<BindVerdict> ReadBindAnswer(absl::string_view bytes, bool ended);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_PORTABLE_RPC_BIND_H_
