// SPDX-License-Identifier: Apache-2.0
#include "controller/services/machine_gate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "base/times.h"

namespace keymedic::controller {
namespace {

constexpr size_t kMaxReasonBytes = 256;

// People paste what they see; a product key does not go on from here.
absl::StatusOr<std::string> CleanReason(const std::string& reason) {
  if (reason.size() > kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("reason: ", reason.size(), " bytes; at most ", kMaxReasonBytes));
  }
  return RedactProductKeys(reason);
}

}  // namespace

absl::StatusOr<v1::MachineAccess> MachineGate::Ban(const std::string& caller,
                                                   const std::string& name,
                                                   const std::string& reason) {
  KM_ASSIGN_OR_RETURN(const std::string id, fleet_.ResolveMachine(name));
  KM_ASSIGN_OR_RETURN(const std::string why, CleanReason(reason));
  KM_RETURN_IF_ERROR(revocations_.Ban(id, why));
  fleet_.Disconnect(id, revocations_.Check(id, absl::InfiniteFuture()));
  return Done(caller, "machine.ban", Describe(id), why);
}

absl::StatusOr<v1::MachineAccess> MachineGate::Unban(const std::string& caller,
                                                     const std::string& name,
                                                     const std::string& reason) {
  absl::StatusOr<std::string> id = fleet_.ResolveMachine(name);
  if (std::string removed(absl::StripPrefix(name, "machines/"));
      absl::IsNotFound(id.status()) && revocations_.BanReason(removed)) {
    id = std::move(removed);
  }
  KM_RETURN_IF_ERROR(id.status());
  KM_ASSIGN_OR_RETURN(const std::string why, CleanReason(reason));
  KM_RETURN_IF_ERROR(revocations_.Unban(*id));
  return Done(caller, "machine.unban", Describe(*id), why);
}

absl::StatusOr<v1::MachineAccess> MachineGate::Reset(const std::string& caller,
                                                     const std::string& name,
                                                     const std::string& reason) {
  KM_ASSIGN_OR_RETURN(const std::string id, fleet_.ResolveMachine(name));
  KM_ASSIGN_OR_RETURN(const std::string why, CleanReason(reason));
  KM_RETURN_IF_ERROR(revocations_.VoidCertificates(id, clock_.Now()));
  fleet_.Disconnect(id, absl::UnauthenticatedError(absl::StrCat(
                            "machine ", id, " was reset and its certificate is void. Enrol it ",
                            "again with a new join token: keymedic-agent enroll")));
  return Done(caller, "machine.reset", Describe(id), why);
}

absl::StatusOr<v1::MachineAccess> MachineGate::Remove(const std::string& caller,
                                                      const std::string& name,
                                                      const std::string& reason) {
  KM_ASSIGN_OR_RETURN(const std::string id, fleet_.ResolveMachine(name));
  KM_ASSIGN_OR_RETURN(const std::string why, CleanReason(reason));
  KM_ASSIGN_OR_RETURN(const v1::Machine machine, fleet_.DescribeMachine(id));
  if (!machine.connected()) KM_RETURN_IF_ERROR(revocations_.VoidCertificates(id, clock_.Now()));
  v1::MachineAccess removed = Describe(id);
  KM_RETURN_IF_ERROR(fleet_.Remove(id));
  return Done(caller, "machine.remove", std::move(removed), why);
}

v1::MachineAccess MachineGate::Describe(const std::string& machine_id) {
  v1::MachineAccess access;
  access.set_name(absl::StrCat("machines/", machine_id));
  const absl::StatusOr<v1::Machine> machine = fleet_.DescribeMachine(machine_id);
  access.set_display_name(machine.ok() ? machine->display_name() : machine_id);
  if (auto reason = revocations_.BanReason(machine_id)) {
    access.set_banned(true);
    access.set_ban_reason(*std::move(reason));
  }
  if (const absl::Time from = revocations_.ValidFrom(machine_id); from != absl::InfinitePast()) {
    *access.mutable_certificates_from() = ToTimestamp(from);
  }
  return access;
}

absl::StatusOr<v1::MachineAccess> MachineGate::Done(const std::string& caller,
                                                    const std::string& act,
                                                    v1::MachineAccess machine,
                                                    const std::string& reason) {
  KM_RETURN_IF_ERROR(audit_.Append(caller, act, machine.name(),
                                   absl::StrCat("name ", machine.display_name(), ", reason ",
                                                reason.empty() ? "none given" : reason)));
  return machine;
}

}  // namespace keymedic::controller
