// SPDX-License-Identifier: Apache-2.0
#include "cli/inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/files.h"
#include "cli/bundle.h"

namespace keymedic::cli {
namespace {

namespace fs = std::filesystem;

// Event logs of a few hundred megabytes exist; texts are bounded by their readers.
constexpr uint64_t kMaxFile = 512ull << 20;
constexpr size_t kMaxFilesBelow = 20'000;  // of one directory
constexpr uint64_t kMaxManifest = 1u << 20;
constexpr int kMaxNesting = 2;

// Files that belong together: below one directory, or in one archive. Names have "/" between parts.
class Folder {
 public:
  virtual ~Folder() = default;
  // Hands out every file whose name is wanted, in a stable order.
  virtual absl::Status Visit(absl::FunctionRef<bool(absl::string_view)> wanted,
                             absl::FunctionRef<void(ArchiveEntry)> take) = 0;
  // How evidence calls a file of it.
  virtual std::string Shown(const std::string& name) const = 0;
  virtual int nesting() const = 0;
};

class Archive final : public Folder {
 public:
  Archive(std::string shown, absl::string_view bytes, int nesting, ArchiveBudget& budget)
      : shown_(std::move(shown)), bytes_(bytes), nesting_(nesting), budget_(budget) {}
  absl::Status Visit(absl::FunctionRef<bool(absl::string_view)> wanted,
                     absl::FunctionRef<void(ArchiveEntry)> take) override {
    return ReadArchive(bytes_, budget_, wanted, take);
  }
  std::string Shown(const std::string& name) const override {
    return name.empty() ? shown_ : absl::StrCat(shown_, ":", name);
  }
  int nesting() const override { return nesting_; }

 private:
  const std::string shown_;
  const absl::string_view bytes_;
  const int nesting_;
  ArchiveBudget& budget_;
};

class Directory final : public Folder {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}
  absl::Status Visit(absl::FunctionRef<bool(absl::string_view)> wanted,
                     absl::FunctionRef<void(ArchiveEntry)> take) override;
  std::string Shown(const std::string& name) const override {
    return absl::EndsWith(path_, "/") ? path_ + name : absl::StrCat(path_, "/", name);
  }
  int nesting() const override { return 0; }

 private:
  const std::string path_;
};

absl::Status Directory::Visit(absl::FunctionRef<bool(absl::string_view)> wanted,
                              absl::FunctionRef<void(ArchiveEntry)> take) {
  std::vector<std::string> names;
  std::error_code error;
  fs::recursive_directory_iterator at(NativePath(path_),
                                      fs::directory_options::skip_permission_denied, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    if (names.size() == kMaxFilesBelow) {
      return absl::ResourceExhaustedError(absl::StrCat("more than the ", kMaxFilesBelow,
                                                       " files that are read below one directory"));
    }
    names.push_back(at->path().lexically_relative(NativePath(path_)).generic_string());
  }
  if (error) return absl::UnavailableError(absl::StrCat("cannot be listed: ", error.message()));
  std::sort(names.begin(), names.end());
  absl::Status status;
  for (std::string& name : names) {
    if (!wanted(name)) continue;
    absl::StatusOr<std::string> content = ReadFile(Shown(name), kMaxFile);
    if (content.ok()) {
      take({std::move(name), *std::move(content)});
    } else if (status.ok()) {
      status = content.status();
    }
  }
  return status;
}

// "site/pc-017/" of "site/pc-017/manifest.json"; "" of a manifest at the top.
std::string FolderOf(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == absl::string_view::npos ? "" : std::string(name.substr(0, slash + 1));
}

class Inputs {
 public:
  Inputs(const ArchiveBudget& budget, kms::CaptureSet& set) : budget_(budget), set_(set) {}

  void Open(const std::string& file, std::istream& in);

 private:
  struct Bundle {
    Manifest manifest;
    kms::MachineState state;
    bool any = false;
  };
  using Bundles = std::map<std::string, Bundle>;  // by the folder of the manifest

  // False: nothing in it was evidence.
  bool Take(const std::string& shown, absl::string_view content, int nesting, bool asked_for);
  bool TakeFolder(Folder& folder, const std::string& shown, bool asked_for);
  Bundles FindBundles(Folder& folder, absl::Status& status);
  bool TakeBundleFile(const Folder& folder, const ArchiveEntry& file, const std::string& root,
                      Bundle& bundle);

  ArchiveBudget budget_;
  kms::CaptureSet& set_;
};

absl::StatusOr<std::string> ReadStream(std::istream& in) {
  std::string content;
  std::array<char, 1 << 16> buffer;
  while (content.size() <= kMaxFile && in.good()) {
    in.read(buffer.data(), buffer.size());
    content.append(buffer.data(), static_cast<size_t>(in.gcount()));
  }
  if (content.size() > kMaxFile) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than the ", kMaxFile >> 20, " MB that are read of one input"));
  }
  return content;
}

void Inputs::Open(const std::string& file, std::istream& in) {
  std::error_code error;
  if (file != "-" && fs::is_directory(NativePath(file), error)) {
    Directory directory(file);
    TakeFolder(directory, file, /*asked_for=*/true);
    return;
  }
  const absl::StatusOr<std::string> content =
      file == "-" ? ReadStream(in) : ReadFile(file, kMaxFile);
  if (!content.ok()) {
    set_.Refuse(file, std::string(content.status().message()));
    return;
  }
  Take(file, *content, /*nesting=*/0, /*asked_for=*/true);
}

bool Inputs::Take(const std::string& shown, absl::string_view content, int nesting,
                  bool asked_for) {
  if (!IsArchive(content)) return set_.Add(shown, content, asked_for);
  if (nesting == kMaxNesting) {
    set_.Refuse(shown, "an archive in an archive in an archive: unpack it first", asked_for);
    return false;
  }
  Archive archive(shown, content, nesting + 1, budget_);
  return TakeFolder(archive, shown, asked_for);
}

Inputs::Bundles Inputs::FindBundles(Folder& folder, absl::Status& status) {
  Bundles bundles;
  const ArchiveBudget before = budget_;  // all of it is counted when it is read for good
  const auto is_manifest = [](absl::string_view name) {
    return name == kManifestName || absl::EndsWith(name, absl::StrCat("/", kManifestName));
  };
  status = folder.Visit(is_manifest, [&](ArchiveEntry file) {
    if (file.content.size() > kMaxManifest) return;
    const auto manifest = ReadManifest(file.content);
    if (!manifest) return;
    if (!manifest->ok()) {
      set_.Refuse(folder.Shown(file.name), std::string(manifest->status().message()));
      return;
    }
    const std::string root = FolderOf(file.name);
    Bundle& bundle = bundles[root];
    bundle.manifest = **manifest;
    bundle.state.name = bundle.manifest.machine;
    bundle.state.source = folder.Shown(root);
    while (absl::EndsWith(bundle.state.source, "/") || absl::EndsWith(bundle.state.source, ":")) {
      bundle.state.source.pop_back();
    }
  });
  budget_ = before;
  return bundles;
}

bool Inputs::TakeFolder(Folder& folder, const std::string& shown, bool asked_for) {
  absl::Status status;
  Bundles bundles = FindBundles(folder, status);
  bool any = false;
  bool told = false;  // why one compressed file is no evidence
  const auto all = [](absl::string_view) { return true; };
  if (status.ok()) {
    status = folder.Visit(all, [&](ArchiveEntry file) {
      for (auto& [root, bundle] : bundles) {
        if (!absl::StartsWith(file.name, root)) continue;
        any = TakeBundleFile(folder, file, root, bundle) || any;
        return;
      }
      const bool alone = file.name.empty();
      told = told || alone;
      any =
          Take(folder.Shown(file.name), file.content, folder.nesting(), asked_for && alone) || any;
    });
  }
  for (auto& [root, bundle] : bundles) {
    if (bundle.any) set_.AddMachine(std::move(bundle.state), bundle.manifest.collected_at);
  }
  if (!status.ok()) {
    set_.Refuse(shown, std::string(status.message()), asked_for);
  } else if (!any && !told) {
    set_.Refuse(shown, "nothing below it is licensing evidence", asked_for);
  }
  return any;
}

// Of a bundle only the sections are evidence: the rest says the same, for people.
bool Inputs::TakeBundleFile(const Folder& folder, const ArchiveEntry& file, const std::string& root,
                            Bundle& bundle) {
  if (!IsSectionName(absl::StripPrefix(file.name, root))) return false;
  const absl::Status status = ReadSection(file.content, bundle.state);
  if (!status.ok()) {
    set_.Refuse(folder.Shown(file.name), std::string(status.message()), /*asked_for=*/false);
    return false;
  }
  bundle.any = true;
  return true;
}

}  // namespace

void ReadInputs(const std::vector<std::string>& files, std::istream& in,
                const ArchiveBudget& budget, kms::CaptureSet& set) {
  Inputs inputs(budget, set);
  for (const std::string& file : files) inputs.Open(file, in);
}

}  // namespace keymedic::cli
