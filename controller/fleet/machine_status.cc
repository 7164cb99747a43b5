// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "base/hash.h"
#include "base/times.h"
#include "controller/fleet/fleet.h"

namespace keymedic::controller {
namespace {

void AddFindings(std::vector<v1::Finding> findings, v1::MachineStatus& status) {
  std::sort(findings.begin(), findings.end(), [](const v1::Finding& a, const v1::Finding& b) {
    if (a.severity() != b.severity()) return a.severity() > b.severity();
    return std::tie(a.code(), a.title()) < std::tie(b.code(), b.title());
  });
  for (v1::Finding& finding : findings) {
    v1::MachineFinding& told = *status.add_findings();
    told.set_code(finding.code());
    told.set_severity(finding.severity());
    told.set_title(finding.title());
  }
}

}  // namespace

void Fleet::TellStatus(Machine& machine) {
  // Held to the end, so that what is said last is also what was seen last.
  std::lock_guard lock(machine.mutex);
  if (!machine.wants_status || machine.link == nullptr) return;
  v1::ControllerMessage message;
  v1::MachineStatus& status = *message.mutable_status();
  status.set_machine_id(machine.id);
  for (std::string& role : machine.Roles()) status.add_roles(std::move(role));
  const MachineFacts facts = diagnosis_.FactsOf(machine.id);
  status.set_license_status(facts.status);
  status.set_product(facts.product);
  AddFindings(diagnosis_.FindingsOf(machine.id), status);
  const size_t news = absl::HashOf(SerializeDeterministic(status));
  if (std::exchange(machine.told, news) == news) return;
  *status.mutable_told_at() = ToTimestamp(clock_.Now());
  machine.link->Send(std::move(message));
}

}  // namespace keymedic::controller
