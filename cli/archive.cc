// SPDX-License-Identifier: Apache-2.0
#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keymedic::cli {
namespace {

constexpr absl::string_view kMagics[] = {
    "PK\x03\x04",
    "PK\x05\x06",  // a zip without entries
    "7z\xBC\xAF\x27\x1C",
    "MSCF",
    "\x1F\x8B",
    "BZh",
    "\xFD"
    "7zXZ",
    "\x28\xB5\x2F\xFD",
};
constexpr size_t kTarMagicAt = 257;

struct Closer {
  void operator()(archive* a) const { archive_free(a); }
};
struct EntryCloser {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Reader = std::unique_ptr<archive, Closer>;

std::string ErrorOf(archive* a) {
  const char* text = archive_error_string(a);
  return text == nullptr ? "no reason given" : text;
}

absl::StatusOr<Reader> Open(absl::string_view bytes) {
  Reader reader(archive_read_new());
  if (reader == nullptr) return absl::ResourceExhaustedError("no memory to read an archive");
  // By name: "all" would start other programs for what the library cannot read by itself.
  for (const auto support : {archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
                             archive_read_support_filter_xz, archive_read_support_filter_zstd,
                             archive_read_support_format_zip, archive_read_support_format_tar,
                             archive_read_support_format_7zip, archive_read_support_format_cab,
                             archive_read_support_format_raw}) {
    if (support(reader.get()) < ARCHIVE_WARN) {
      return absl::InternalError(ErrorOf(reader.get()));
    }
  }
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    return absl::InvalidArgumentError(absl::StrCat("a damaged archive: ", ErrorOf(reader.get())));
  }
  return reader;
}

// One archive while its entries are read.
class Unfolding {
 public:
  Unfolding(absl::string_view bytes, ArchiveBudget& budget)
      : packed_(bytes.size()), budget_(budget) {}

  // What the archive says of a file's size, before anything is unfolded to read or to skip it.
  absl::Status Declared(archive_entry* entry, absl::string_view name) {
    if (!archive_entry_size_is_set(entry)) return absl::OkStatus();
    const auto size = static_cast<uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
    declared_ += std::min(size, UINT64_MAX - declared_);
    return Check(declared_, size, name);
  }

  absl::StatusOr<std::string> Content(archive* reader, absl::string_view name) {
    std::string content;
    std::array<char, 1 << 16> buffer;
    while (true) {
      const la_ssize_t got = archive_read_data(reader, buffer.data(), buffer.size());
      if (got < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " cannot be unpacked: ", ErrorOf(reader)));
      }
      if (got == 0) return content;
      content.append(buffer.data(), static_cast<size_t>(got));
      KM_RETURN_IF_ERROR(Count(static_cast<uint64_t>(got), content.size(), name));
    }
  }

 private:
  absl::Status TooMuch(absl::string_view name, absl::string_view what) const {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, " unfolds to more than ", what,
                     "; it is not read further: unpack it and give the captures themselves"));
  }
  absl::Status Check(uint64_t all, uint64_t entry, absl::string_view name) const {
    if (entry > budget_.entry_bytes) {
      return TooMuch(name, absl::StrCat("the ", budget_.entry_bytes >> 20, " MB of one file"));
    }
    if (all > budget_.ratio_from && all / budget_.ratio > packed_) {
      return TooMuch(name, absl::StrCat(budget_.ratio, " times the archive's ", packed_, " bytes"));
    }
    return absl::OkStatus();
  }
  absl::Status Count(uint64_t got, uint64_t entry, absl::string_view name) {
    unfolded_ += got;
    KM_RETURN_IF_ERROR(Check(unfolded_, entry, name));
    if (got > budget_.bytes) return TooMuch(name, "all archives of one run together may");
    budget_.bytes -= got;
    return absl::OkStatus();
  }

  const uint64_t packed_;
  uint64_t unfolded_ = 0, declared_ = 0;
  ArchiveBudget& budget_;
};

}  // namespace

bool IsArchive(absl::string_view bytes) {
  return std::any_of(std::begin(kMagics), std::end(kMagics),
                     [&](absl::string_view magic) { return absl::StartsWith(bytes, magic); }) ||
         (bytes.size() >= 512 && bytes.substr(kTarMagicAt, 5) == "ustar");
}

absl::Status ReadArchive(absl::string_view bytes, ArchiveBudget& budget,
                         absl::FunctionRef<bool(absl::string_view name)> wanted,
                         absl::FunctionRef<void(ArchiveEntry)> take) {
  KM_ASSIGN_OR_RETURN(const Reader reader, Open(bytes));
  Unfolding unfolding(bytes, budget);
  while (true) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result < ARCHIVE_WARN) {
      return absl::InvalidArgumentError(absl::StrCat("a damaged archive: ", ErrorOf(reader.get())));
    }
    if (budget.entries-- == 0) {
      budget.entries = 0;
      return absl::ResourceExhaustedError(
          "more files than are read from archives; unpack it and give the captures themselves");
    }
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    ArchiveEntry file;
    if (archive_format(reader.get()) != ARCHIVE_FORMAT_RAW) {
      const char* utf8 = archive_entry_pathname_utf8(entry);
      const char* name = utf8 != nullptr ? utf8 : archive_entry_pathname(entry);
      file.name = name == nullptr ? "a file without a name" : name;
    }
    const absl::string_view shown = file.name.empty() ? "it" : absl::string_view(file.name);
    KM_RETURN_IF_ERROR(unfolding.Declared(entry, shown));
    if (!wanted(file.name)) {
      if (file.name.empty()) return absl::OkStatus();  // there is nothing else in it
      continue;
    }
    if (archive_entry_is_encrypted(entry)) {
      return absl::InvalidArgumentError(absl::StrCat(
          shown, " is encrypted: unpack the archive and give the captures themselves"));
    }
    KM_ASSIGN_OR_RETURN(file.content, unfolding.Content(reader.get(), shown));
    take(std::move(file));
  }
}

absl::StatusOr<std::string> WriteZip(const std::vector<ArchiveEntry>& entries, absl::Time now) {
  std::string bytes;
  Reader writer(archive_write_new());
  const auto append = [](archive*, void* to, const void* data, size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  };
  const auto failed = [&] {
    return absl::InternalError(absl::StrCat("cannot write a zip archive: ", ErrorOf(writer.get())));
  };
  if (archive_write_set_format_zip(writer.get()) != ARCHIVE_OK ||
      // No padding behind the end: some programs take that for damage.
      archive_write_set_bytes_in_last_block(writer.get(), 1) != ARCHIVE_OK ||
      archive_write_open(writer.get(), &bytes, nullptr, append, nullptr) != ARCHIVE_OK) {
    return failed();
  }
  for (const ArchiveEntry& file : entries) {
    const std::unique_ptr<archive_entry, EntryCloser> entry(archive_entry_new());
    archive_entry_set_pathname_utf8(entry.get(), file.name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0600);
    archive_entry_set_mtime(entry.get(), absl::ToUnixSeconds(now), 0);
    if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(writer.get(), file.content.data(), file.content.size()) !=
            static_cast<la_ssize_t>(file.content.size())) {
      return failed();
    }
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return failed();
  return bytes;
}

}  // namespace keymedic::cli
