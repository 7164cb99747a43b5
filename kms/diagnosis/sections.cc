// SPDX-License-Identifier: Apache-2.0
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {
namespace {

struct Slot {
  absl::string_view name;
  absl::string_view type;
  bool (*parse)(const std::string& payload, MachineState& state);
  void (*clear)(MachineState& state);
  void (*move)(MachineState& from, MachineState& into);
};

template <auto Member>
bool Parse(const std::string& payload, MachineState& state) {
  auto& slot = state.*Member;
  typename std::remove_reference_t<decltype(slot)>::value_type message;
  if (!message.ParseFromString(payload)) return false;
  slot = std::move(message);
  return true;
}

template <auto Member>
void Clear(MachineState& state) {
  (state.*Member).reset();
}

template <auto Member>
void Move(MachineState& from, MachineState& into) {
  if (!(from.*Member).has_value()) return;
  into.*Member = std::move(from.*Member);
  (from.*Member).reset();
}

template <auto Member>
constexpr Slot MakeSlot(absl::string_view name, absl::string_view type) {
  return {name, type, &Parse<Member>, &Clear<Member>, &Move<Member>};
}

constexpr Slot kSlots[] = {
    MakeSlot<&MachineState::os>("os", "keymedic.v1.OsSection"),
    MakeSlot<&MachineState::licensing>("licensing", "keymedic.v1.LicensingSection"),
    MakeSlot<&MachineState::client>("kms_client", "keymedic.v1.KmsClientSection"),
    MakeSlot<&MachineState::host>("kms_host", "keymedic.v1.KmsHostSection"),
    MakeSlot<&MachineState::firewall>("firewall", "keymedic.v1.FirewallSection"),
    MakeSlot<&MachineState::names>("names", "keymedic.v1.NamesSection"),
    MakeSlot<&MachineState::probes>("probes", "keymedic.v1.ProbesSection"),
};

}  // namespace

absl::Status ApplySection(const v1::Section& section, MachineState& state) {
  for (const Slot& slot : kSlots) {
    if (slot.name != section.name()) continue;
    if (slot.type != section.type()) {
      return absl::InvalidArgumentError(absl::StrCat("section '", section.name(), "' is a ",
                                                     section.type(), "; expected ", slot.type));
    }
    if (!slot.parse(section.payload(), state)) {
      return absl::InvalidArgumentError(absl::StrCat("section '", section.name(), "': its ",
                                                     section.payload().size(), " bytes are no ",
                                                     slot.type));
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("section '", section.name(), "' (", section.type(),
                   ") is not known to this version; a newer plugin sends it"));
}

void RemoveSection(absl::string_view name, MachineState& state) {
  for (const Slot& slot : kSlots) {
    if (slot.name == name) slot.clear(state);
  }
}

void MoveSections(MachineState& from, MachineState& into) {
  for (const Slot& slot : kSlots) slot.move(from, into);
}

}  // namespace keymedic::kms
