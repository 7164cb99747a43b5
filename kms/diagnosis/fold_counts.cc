// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/fold_counts.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {
namespace {

// The highest count that its clients are known to ask for; a desktop's, if none is known.
size_t ThresholdOf(const MachineState& host) {
  const int required = host.host.has_value() ? RequiredCount(*host.host) : 0;
  return required == 0 ? kDesktopThreshold : required;
}

size_t KnownCount(const MachineState& host) {
  return host.host.has_value() ? CountOf(*host.host).value_or(0) : 0;
}

// How many machines of the estate use this host, with this id.
size_t UsersWithId(const Estate& estate, const MachineState& host, absl::string_view cmid) {
  const auto sharing = estate.index().by_cmid.find(absl::AsciiStrToLower(cmid));
  if (sharing == estate.index().by_cmid.end()) return 0;
  const std::vector<const Target*> targets = estate.index().TargetsOf(host);
  return absl::c_count_if(sharing->second, [&](absl::string_view id) {
    return absl::c_any_of(targets,
                          [&](const Target* target) { return target->users.contains(id); });
  });
}

// Would those who are told a wrong port fill its count? By DNS all are told it.
bool IsPortAwaited(const Estate& estate, const MachineState& host) {
  const uint32_t port = ListeningPort(host);
  size_t count = KnownCount(host);
  for (const Target* target : estate.index().TargetsOf(host)) {
    for (const auto& [told, answers] : target->srv_ports) {
      if (told != port) return true;
    }
    for (const auto& [told, machines] : target->pinned) count += told == port ? 0 : machines.size();
  }
  return count >= ThresholdOf(host);
}

}  // namespace

bool ClonesFillCount(const Estate& estate, const MachineState& host) {
  constexpr int kMostNamed = 16;  // by one request; of more it is not known how many there are
  if (!host.host.has_value()) return false;
  // Of an excerpt it is not known who else asked with these ids.
  if (!host.host->has_log_hours_held()) return true;
  size_t count = KnownCount(host);
  for (const v1::RequestSummary& request : host.host->requests()) {
    if (!IsMachineId(request.client_machine_id()) || request.last_error() != 0) continue;
    std::set<std::string> names;
    for (const std::string& name : request.machine_names()) names.insert(ShortName(name));
    size_t machines = names.size();
    if (request.machine_names_size() >= kMostNamed) {
      machines = UsersWithId(estate, host, request.client_machine_id());
      if (machines < names.size()) return true;
    }
    if (machines > 0) count += machines - 1;
  }
  return count >= ThresholdOf(host);
}

bool IsAwaited(const Estate& estate, const MachineState& host, absl::string_view cause) {
  // Fewer clients than the threshold would not reach it, even if all of them could ask.
  size_t users = 0;
  for (const Target* target : estate.index().TargetsOf(host))
    users = std::max(users, target->users.size());
  if (users != 0 && users < ThresholdOf(host)) return false;
  return cause != "HOST_PORT_MISMATCH" || IsPortAwaited(estate, host);
}

uint32_t ListeningPort(const MachineState& host) {
  if (!host.host.has_value() || !host.host->has_listening_port()) return 0;
  return host.host->listening_port() == 0 ? kDefaultPort : host.host->listening_port();
}

}  // namespace keymedic::kms
