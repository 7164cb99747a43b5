// SPDX-License-Identifier: Apache-2.0
#include "kms/tables.h"

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "kms/tables_csv.h"

namespace keymedic::kms {
namespace {

constexpr char kGvlkCsv[] =
#include "kms/data/gvlk.inc"
    ;
constexpr char kSkuIdsCsv[] =
#include "kms/data/sku_ids.inc"
    ;
constexpr char kEditionsCsv[] =
#include "kms/data/editions.inc"
    ;
constexpr char kErrorsCsv[] =
#include "kms/data/errors.inc"
    ;
constexpr char kFindingsCsv[] =
#include "kms/data/findings.inc"
    ;
constexpr char kTreatmentsCsv[] =
#include "kms/data/treatments.inc"
    ;
constexpr char kCoverageCsv[] =
#include "kms/data/coverage.inc"
    ;
constexpr char kCloudsCsv[] =
#include "kms/data/clouds.inc"
    ;

constexpr char kHostSystemsCsv[] =
#include "kms/data/host_systems.inc"
    ;
constexpr char kHostChannelsCsv[] =
#include "kms/data/host_channels.inc"
    ;
constexpr char kCloudPathsCsv[] =
#include "kms/data/cloud_paths.inc"
    ;

// The tables are part of the program: one that does not parse is a build that no test has seen.
[[noreturn]] void BrokenTable(absl::string_view name, absl::string_view why) {
  std::fprintf(stderr, "built-in table %s: %s\n", std::string(name).c_str(),
               std::string(why).c_str());
  std::abort();
}

// One row while it is read.
class Row {
 public:
  Row(absl::string_view name, const CsvTable& table, size_t index)
      : name_(name), table_(table), index_(index) {}

  absl::string_view Text(absl::string_view column) const {
    absl::StatusOr<size_t> at = table_.Column(column);
    if (!at.ok()) BrokenTable(name_, at.status().message());
    return table_.at(index_, *at);
  }
  uint32_t Number(absl::string_view column) const {  // empty: 0
    absl::string_view text = Text(column);
    uint32_t value = 0;
    if (!text.empty() && !absl::SimpleAtoi(text, &value)) Fail(column);
    return value;
  }
  bool Flag(absl::string_view column) const {
    absl::string_view text = Text(column);
    if (text != "true" && text != "false") Fail(column);
    return text == "true";
  }
  [[noreturn]] void Fail(absl::string_view column) const {
    BrokenTable(name_, absl::StrCat("row ", index_ + 2, ", ", column, ": \"", Text(column),
                                    "\" is no value for it"));
  }

 private:
  absl::string_view name_;
  const CsvTable& table_;
  size_t index_;
};

// Reads a whole table, once; it stays for ever, as the rows point into it.
template <typename T, size_t N>
const std::vector<T>& Load(absl::string_view name, const char (&text)[N],
                           T (*read)(const Row& row)) {
  struct Loaded {
    CsvTable table;
    std::vector<T> rows;
  };
  static const Loaded& loaded = *[&] {
    absl::StatusOr<CsvTable> parsed = CsvTable::Parse(absl::string_view(text, N - 1));
    if (!parsed.ok()) BrokenTable(name, parsed.status().message());
    auto* made = new Loaded{*std::move(parsed), {}};
    made->rows.reserve(made->table.size());
    for (size_t i = 0; i < made->table.size(); ++i) {
      made->rows.push_back(read(Row(name, made->table, i)));
    }
    return made;
  }();
  return loaded.rows;
}

// ASCII text whatever its case.
struct AnyCaseHash {
  size_t operator()(absl::string_view text) const {
    size_t hash = 14695981039346656037u;
    for (char c : text) {
      hash = (hash ^ static_cast<unsigned char>(absl::ascii_tolower(c))) * 1099511628211u;
    }
    return hash;
  }
};
struct AnyCaseEqual {
  bool operator()(absl::string_view a, absl::string_view b) const {
    return absl::EqualsIgnoreCase(a, b);
  }
};
template <typename T>
using Index = absl::flat_hash_map<absl::string_view, const T*, AnyCaseHash, AnyCaseEqual>;

// The first of several rows with one key wins; rows without a key are left out.
template <typename T>
const Index<T>& MakeIndex(const std::vector<T>& rows, absl::string_view T::*key) {
  auto& index = *new Index<T>();
  for (const T& row : rows) {
    if (!(row.*key).empty()) index.emplace(row.*key, &row);
  }
  return index;
}

template <typename T>
const T* Find(const Index<T>& index, absl::string_view key) {
  auto it = index.find(key);
  return it == index.end() ? nullptr : it->second;
}

const std::vector<Gvlk>& GvlkTable() {
  const std::vector<Gvlk>& rows = Load<Gvlk>("gvlk", kGvlkCsv, [](const Row& row) {
    return Gvlk{row.Text("product"), row.Text("edition"), row.Text("gvlk"), row.Text("partial_key"),
                row.Text("family")};
  });
  return rows;
}

SkuRole ReadRole(const Row& row) {
  absl::string_view role = row.Text("role");
  if (role == "KMS client (GVLK)") return SkuRole::kClient;
  if (role == "KMS host (CSVLK)") return SkuRole::kHost;
  if (role == "retail (not volume)") return SkuRole::kRetail;
  if (role == "retail (edition has no volume key)") return SkuRole::kNoVolumeKey;
  row.Fail("role");
}

const std::vector<Sku>& SkuTable() {
  const std::vector<Sku>& rows = Load<Sku>("sku_ids", kSkuIdsCsv, [](const Row& row) {
    return Sku{row.Text("activation_id"),   row.Text("product"),      row.Text("application_id"),
               row.Text("family"),          row.Text("gvlk_partial"), ReadRole(row),
               row.Number("required_count")};
  });
  return rows;
}

const std::vector<Edition>& EditionTable() {
  const std::vector<Edition>& rows = Load<Edition>("editions", kEditionsCsv, [](const Row& row) {
    const bool open_end = row.Text("last_build").empty();
    return Edition{row.Text("edition_id"),
                   row.Text("gvlk_partial"),
                   row.Text("note"),
                   row.Number("first_build"),
                   open_end ? std::numeric_limits<uint32_t>::max() : row.Number("last_build"),
                   row.Flag("has_volume_key"),
                   row.Flag("is_server")};
  });
  return rows;
}

uint32_t ReadErrorCode(const Row& row) {
  std::optional<uint32_t> code = ParseErrorCode(row.Text("code"));
  if (!code) row.Fail("code");
  return *code;
}

const std::vector<ErrorRow>& ErrorTable() {
  const std::vector<ErrorRow>& rows = Load<ErrorRow>("errors", kErrorsCsv, [](const Row& row) {
    return ErrorRow{ReadErrorCode(row),    row.Text("symbol"),     row.Text("meaning"),
                    row.Text("action"),    row.Text("applies_to"), row.Text("source"),
                    row.Text("confidence")};
  });
  return rows;
}

v1::Severity ReadSeverity(const Row& row) {
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  const std::string name = absl::StrCat("SEVERITY_", absl::AsciiStrToUpper(row.Text("severity")));
  if (!v1::Severity_Parse(name, &severity) || severity == v1::SEVERITY_UNSPECIFIED) {
    row.Fail("severity");
  }
  return severity;
}

const std::vector<FindingRow>& FindingTable() {
  const std::vector<FindingRow>& rows =
      Load<FindingRow>("findings", kFindingsCsv, [](const Row& row) {
        return FindingRow{row.Text("code"),
                          ReadSeverity(row),
                          row.Text("title"),
                          row.Text("explanation"),
                          row.Text("looks_at"),
                          row.Text("treatments"),
                          row.Text("why_untreatable"),
                          row.Text("reference")};
      });
  return rows;
}

const std::vector<TreatmentRow>& TreatmentTable() {
  const std::vector<TreatmentRow>& rows =
      Load<TreatmentRow>("treatments", kTreatmentsCsv, [](const Row& row) {
        return TreatmentRow{row.Text("action"),  row.Text("plugin"),          row.Text("title"),
                            row.Number("order"), row.Flag("needs_approval"),  row.Flag("on_host"),
                            row.Text("adds"),    row.Number("verify_minutes")};
      });
  return rows;
}

struct Coverage {
  absl::string_view host_family, client_family;
};

struct Cloud {
  absl::string_view host, cloud;
};

struct CloudPath {
  absl::string_view cloud, advice;
};

struct HostChannel {
  absl::string_view channel, host_family;
};

// "{GUID}" is how some tools print an id.
absl::string_view WithoutBraces(absl::string_view id) {
  if (absl::ConsumePrefix(&id, "{")) absl::ConsumeSuffix(&id, "}");
  return id;
}

}  // namespace

std::span<const Gvlk> Gvlks() { return GvlkTable(); }

const Gvlk* FindGvlkByPartial(absl::string_view partial_key) {
  static const Index<Gvlk>& index = MakeIndex(GvlkTable(), &Gvlk::partial_key);
  return Find(index, partial_key);
}

const Sku* FindSku(absl::string_view activation_id) {
  static const Index<Sku>& index = MakeIndex(SkuTable(), &Sku::activation_id);
  return Find(index, WithoutBraces(activation_id));
}

const Sku* FindSkuByGvlkPartial(absl::string_view partial_key) {
  static const Index<Sku>& index = MakeIndex(SkuTable(), &Sku::gvlk_partial);
  return Find(index, partial_key);
}

const Edition* FindEdition(absl::string_view edition_id, uint32_t build) {
  for (const Edition& row : EditionTable()) {
    if (row.first_build <= build && build <= row.last_build &&
        absl::EqualsIgnoreCase(row.edition_id, edition_id)) {
      return &row;
    }
  }
  return nullptr;
}

const Gvlk* GvlkForEdition(absl::string_view edition_id, uint32_t build) {
  const Edition* edition = FindEdition(edition_id, build);
  return edition == nullptr ? nullptr : FindGvlkByPartial(edition->gvlk_partial);
}

const ErrorRow* FindError(uint32_t code) {
  using CodeIndex = absl::flat_hash_map<uint32_t, const ErrorRow*>;
  static const CodeIndex& index = *[] {
    auto* made = new CodeIndex();
    for (const ErrorRow& row : ErrorTable()) made->emplace(row.code, &row);
    return made;
  }();
  auto it = index.find(code);
  return it == index.end() ? nullptr : it->second;
}

std::string Hex(uint32_t code) { return absl::StrFormat("0x%08X", code); }

std::optional<uint32_t> ParseErrorCode(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  constexpr size_t kHexDigits = 8;
  uint32_t code = 0;
  if (absl::StartsWithIgnoreCase(text, "0x")) {
    if (text.size() > 2 + kHexDigits || !absl::SimpleHexAtoi(text, &code)) return std::nullopt;
    // SimpleHexAtoi takes signs and blanks, which no code has.
    for (char c : text.substr(2)) {
      if (!absl::ascii_isxdigit(c)) return std::nullopt;
    }
    return code;
  }
  absl::string_view digits = absl::StripPrefix(text, "-");
  bool decimal = !digits.empty(), hex = text.size() == kHexDigits;
  for (char c : digits) decimal = decimal && absl::ascii_isdigit(c);
  for (char c : text) hex = hex && absl::ascii_isxdigit(c);
  // Eight digits are a code written without its 0x ("80072338"); in decimal they have ten.
  if (hex) return absl::SimpleHexAtoi(text, &code) ? std::optional(code) : std::nullopt;
  if (!decimal) return std::nullopt;
  if (digits.size() == text.size()) {
    return absl::SimpleAtoi(text, &code) ? std::optional(code) : std::nullopt;
  }
  int32_t negative = 0;
  if (!absl::SimpleAtoi(text, &negative)) return std::nullopt;
  return static_cast<uint32_t>(negative);
}

absl::string_view ErrorMeaning(uint32_t code) {
  const ErrorRow* row = FindError(code);
  return row == nullptr ? absl::string_view() : row->meaning;
}

std::span<const ErrorRow> ErrorRows() { return ErrorTable(); }

std::span<const FindingRow> FindingRows() { return FindingTable(); }

const FindingRow* FindFinding(absl::string_view code) {
  static const Index<FindingRow>& index = MakeIndex(FindingTable(), &FindingRow::code);
  return Find(index, code);
}

std::span<const TreatmentRow> TreatmentRows() { return TreatmentTable(); }

const TreatmentRow* FindTreatment(absl::string_view action) {
  static const Index<TreatmentRow>& index = MakeIndex(TreatmentTable(), &TreatmentRow::action);
  return Find(index, action);
}

namespace {

using Families = absl::flat_hash_set<absl::string_view, AnyCaseHash, AnyCaseEqual>;

const Families* FamiliesCoveredBy(absl::string_view host_sku_family) {
  using Covered = absl::flat_hash_map<absl::string_view, Families, AnyCaseHash, AnyCaseEqual>;
  const std::vector<Coverage>& rows = Load<Coverage>("coverage", kCoverageCsv, [](const Row& row) {
    return Coverage{row.Text("host_family"), row.Text("client_family")};
  });
  static const Covered& covered = *[&] {
    auto* made = new Covered();
    for (const Coverage& row : rows) (*made)[row.host_family].insert(row.client_family);
    return made;
  }();
  const auto it = covered.find(host_sku_family);
  return it == covered.end() ? nullptr : &it->second;
}

const std::vector<HostSystem>& HostSystemTable() {
  const std::vector<HostSystem>& rows =
      Load<HostSystem>("host_systems", kHostSystemsCsv, [](const Row& row) {
        return HostSystem{row.Text("host_family"), row.Text("update"), row.Number("build"),
                          row.Number("revision")};
      });
  return rows;
}

}  // namespace

const HostSystem* FindHostSystem(absl::string_view host_sku_family, uint32_t build) {
  for (const HostSystem& row : HostSystemTable()) {
    if (row.build == build && absl::EqualsIgnoreCase(row.host_family, host_sku_family)) return &row;
  }
  return nullptr;
}

uint32_t OldestBuildFor(absl::string_view host_sku_family) {
  uint32_t oldest = 0;
  for (const HostSystem& row : HostSystemTable()) {
    if (absl::EqualsIgnoreCase(row.host_family, host_sku_family) &&
        (oldest == 0 || row.build < oldest))
      oldest = row.build;
  }
  return oldest;
}

absl::string_view HostFamilyOfChannel(absl::string_view channel) {
  const std::vector<HostChannel>& rows =
      Load<HostChannel>("host_channels", kHostChannelsCsv, [](const Row& row) {
        return HostChannel{row.Text("channel"), row.Text("host_family")};
      });
  static const Index<HostChannel>& index = MakeIndex(rows, &HostChannel::channel);
  const HostChannel* row = Find(index, channel);
  return row == nullptr ? absl::string_view() : row->host_family;
}

bool IsHostFamilyCovered(absl::string_view host_sku_family) {
  return FamiliesCoveredBy(host_sku_family) != nullptr;
}

bool HostKeyCovers(absl::string_view host_sku_family, absl::string_view client_sku_family) {
  const Families* families = FamiliesCoveredBy(host_sku_family);
  return families != nullptr && families->contains(client_sku_family);
}

absl::string_view CloudOfHost(absl::string_view host_or_address) {
  const std::vector<Cloud>& rows = Load<Cloud>("clouds", kCloudsCsv, [](const Row& row) {
    return Cloud{row.Text("host"), row.Text("cloud")};
  });
  static const Index<Cloud>& index = MakeIndex(rows, &Cloud::host);
  const Cloud* row = Find(index, absl::StripSuffix(host_or_address, "."));
  return row == nullptr ? absl::string_view() : row->cloud;
}

absl::string_view CloudPathAdvice(absl::string_view cloud) {
  const std::vector<CloudPath>& rows =
      Load<CloudPath>("cloud_paths", kCloudPathsCsv, [](const Row& row) {
        return CloudPath{row.Text("cloud"), row.Text("advice")};
      });
  static const Index<CloudPath>& index = MakeIndex(rows, &CloudPath::cloud);
  const CloudPath* row = Find(index, cloud);
  return row == nullptr ? absl::string_view() : row->advice;
}

}  // namespace keymedic::kms
