// SPDX-License-Identifier: Apache-2.0
//
// By which names and values machines, hosts and domains are found in an index.
#include "kms/diagnosis/index.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {
namespace {

bool IsLocalAddress(absl::string_view address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "169.254.") ||
         absl::StartsWith(address, "fe80:") || address == "::1";
}

void AddDomain(absl::string_view text, std::vector<std::string>& domains) {
  std::string domain = DomainOf(absl::StripAsciiWhitespace(text));
  if (!domain.empty() && !absl::c_linear_search(domains, domain))
    domains.push_back(std::move(domain));
}

}  // namespace

bool Target::empty() const {
  return failing.empty() && reaching.empty() && listed_by.empty() && unresolved_by.empty() &&
         unanswered.empty() && pinned.empty() && srv_ports.empty() && zones.empty() &&
         addresses.empty() && users.empty() && told_short.empty() && activated.empty() &&
         waiting.empty();
}

bool Zone::empty() const {
  return served == 0 && unserved.empty() && hosts.empty() && mak_users.empty() && counts.empty();
}

bool HasNoRearm(const MachineState& machine) {
  return machine.licensing.has_value() && machine.licensing->has_windows_rearms_left() &&
         machine.licensing->windows_rearms_left() == 0;
}

bool IsMachineId(absl::string_view id) {
  return id.find_first_not_of("0-{}") != absl::string_view::npos;
}

std::string HostKey(absl::string_view host) {
  std::string key = absl::AsciiStrToLower(host);
  if (!key.empty() && key.back() == '.') key.pop_back();
  return key;
}

std::vector<std::string> NamesOf(const MachineState& machine) {
  std::vector<std::string> names;
  const v1::OsSection* os = machine.os.has_value() ? &*machine.os : nullptr;
  const std::string name =
      HostKey(os != nullptr && !os->computer_name().empty() ? os->computer_name() : machine.name);
  if (!name.empty()) {
    names.push_back(name);
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      names.push_back(name.substr(0, dot));
    } else if (os != nullptr && !os->dns_domain().empty()) {
      names.push_back(absl::StrCat(name, ".", HostKey(os->dns_domain())));
    }
  }
  if (os == nullptr) return names;
  for (const std::string& text : os->addresses()) {
    std::string address = HostKey(text);
    if (!address.empty() && !IsLocalAddress(address)) names.push_back(std::move(address));
  }
  return names;
}

std::string FullNameOf(const MachineState& machine) {
  const std::vector<std::string> names = NamesOf(machine);
  if (names.empty()) return "";
  const bool second_is_full = names.size() > 1 && absl::StartsWith(names[1], names[0] + ".");
  return second_is_full ? names[1] : names[0];
}

bool IsKmsHost(const MachineState& machine) {
  if (machine.licensing.has_value() &&
      absl::c_any_of(machine.licensing->products(), [](const v1::Product& product) {
        return ChannelOf(product) == Channel::kKmsHost;
      }))
    return true;
  if (!machine.host.has_value()) return false;
  if (machine.host->has_enabled()) return machine.host->enabled();
  // Who is asked, or publishes, is one.
  return machine.host->current_count() > 0 || !machine.host->requests().empty() ||
         !machine.host->publications().empty();
}

bool IsToldNoSrv(const v1::NamesSection& names) {
  return !names.answers().empty() &&
         absl::c_all_of(names.answers(), [](const v1::SrvAnswer& answer) {
           return answer.records().empty() && (answer.error() == 0 || IsNoSrv(answer.error()));
         });
}

std::vector<const Target*> Estate::Index::TargetsOf(const MachineState& machine) const {
  std::vector<const Target*> out;
  for (const std::string& name : NamesOf(machine)) {
    if (const auto it = targets.find(name); it != targets.end()) out.push_back(&it->second);
  }
  return out;
}

const MachineState* FindHost(const Estate& estate, absl::string_view host) {
  if (const MachineState* machine = estate.FindByHostName(host)) return machine;
  const auto target = estate.index().targets.find(HostKey(host));
  if (target == estate.index().targets.end()) return nullptr;
  const MachineState* found = nullptr;
  for (const auto& [address, answers] : target->second.addresses) {
    const MachineState* machine = estate.FindByHostName(address);
    if (machine == nullptr || (found != nullptr && machine != found)) return nullptr;
    found = machine;
  }
  return found;
}

const v1::ActivationAttempt* CurrentAttempt(const v1::KmsClientSection& client) {
  if (client.attempts().empty()) return nullptr;
  const v1::ActivationAttempt& newest = client.attempts(0);
  if (!newest.has_at() || !client.has_last_activation_at()) return &newest;
  // The one that activated it may stand a moment after the minute that the service remembers.
  const int64_t slack = newest.bound() ? 60 : 0;
  const bool outdated = client.last_activation_at().seconds() + slack >= newest.at().seconds();
  return outdated ? nullptr : &newest;
}

const v1::ActivationAttempt* LastSuccess(const v1::KmsClientSection& client) {
  for (const v1::ActivationAttempt& attempt : client.attempts()) {
    if (attempt.bound() && attempt.error() == 0 && !attempt.host().empty()) return &attempt;
  }
  return nullptr;
}

std::pair<absl::string_view, uint32_t> HostInUse(const v1::KmsClientSection& client) {
  if (!client.registered_host().empty())
    return {client.registered_host(), client.registered_port()};
  const v1::ActivationAttempt* attempt = CurrentAttempt(client);
  if (attempt != nullptr && !attempt->host().empty()) return {attempt->host(), attempt->port()};
  return {client.discovered_host(), client.discovered_port()};
}

std::string DomainOf(absl::string_view srv_name) {
  const std::string key = HostKey(srv_name);
  return std::string(absl::StripPrefix(key, "_vlmcs._tcp."));
}

std::vector<std::string> DomainsOf(const MachineState& client) {
  std::vector<std::string> domains;
  if (client.client.has_value() && !client.client->lookup_domain().empty()) {
    AddDomain(client.client->lookup_domain(), domains);
    return domains;
  }
  if (client.os.has_value()) AddDomain(client.os->dns_domain(), domains);
  if (client.names.has_value()) {
    for (const std::string& suffix : client.names->suffixes()) AddDomain(suffix, domains);
  }
  return domains;
}

std::vector<std::string> PublishedDomainsOf(const MachineState& host) {
  std::vector<std::string> domains;
  if (host.os.has_value()) AddDomain(host.os->dns_domain(), domains);
  if (!host.host.has_value()) return domains;
  // Each may be followed by its priority and weight.
  for (const std::string& row : host.host->publish_domains())
    AddDomain(absl::string_view(row).substr(0, row.find(',')), domains);
  return domains;
}

// Platform, group, key and sequence; what follows tells when and on which build it was activated.
std::string PidKey(absl::string_view extended_pid) {
  constexpr size_t kFields = 4;
  std::vector<absl::string_view> fields = absl::StrSplit(extended_pid, '-');
  const bool is_pid = fields.size() > kFields && absl::c_all_of(fields[0], absl::ascii_isdigit) &&
                      absl::c_all_of(fields[3], absl::ascii_isdigit) && !fields[0].empty();
  if (!is_pid) return "";
  fields.resize(kFields);
  return absl::StrJoin(fields, "-");
}

uint32_t RequiredBy(const v1::RequestSummary& request) {
  if (request.required_count() != 0) return request.required_count();
  const Sku* sku = FindSku(request.activation_id());
  return sku == nullptr ? 0 : sku->required_count;
}

std::optional<int> CountOf(const v1::KmsHostSection& host) {
  if (!host.has_current_count() || host.current_count() > kCountCeiling) return std::nullopt;
  return std::max(0, host.current_count());
}

int RequiredCount(const v1::KmsHostSection& host) {
  uint32_t required = 0;
  for (const v1::RequestSummary& request : host.requests())
    required = std::max(required, RequiredBy(request));
  return static_cast<int>(required);
}

// It ends with the day of the year in three digits and the year in four.
std::optional<int64_t> PidDay(absl::string_view extended_pid) {
  const absl::string_view last = extended_pid.substr(extended_pid.rfind('-') + 1);
  uint32_t day = 0, year = 0;
  if (last.size() != 7 || !absl::SimpleAtoi(last.substr(0, 3), &day) ||
      !absl::SimpleAtoi(last.substr(3), &year) || day == 0 || day > 366 || year < 1970)
    return std::nullopt;
  return absl::ToUnixSeconds(
      absl::FromCivil(absl::CivilDay(year, 1, 1) + (day - 1), absl::UTCTimeZone()));
}

std::string ShortName(absl::string_view name) {
  return absl::AsciiStrToLower(name.substr(0, name.find('.')));
}

}  // namespace keymedic::kms
