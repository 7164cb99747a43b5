// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/lab/lab_in_process.h"

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace keymedic::systems {

struct InProcessLab::Entry {
  absl::Mutex mutex;  // held by readers for the length of a call
  LabTransport transport ABSL_GUARDED_BY(mutex);
};

struct InProcessLabs {
  absl::Mutex mutex;
  std::map<std::string, std::shared_ptr<InProcessLab::Entry>, std::less<>> labs
      ABSL_GUARDED_BY(mutex);

  static InProcessLabs& Get() {
    static auto* const labs = new InProcessLabs;  // outlives every thread that may still ask
    return *labs;
  }
};

absl::StatusOr<InProcessLab> RegisterInProcessLab(std::string name, LabTransport transport) {
  auto entry = std::make_shared<InProcessLab::Entry>();
  {
    absl::MutexLock lock(&entry->mutex);
    entry->transport = std::move(transport);
  }
  auto& labs = InProcessLabs::Get();
  absl::MutexLock lock(&labs.mutex);
  if (!labs.labs.try_emplace(name, entry).second) {
    return absl::AlreadyExistsError(
        absl::StrCat("a lab named '", name, "' is already registered in this process"));
  }
  return InProcessLab(std::move(name), std::move(entry));
}

InProcessLab::~InProcessLab() {
  if (entry_ == nullptr) return;
  {
    auto& labs = InProcessLabs::Get();
    absl::MutexLock lock(&labs.mutex);
    labs.labs.erase(name_);
  }
  absl::MutexLock lock(&entry_->mutex);
  entry_->transport = nullptr;
}

absl::StatusOr<LabTransport> FindInProcessLab(absl::string_view name) {
  auto& labs = InProcessLabs::Get();
  absl::MutexLock lock(&labs.mutex);
  const auto found = labs.labs.find(name);
  if (found == labs.labs.end()) {
    return absl::NotFoundError(absl::StrCat("no lab named '", name,
                                            "' in this process: start the lab before its plugins"));
  }
  return [entry = found->second, name = std::string(name)](
             const lab::v1::MachineRequest& request) -> absl::StatusOr<lab::v1::MachineResponse> {
    absl::ReaderMutexLock call(&entry->mutex);
    if (!entry->transport) {
      return absl::UnavailableError(absl::StrCat("the lab '", name, "' has ended"));
    }
    return entry->transport(request);
  };
}

}  // namespace keymedic::systems
