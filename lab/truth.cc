// SPDX-License-Identifier: Apache-2.0
#include "lab/truth.h"

namespace keymedic::lab {

const Condition* Truth::Find(absl::string_view code, absl::string_view subject) const {
  for (const Condition& condition : conditions) {
    if (condition.what.code == code && condition.what.subject == subject) return &condition;
  }
  return nullptr;
}

const Root* Truth::FindRoot(absl::string_view machine) const {
  for (const Root& root : roots) {
    if (root.machine == machine) return &root;
  }
  return nullptr;
}

}  // namespace keymedic::lab
