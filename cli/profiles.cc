// SPDX-License-Identifier: Apache-2.0
#include "cli/profiles.h"

#include <toml++/toml.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/program_arguments.h"
#include "base/status_macros.h"
#include "cli/suggest.h"

namespace keymedic::cli {
namespace {

absl::Status Unknown(absl::string_view name,
                     const std::map<std::string, Profile, std::less<>>& profiles) {
  std::vector<std::string> names;
  for (const auto& [known, profile] : profiles) names.push_back(known);
  const std::string meant = Suggest(name, names);
  return absl::NotFoundError(absl::StrCat(
      "no profile '", name, "'", meant.empty() ? "" : absl::StrCat("; did you mean '", meant, "'?"),
      meant.empty() && !names.empty() ? absl::StrCat("; there are: ", absl::StrJoin(names, ", "))
                                      : "",
      names.empty() ? "; make one with `keymedic profile add`" : ""));
}

}  // namespace

absl::StatusOr<Profiles> Profiles::Load(const std::string& path) {
  Profiles out;
  out.path_ = path;
  auto text = ReadFile(path, 1 << 20);
  if (absl::IsNotFound(text.status())) return out;
  if (!text.ok()) return text.status();
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " line ", error.source().begin.line, ": ", std::string(error.description()),
        "; mend it, or remove it and add the profiles again"));
  }
  out.default_ = table["default"].value_or(std::string());
  if (const toml::table* profiles = table["profiles"].as_table()) {
    for (const auto& [name, node] : *profiles) {
      const toml::table* entry = node.as_table();
      if (entry == nullptr) continue;
      out.profiles_[std::string(name.str())] = {
          .controller = (*entry)["controller"].value_or(std::string()),
          .ca = (*entry)["ca"].value_or(std::string()),
          .certificate = (*entry)["certificate"].value_or(std::string()),
          .key = (*entry)["key"].value_or(std::string())};
    }
  }
  return out;
}

absl::Status Profiles::Save() const {
  toml::table profiles;
  for (const auto& [name, profile] : profiles_) {
    profiles.insert(name, toml::table{{"controller", profile.controller},
                                      {"ca", profile.ca},
                                      {"certificate", profile.certificate},
                                      {"key", profile.key}});
  }
  std::ostringstream text;
  text << toml::table{{"default", default_}, {"profiles", profiles}} << '\n';
  KM_RETURN_IF_ERROR(MakeDirectories(NativePath(path_).parent_path().string()));
  return WriteFileAtomically(path_, text.str());
}

absl::Status Profiles::Add(const std::string& name, const Profile& profile) {
  if (name.empty()) return absl::InvalidArgumentError("a profile needs a name");
  profiles_[name] = profile;
  if (default_.empty()) default_ = name;
  return absl::OkStatus();
}

absl::Status Profiles::Use(absl::string_view name) {
  KM_RETURN_IF_ERROR(Get(name).status());
  default_ = std::string(name);
  return absl::OkStatus();
}

absl::Status Profiles::Remove(absl::string_view name) {
  KM_RETURN_IF_ERROR(Get(name).status());
  profiles_.erase(std::string(name));
  if (default_ == name) default_ = profiles_.empty() ? "" : profiles_.begin()->first;
  return absl::OkStatus();
}

absl::StatusOr<Profile> Profiles::Get(absl::string_view name) const {
  const auto it = profiles_.find(std::string(name));
  if (it == profiles_.end()) return Unknown(name, profiles_);
  return it->second;
}

std::string ProfilesPath() {
  std::string base = EnvironmentVariable("XDG_CONFIG_HOME");
  if (base.empty()) base = EnvironmentVariable("APPDATA");  // Windows
  if (base.empty())
    base = absl::StrCat(EnvironmentVariable("HOME").empty() ? "." : EnvironmentVariable("HOME"),
                        "/.config");
  return absl::StrCat(base, "/keymedic/profiles.toml");
}

absl::StatusOr<Profile> FindProfile(const std::string& name) {
  if (name.empty() && !EnvironmentVariable("KEYMEDIC_CONTROLLER").empty()) {
    Profile profile{.controller = EnvironmentVariable("KEYMEDIC_CONTROLLER"),
                    .ca = EnvironmentVariable("KEYMEDIC_CA"),
                    .certificate = EnvironmentVariable("KEYMEDIC_CERT"),
                    .key = EnvironmentVariable("KEYMEDIC_KEY")};
    if (profile.ca.empty() || profile.certificate.empty() || profile.key.empty()) {
      return absl::InvalidArgumentError(
          "KEYMEDIC_CONTROLLER is set, so KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY must name "
          "the PEM files to use with it");
    }
    return profile;
  }
  KM_ASSIGN_OR_RETURN(const Profiles profiles, Profiles::Load(ProfilesPath()));
  std::string wanted = name.empty() ? EnvironmentVariable("KEYMEDIC_PROFILE") : name;
  if (wanted.empty()) wanted = profiles.default_name();
  if (wanted.empty()) {
    return absl::FailedPreconditionError(
        "no controller is known: add one with `keymedic profile add NAME --controller HOST:PORT "
        "--ca FILE --cert FILE --key FILE`, "
        "or set KEYMEDIC_CONTROLLER, KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY");
  }
  return profiles.Get(wanted);
}

}  // namespace keymedic::cli
