// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_host/plugin_file.h"

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <exception>
#include <filesystem>
#include <list>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/rights.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPluginBytes = 256u << 20;
constexpr uint64_t kMaxAllowListBytes = 1u << 20;

absl::StatusOr<std::string> Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::canonical(NativePath(path), error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat(path, ": ", error.message(), "; check the path of the plugin"));
  }
  return canonical.string();
}

// An entry point by name, or null.
template <typename Function>
Function* EntryPoint(const boost::dll::shared_library& library, const char* name) {
  return library.has(name) ? &library.get<Function>(name) : nullptr;
}

absl::StatusOr<BuiltinPlugin> LoadLibrary(const std::string& path) {
  try {
    // Never freed: unloading code that may have threads or thread-local data is not safe.
    static auto& loaded = *new std::list<boost::dll::shared_library>();
    const boost::dll::shared_library& library = loaded.emplace_back(
        NativePath(path), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    BuiltinPlugin entry{path, EntryPoint<keymedic_plugin_abi_fn>(library, "keymedic_plugin_abi"),
                        EntryPoint<keymedic_plugin_create_fn>(library, "keymedic_plugin_create"),
                        EntryPoint<keymedic_plugin_destroy_fn>(library, "keymedic_plugin_destroy")};
    const char* missing = entry.abi == nullptr       ? "keymedic_plugin_abi"
                          : entry.create == nullptr  ? "keymedic_plugin_create"
                          : entry.destroy == nullptr ? "keymedic_plugin_destroy"
                                                     : nullptr;
    if (missing == nullptr) return entry;
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": does not export ", missing,
                     ", so it is no KeyMedic plugin; remove the file, or build it with the SDK"));
  } catch (const std::exception& e) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": cannot be loaded: ", e.what(),
                     "; it must be a library for this system whose dependencies are installed"));
  }
}

}  // namespace

absl::Status CheckFileAndFolder(const std::string& path) {
  KM_ASSIGN_OR_RETURN(const std::string canonical, Canonical(path));
  KM_RETURN_IF_ERROR(CheckWritableByTrustedOnly(canonical, /*folder=*/false));
  return CheckWritableByTrustedOnly(NativePath(canonical).parent_path().string(), /*folder=*/true);
}

absl::StatusOr<AllowList> AllowList::Read(const std::string& path) {
  KM_RETURN_IF_ERROR(CheckFileAndFolder(path));
  KM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxAllowListBytes));
  AllowList list;
  list.path_ = path;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    const absl::string_view hash = line.substr(0, space);
    if (hash.size() != 64 || !std::all_of(hash.begin(), hash.end(), absl::ascii_isxdigit) ||
        space == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, " line ", number, ": expected \"<sha256>  <file name>\", as sha256sum prints it"));
    }
    absl::string_view name = absl::StripLeadingAsciiWhitespace(line.substr(space));
    if (!name.empty() && name[0] == '*') name.remove_prefix(1);  // sha256sum --binary
    list.lines_.insert(absl::StrCat(absl::AsciiStrToLower(hash), "  ", name));
  }
  return list;
}

absl::Status AllowList::Check(const std::string& plugin_path) const {
  KM_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(plugin_path, kMaxPluginBytes));
  const std::string line =
      absl::StrCat(Sha256Hex(bytes), "  ", NativePath(plugin_path).filename().string());
  if (lines_.contains(line)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(plugin_path, ": its SHA-256 is not in the allow list ", path_,
                   "; if you trust this file, add the line \"", line, "\""));
}

absl::StatusOr<std::vector<std::string>> PluginsInDirectory(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(NativePath(directory), error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() != boost::dll::shared_library::suffix()) continue;
    paths.push_back(fs::path(it->path()).make_preferred().string());
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat(directory, ": ", error.message(),
                                            "; give the folder where the plugins are installed"));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::StatusOr<std::unique_ptr<PluginHandle>> LoadPluginFile(const std::string& path,
                                                             const AllowList* allow,
                                                             const v1::PluginConfig& config) {
  KM_ASSIGN_OR_RETURN(const std::string canonical, Canonical(path));
  KM_RETURN_IF_ERROR(CheckFileAndFolder(canonical));
  if (allow != nullptr) KM_RETURN_IF_ERROR(allow->Check(canonical));
  KM_ASSIGN_OR_RETURN(const BuiltinPlugin entry, LoadLibrary(canonical));
  return PluginHandle::Create(entry, config);
}

}  // namespace keymedic::agent
