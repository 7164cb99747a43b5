// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "plugins/systems/lab/lab_in_process.h"
#include "plugins/systems/lab/tcp_transport.h"
#include "plugins/systems/portable/portable.h"
#include "plugins/systems/systems.h"
#ifndef _WIN32
#include "plugins/systems/lab/unix_transport.h"
#endif

namespace keymedic::systems {
namespace {

using MakeTransport = absl::StatusOr<LabTransport>(absl::string_view lab);

absl::StatusOr<LabTransport> OverTcp(absl::string_view address) {
  return MakeTcpTransport(std::string(address));
}
#ifndef _WIN32
absl::StatusOr<LabTransport> OverUnix(absl::string_view path) {
  return MakeUnixTransport(std::string(path));
}
#endif

constexpr std::pair<absl::string_view, MakeTransport*> kTransports[] = {
#ifndef _WIN32
    {"lab:unix:", OverUnix},
#endif
    {"lab:tcp:", OverTcp},
    {"lab:inprocess:", FindInProcessLab},
};

}  // namespace

absl::StatusOr<Systems> OpenSystems(absl::string_view system, const Settings& settings) {
  if (system == "local") {
    const auto servers = settings.find("name_servers");
    return MakeLocalSystems(
        {.servers = servers == settings.end() ? std::string() : servers->second});
  }
  absl::string_view rest = system;
  MakeTransport* make = nullptr;
  for (const auto& [prefix, transport] : kTransports) {
    if (make == nullptr && absl::ConsumePrefix(&rest, prefix)) make = transport;
  }
  if (make == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown system '", system,
                     "': use local, lab:unix:/path#machine (not on Windows), "
                     "lab:tcp:127.0.0.1:PORT#machine or lab:inprocess:NAME#machine"));
  }
  const size_t hash = rest.rfind('#');
  if (hash == absl::string_view::npos || hash == 0 || hash + 1 == rest.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the system '", system,
                     "' names no lab and machine: write them as LAB#MACHINE at its end"));
  }
  KM_ASSIGN_OR_RETURN(LabTransport transport, make(rest.substr(0, hash)));
  return MakeLabSystems(std::string(rest.substr(hash + 1)), std::move(transport));
}

}  // namespace keymedic::systems
