// SPDX-License-Identifier: Apache-2.0
//
// A lab in this process, for thousands of agents beside their world: register it by a name, and
// "lab:inprocess:NAME#machine" reaches it without a socket.
//
// Life cycle: the lab is reachable while its InProcessLab lives. Destruction waits for calls that
// are under way; later calls of systems that were opened before answer kUnavailable. Do not destroy
// it from inside a call of its own transport.
// Threads: the transport is called from the thread of each plugin, so from many at once.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_IN_PROCESS_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_IN_PROCESS_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "plugins/systems/lab/lab_systems.h"

namespace keymedic::systems {

class InProcessLab {
 public:
  InProcessLab(InProcessLab&&) noexcept = default;
  InProcessLab& operator=(InProcessLab&&) = delete;
  ~InProcessLab();

 private:
  friend absl::StatusOr<InProcessLab> RegisterInProcessLab(std::string name,
                                                           LabTransport transport);
  struct Entry;
  friend struct InProcessLabs;
  friend absl::StatusOr<LabTransport> FindInProcessLab(absl::string_view name);
  explicit InProcessLab(std::string name, std::shared_ptr<Entry> entry)
      : name_(std::move(name)), entry_(std::move(entry)) {}
  std::string name_;
  std::shared_ptr<Entry> entry_;
};

// kAlreadyExists if a lab of that name is registered.
absl::StatusOr<InProcessLab> RegisterInProcessLab(std::string name, LabTransport transport);
// kNotFound if there is none.
absl::StatusOr<LabTransport> FindInProcessLab(absl::string_view name);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_LAB_LAB_IN_PROCESS_H_
