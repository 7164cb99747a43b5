// SPDX-License-Identifier: Apache-2.0
//
// The few values of HKEY_LOCAL_MACHINE that the seams read and write, of the 64-bit registry.
// Any thread. A value that is absent, or of another type, is nullopt or empty and no error.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_REGISTRY_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_REGISTRY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace keymedic::systems {

std::optional<std::string> RegistryText(const std::string& key, const std::string& value);
std::optional<uint32_t> RegistryNumber(const std::string& key, const std::string& value);
std::vector<std::string> RegistryLines(const std::string& key, const std::string& value);

// An empty text removes the value. The key must exist.
absl::Status SetRegistryText(const std::string& key, const std::string& value,
                             const std::string& text);

// A key of our own, which marks something until Windows restarts: it is not kept on disk. `parent`
// is made if it is not there. Making one that is there, and removing one that is not, is no error.
absl::Status SetRegistryMark(const std::string& parent, const std::string& name, bool marked);
absl::StatusOr<bool> HasRegistryMark(const std::string& parent, const std::string& name);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_REGISTRY_H_
