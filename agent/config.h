// SPDX-License-Identifier: Apache-2.0
//
// What keymedic-agent can be told, by its file (agent.toml) or its command line. The command line
// goes before the file, the file before the defaults.
//
//   state_dir = "/var/lib/keymedic-agent"
//   name = "pc-017"
//   controller = "keymedic.example:7443"
//   token = "km1...."       # to join with, while there is no identity (waiting_enrolment.h)
//   reconnect_seconds = 10  # within which it comes back after the controller was lost, at random
//   [labels]
//   site = "berlin"
//   [plugins]
//   dir = "/usr/lib/keymedic/plugins"
//   host = "/usr/bin/keymedic-plugin-host"
//   system = "local"
//   timeout_seconds = 60  # of one look; a change may take four times as long
//   memory_limit_mb = 512
//   cpu_limit_seconds = 60
//   [plugins.settings]
//   probe_timeout = "5s"
//
// With a token in it, nobody else may read the file.
#ifndef KEYMEDIC_AGENT_CONFIG_H_
#define KEYMEDIC_AGENT_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace keymedic::agent {

struct Config {
  std::string file;        // where it was, or would have been, read from
  std::string state_dir;   // empty: the system's own place (places.h)
  std::string name;        // empty: the host's name
  std::string controller;  // HOST:PORT, to enrol with
  std::string token;       // goes into no log
  std::map<std::string, std::string> labels;
  std::string plugin_dir;         // empty: where they are installed beside the program
  std::string plugin_host;        // empty: keymedic-plugin-host beside the program
  std::string plugin_allow_file;  // empty: plugins.allow in the directory, if it is there
  std::string system = "local";
  std::map<std::string, std::string> plugin_settings;  // for the plugins; the agent knows none
  absl::Duration collect_interval = absl::Minutes(15);
  absl::Duration reconnect = absl::Seconds(10);  // ReconnectPolicy::first
  absl::Duration plugin_timeout = absl::Seconds(60);
  uint64_t memory_limit_mb = 512;
  uint64_t cpu_limit_seconds = 60;
};

// Sets what the text (agent.toml) says. kInvalidArgument names file, line and key; a key that is
// not known is an error, as it is most often a typo.
absl::Status ParseConfig(const std::string& file, const std::string& text, Config& config);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_CONFIG_H_
