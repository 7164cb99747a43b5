// SPDX-License-Identifier: Apache-2.0
#include "lab/estate.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/product_key.h"
#include "base/status_macros.h"
#include "kms/tables.h"
#include "lab/faults.h"
#include "lab/machine.h"

namespace keymedic::lab {
namespace {

using google::protobuf::TextFormat;

constexpr uint64_t kMaxEstateBytes = 16 << 20;
constexpr uint32_t kMaxMachines = 60'000;  // an address for each, 10.<site>.x.y
constexpr int kMaxSites = 250;

std::string ClientName(absl::string_view prefix, uint32_t number) {
  return absl::StrFormat("%s-%03d", prefix, number);
}

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(absl::string_view name) : name_(name) {}
  void AddError(int line, int column, const std::string& message) override {
    if (!error_.empty()) return;
    error_ = absl::StrFormat("%s:%d: column %d: %s", name_, line + 1, column + 1, message);
  }
  const std::string& error() const { return error_; }

 private:
  std::string name_;
  std::string error_;
};

// Checks what the grammar cannot, and knows on which line each field stands.
class Checker {
 public:
  Checker(const v1::Estate& estate, TextFormat::ParseInfoTree& lines, absl::string_view name)
      : estate_(estate), lines_(lines), name_(name) {}

  absl::Status Check() {
    KM_RETURN_IF_ERROR(CheckSites());
    KM_RETURN_IF_ERROR(CheckHostKeys());
    KM_RETURN_IF_ERROR(CheckHosts());
    KM_RETURN_IF_ERROR(CheckGroups());
    return CheckFaults();
  }

 private:
  // `field` of element `index` of the repeated `list`; the line of the element when it is not set.
  absl::Status Error(absl::string_view list, int index, absl::string_view field,
                     absl::string_view what) const {
    const auto* descriptor = v1::Estate::descriptor()->FindFieldByName(std::string(list));
    int line = lines_.GetLocation(descriptor, index).line;
    if (const auto* element = lines_.GetTreeForNested(descriptor, index); element != nullptr) {
      const auto* inner = descriptor->message_type()->FindFieldByName(std::string(field));
      for (const int position : {-1, 0}) {  // single, first of repeated
        if (inner == nullptr || inner->is_repeated() != (position == 0)) continue;
        if (const int at = element->GetLocation(inner, position).line; at >= 0) line = at;
      }
    }
    return absl::InvalidArgumentError(
        absl::StrFormat("%s:%d: %s[%d].%s: %s", name_, line + 1, list, index, field, what));
  }

  absl::Status CheckName(absl::string_view list, int index, absl::string_view field,
                         const std::string& name) {
    if (name.empty()) return Error(list, index, field, "is missing");
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      return Error(list, index, field,
                   absl::StrCat("'", name, "' may hold lower case letters, digits and '-' only"));
    }
    if (!names_.insert(name).second)
      return Error(list, index, field, absl::StrCat("'", name, "' is there twice"));
    return absl::OkStatus();
  }

  absl::Status CheckSite(absl::string_view list, int index, const std::string& site) const {
    if (sites_.contains(site)) return absl::OkStatus();
    return Error(list, index, "site",
                 absl::StrCat("'", site, "' is no site of this estate (sites: ",
                              absl::StrJoin(sites_, ", "), ")"));
  }

  absl::Status CheckEdition(absl::string_view list, int index, const std::string& edition,
                            uint32_t build) const {
    if (build == 0)
      return Error(list, index, "build", "is missing; write the Windows build, 22631");
    if (kms::FindEdition(edition, build) != nullptr) return absl::OkStatus();
    return Error(list, index, "edition_id",
                 absl::StrCat("'", edition, "' is not known for build ", build,
                              "; write the registry's EditionID, as in kms/data/editions.csv"));
  }

  absl::Status CheckFamily(absl::string_view list, int index, absl::string_view field,
                           const std::string& family) const {
    if (FindHostKeyFamily(family) != nullptr) return absl::OkStatus();
    return Error(
        list, index, field,
        absl::StrCat("'", family, "' is no host key family (known: ", HostKeyFamilies(), ")"));
  }

  absl::Status CheckSites() {
    for (int i = 0; i < estate_.sites_size(); ++i) {
      const v1::Site& site = estate_.sites(i);
      if (i == kMaxSites)
        return Error("sites", i, "name", absl::StrCat("more than ", kMaxSites, " sites"));
      if (site.name().empty()) return Error("sites", i, "name", "is missing");
      if (!sites_.insert(site.name()).second)
        return Error("sites", i, "name", absl::StrCat("'", site.name(), "' is there twice"));
      if (site.dns_domain().empty()) return Error("sites", i, "dns_domain", "is missing");
      domains_.insert(site.dns_domain());
    }
    if (!sites_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":1: sites: an estate needs at least one site with a dns_domain"));
  }

  absl::Status CheckHostKeys() {
    for (int i = 0; i < estate_.host_keys_size(); ++i) {
      KM_RETURN_IF_ERROR(CheckFamily("host_keys", i, "family", estate_.host_keys(i).family()));
      const auto key = ProductKey::Parse(estate_.host_keys(i).key());
      if (!key.ok()) return Error("host_keys", i, "key", key.status().message());
    }
    return absl::OkStatus();
  }

  absl::Status CheckHosts() {
    for (int i = 0; i < estate_.kms_hosts_size(); ++i) {
      const v1::KmsHost& host = estate_.kms_hosts(i);
      KM_RETURN_IF_ERROR(CheckName("kms_hosts", i, "name", host.name()));
      KM_RETURN_IF_ERROR(CheckSite("kms_hosts", i, host.site()));
      KM_RETURN_IF_ERROR(CheckEdition("kms_hosts", i, host.edition_id(), host.build()));
      KM_RETURN_IF_ERROR(CheckFamily("kms_hosts", i, "csvlk_family", host.csvlk_family()));
      for (const std::string& domain : host.publish_domains()) {
        if (!domains_.contains(domain)) {
          return Error("kms_hosts", i, "publish_domains",
                       absl::StrCat("'", domain, "' is no DNS domain of a site (domains: ",
                                    absl::StrJoin(domains_, ", "), ")"));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckGroups() {
    uint64_t total = estate_.kms_hosts_size();
    for (int i = 0; i < estate_.client_groups_size(); ++i) {
      const v1::ClientGroup& group = estate_.client_groups(i);
      KM_RETURN_IF_ERROR(CheckSite("client_groups", i, group.site()));
      KM_RETURN_IF_ERROR(CheckEdition("client_groups", i, group.edition_id(), group.build()));
      if (group.count() == 0) return Error("client_groups", i, "count", "is 0 or missing");
      total += group.count();
      if (total > kMaxMachines) {
        return Error("client_groups", i, "count",
                     absl::StrCat("the estate has more than ", kMaxMachines, " machines"));
      }
      for (uint32_t n = 1; n <= group.count(); ++n) {
        KM_RETURN_IF_ERROR(CheckName("client_groups", i, "prefix",
                                     group.prefix().empty() ? "" : ClientName(group.prefix(), n)));
      }
    }
    if (total > 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":1: client_groups: the estate has no machine; add a group"));
  }

  absl::Status CheckFaults() const {
    const auto plan = PlanFaults(estate_);
    if (plan.ok()) return absl::OkStatus();
    return Error("faults", plan.error_index, plan.error_field, plan.error);
  }

  const v1::Estate& estate_;
  TextFormat::ParseInfoTree& lines_;
  std::string name_;
  std::set<std::string> sites_, domains_, names_;
};

}  // namespace

absl::StatusOr<v1::Estate> ParseEstate(absl::string_view text, absl::string_view name) {
  v1::Estate estate;
  FirstError errors(name);
  TextFormat::ParseInfoTree lines;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.WriteLocationsTo(&lines);
  if (!parser.ParseFromString(std::string(text), &estate))
    return absl::InvalidArgumentError(RedactProductKeys(errors.error()));
  KM_RETURN_IF_ERROR(Checker(estate, lines, name).Check());
  return estate;
}

absl::StatusOr<v1::Estate> ReadEstateFile(const std::string& path) {
  KM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxEstateBytes));
  return ParseEstate(text, path);
}

std::vector<std::string> HostNames(const v1::Estate& estate) {
  std::vector<std::string> out;
  for (const v1::KmsHost& host : estate.kms_hosts()) out.push_back(host.name());
  return out;
}

std::vector<std::string> ClientNames(const v1::Estate& estate) {
  std::vector<std::string> out;
  for (const v1::ClientGroup& group : estate.client_groups()) {
    for (uint32_t i = 1; i <= group.count(); ++i) out.push_back(ClientName(group.prefix(), i));
  }
  return out;
}

std::vector<std::string> MachineNames(const v1::Estate& estate) {
  std::vector<std::string> out = HostNames(estate);
  for (std::string& name : ClientNames(estate)) out.push_back(std::move(name));
  return out;
}

std::vector<std::string> MachineSites(const v1::Estate& estate) {
  std::vector<std::string> out;
  for (const v1::KmsHost& host : estate.kms_hosts()) out.push_back(host.site());
  for (const v1::ClientGroup& group : estate.client_groups())
    out.insert(out.end(), group.count(), group.site());
  return out;
}

bool MatchesPattern(absl::string_view pattern, absl::string_view name) {
  size_t p = 0, n = 0, star = absl::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace keymedic::lab
