// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "agent/places.h"

namespace keymedic::agent {
namespace {

namespace fs = std::filesystem;

fs::path ProgramDir() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(".") : program.parent_path();
}

}  // namespace

std::string DefaultConfigFile() { return "/etc/keymedic/agent.toml"; }
std::string DefaultStateDir() { return "/var/lib/keymedic-agent"; }
std::string DefaultPluginHost() { return ProgramDir() / "keymedic-plugin-host"; }
std::string DefaultPluginDir() {
  return (ProgramDir() / "../lib/keymedic/plugins").lexically_normal();
}

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name[0] == '\0' ? "unnamed" : name;
}

}  // namespace keymedic::agent
