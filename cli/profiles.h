// SPDX-License-Identifier: Apache-2.0
//
// Where `keymedic` finds its controller and its certificate. In this order: --profile, the
// environment (KEYMEDIC_CONTROLLER with KEYMEDIC_CA, KEYMEDIC_CERT, KEYMEDIC_KEY),
// KEYMEDIC_PROFILE, the default profile. Profiles stand in $XDG_CONFIG_HOME/keymedic/profiles.toml
// and hold paths, not keys.
#ifndef KEYMEDIC_CLI_PROFILES_H_
#define KEYMEDIC_CLI_PROFILES_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keymedic::cli {

struct Profile {
  std::string controller;  // HOST:PORT
  std::string ca;          // paths of PEM files
  std::string certificate;
  std::string key;
};

class Profiles {
 public:
  // An absent file is no profiles.
  static absl::StatusOr<Profiles> Load(const std::string& path);
  absl::Status Save() const;

  // The first one becomes the default.
  absl::Status Add(const std::string& name, const Profile& profile);
  absl::Status Use(absl::string_view name);
  absl::Status Remove(absl::string_view name);

  const std::map<std::string, Profile, std::less<>>& all() const { return profiles_; }
  const std::string& default_name() const { return default_; }
  absl::StatusOr<Profile> Get(absl::string_view name) const;

 private:
  std::string path_;
  std::string default_;
  std::map<std::string, Profile, std::less<>> profiles_;
};

std::string ProfilesPath();
// `name` is --profile, or empty. The error says how to make a profile.
absl::StatusOr<Profile> FindProfile(const std::string& name);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_PROFILES_H_
