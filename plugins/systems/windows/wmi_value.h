// SPDX-License-Identifier: Apache-2.0
//
// What WMI answers and is asked, as plain values, so that what is made of them needs no COM and no
// Windows to be tested. A class differs between the versions of Windows: a property that this one
// lacks, or that is null, is nullopt and never an error. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_VALUE_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_VALUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugins/systems/systems.h"

namespace keymedic::systems {

// Null; a number of any width, as its CIM type reads it (a uint32 is never negative).
using WmiValue = std::variant<std::monostate, bool, int64_t, std::string, std::vector<std::string>>;

class WmiRow {
 public:
  WmiRow() = default;
  explicit WmiRow(std::map<std::string, WmiValue> values, std::string path = "")
      : values_(std::move(values)), path_(std::move(path)) {}

  const std::string& path() const { return path_; }  // for a method of this instance
  bool Has(const std::string& name) const { return values_.contains(name); }  // null counts
  std::optional<std::string> Text(const std::string& name) const;
  std::optional<int64_t> Number(const std::string& name) const;
  std::optional<bool> Flag(const std::string& name) const;
  std::vector<std::string> List(const std::string& name) const;

 private:
  const WmiValue* Find(const std::string& name) const;

  std::map<std::string, WmiValue> values_;
  std::string path_;
};

struct WmiQuery {
  std::string class_name;
  std::vector<std::string> columns;  // empty: all
  std::string where = {};
  std::map<std::string, std::string> context =
      {};  // for the provider: {"PolicyStore", "ActiveStore"}
};
std::string QueryText(const WmiQuery& query);

using WmiArgument = std::variant<std::string, uint32_t, bool>;
struct WmiCall {
  std::string class_name;
  std::string path;
  std::string method;
  std::vector<WmiArgument> arguments = {};  // in the order of the class definition
};

// One namespace. Errors: kUnimplemented if this Windows has no such class or method, else those of
// systems.h.
class Wmi {
 public:
  virtual ~Wmi() = default;
  virtual absl::StatusOr<std::vector<WmiRow>> Query(const WmiQuery& query) = 0;
  // 0, or that with which the service behind the class refused.
  virtual absl::StatusOr<Hresult> Call(const WmiCall& call) = 0;
};

inline constexpr uint32_t kWmiInvalidQuery = 0x80041017;

struct WmiAnswer {
  uint32_t hresult = 0;
  std::vector<WmiRow> rows = {};
};
struct WmiNames {
  uint32_t hresult = 0;
  std::vector<std::string> names = {};
};
// A query names columns that this Windows' class may lack, which WMI calls an invalid query: then
// it is asked once what the class has, and the query runs with the columns that are there.
class ColumnFallback {
 public:
  using Run = std::function<WmiAnswer(const WmiQuery&)>;
  using ListColumns = std::function<WmiNames(const std::string& class_name)>;
  WmiAnswer Query(WmiQuery query, const Run& run, const ListColumns& list);

 private:
  std::map<std::string, std::vector<std::string>> known_;
};

// What a failed method call means: the refusal of the service that WMI called for us, or a failure
// of WMI itself. Some numbers are both; then `kAskAgain`: a refusal if WMI still answers.
enum class FailureOf { kService, kWmi, kAskAgain };
FailureOf WhoFailed(uint32_t hresult);

// "20261126142401.000000+060"; nullopt: no instant, or one of 1601 that says "never".
std::optional<absl::Time> ParseWmiTime(absl::string_view text);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_VALUE_H_
