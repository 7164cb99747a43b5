// SPDX-License-Identifier: Apache-2.0
#include "controller/init.h"

#include <grp.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "controller/audit.h"
#include "controller/store/store.h"
#include "controller/trust/authority.h"

namespace keymedic::controller {
namespace {

// The full name first, as others know this machine; then what is good on the machine itself.
std::vector<std::string> NamesOfThisMachine() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  std::string full = host;
  addrinfo hints = {};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  if (getaddrinfo(host, nullptr, &hints, &found) == 0) {
    // "localhost" is what a machine without a name in DNS is called by /etc/hosts.
    if (found->ai_canonname != nullptr && absl::string_view(found->ai_canonname) != "localhost") {
      full = found->ai_canonname;
    }
    freeaddrinfo(found);
  }
  std::vector<std::string> names = {full, host, "localhost"};
  names.erase(std::remove(names.begin(), names.end(), ""), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

absl::Status BecomeOwnerOf(const std::string& directory) {
  struct stat info;
  if (geteuid() != 0 || stat(directory.c_str(), &info) != 0 || info.st_uid == 0) {
    return absl::OkStatus();
  }
  if (setgroups(0, nullptr) == 0 && setgid(info.st_gid) == 0 && setuid(info.st_uid) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(
      errno, absl::StrCat(directory, ": cannot act as its owner, user ", info.st_uid));
}

void SayWhatIsNext(const ServerOptions& options, const ConfigPlace& place, const std::string& name,
                   bool one_line) {
  const std::string& dir = options.data_dir;
  const std::string port = options.listen.substr(options.listen.rfind(':') + 1);
  const std::string next = absl::StrCat("keymedic profile add main --controller ", name, ":", port,
                                        " --ca ", dir, "/ca.crt --cert ", dir, "/admin.crt --key ",
                                        dir, "/admin.key && keymedic tokens create");
  if (one_line) {
    std::printf(
        "KeyMedic's estate is set up as %s in %s. Next, as root and with the package keymedic: "
        "%s\n",
        name.c_str(), dir.c_str(), next.c_str());
    return;
  }
  std::printf(
      "The estate is set up in %s.\n"
      "Keep ca.key safe and back it up: whoever has it can join as anyone.\n\n"
      "Next:\n"
      "  keymedic-controller run%s\n"
      "  %s\n",
      dir.c_str(), place.own_directory() ? absl::StrCat(" --data-dir ", dir).c_str() : "",
      next.c_str());
}

}  // namespace

absl::Status InitializeEstate(const ConfigPlace& place, std::vector<std::string> names,
                              bool if_needed) {
  KM_ASSIGN_OR_RETURN(const ServerOptions options, LoadConfig(place));
  const std::string& dir = options.data_dir;
  KM_RETURN_IF_ERROR(BecomeOwnerOf(dir));
  if (names.empty()) names = NamesOfThisMachine();
  const SystemClock clock;
  const absl::Status made = InitializeAuthority(dir, names, clock.Now());
  // Whole? Where a first attempt was cut off it is not, and a person must look.
  if (if_needed && absl::IsAlreadyExists(made)) return Authority::Load(dir).status();
  KM_RETURN_IF_ERROR(made);
  if (place.own_directory() && absl::IsNotFound(ReadFile(place.file()).status())) {
    KM_RETURN_IF_ERROR(WriteFileAtomically(place.file(), DefaultConfig(), 0644));
  }
  KM_ASSIGN_OR_RETURN(auto store, OpenSqliteStore(absl::StrCat(dir, "/controller.db")));
  KM_ASSIGN_OR_RETURN(auto audit, AuditLog::Open(*store, clock));
  KM_RETURN_IF_ERROR(audit->Append(kControllerUri, "estate.init", "estate",
                                   absl::StrCat("names ", absl::StrJoin(names, ", "))));
  SayWhatIsNext(options, place, names[0], if_needed);
  return absl::OkStatus();
}

}  // namespace keymedic::controller
