// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/facts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic::kms {
namespace {

constexpr uint32_t kRequestEvent = 12288;
constexpr absl::string_view kWindows = "55c92734-d682-4d71-983e-d6ec3f16059f";

bool OneOf(uint32_t code, std::initializer_list<uint32_t> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool HasKey(const v1::Product& product) {
  return !product.has_partial_key() || !product.partial_key().empty();
}

bool IsWindows(const v1::Product& product) {
  if (product.has_application_id())
    return absl::EqualsIgnoreCase(product.application_id(), kWindows);
  return absl::StartsWithIgnoreCase(product.name(), "Windows");
}

// Windows names its products after the edition: "Windows(R), Professional edition".
absl::string_view EditionInName(absl::string_view name) {
  if (!absl::StartsWithIgnoreCase(name, "Windows")) return "";
  const size_t comma = name.find(", ");
  const size_t end = name.rfind(" edition");
  if (comma == absl::string_view::npos || end == absl::string_view::npos || end < comma + 2)
    return "";
  return name.substr(comma + 2, end - comma - 2);
}

// What the licensing service prints when no host was reached, whatever the reason.
bool IsWrapper(const v1::ActivationAttempt& attempt) {
  return attempt.source_event() != kRequestEvent &&
         OneOf(attempt.error(), {0xC004F074, 0xC0020017, 0x8007139F});
}

// An error that wraps another tells less than the newest request, whose own is the cause.
const v1::ActivationAttempt* MostTelling(const v1::KmsClientSection& client,
                                         const v1::ActivationAttempt& newest) {
  constexpr int64_t kOneCause = 24 * 3600;  // a client that fails asks again every two hours
  if (!IsWrapper(newest)) return &newest;
  for (const v1::ActivationAttempt& attempt : client.attempts()) {
    if (attempt.source_event() != kRequestEvent) continue;
    const bool too_old = attempt.has_at() && newest.has_at() &&
                         newest.at().seconds() - attempt.at().seconds() > kOneCause;
    return attempt.error() == 0 || too_old ? &newest : &attempt;
  }
  return &newest;
}

// As DNS writes it, with a dot at its end, or without.
bool IsSameName(absl::string_view one, absl::string_view other) {
  return absl::EqualsIgnoreCase(absl::StripSuffix(one, "."), absl::StripSuffix(other, "."));
}

}  // namespace

const v1::Product* PrimaryProduct(const v1::LicensingSection& licensing) {
  const v1::Product* first = nullptr;
  for (const v1::Product& product : licensing.products()) {
    if (!HasKey(product) || product.is_addon()) continue;
    if (IsWindows(product)) return &product;
    if (first == nullptr) first = &product;
  }
  return first;
}

uint32_t StateError(const v1::LicensingSection& licensing) {
  for (const v1::Product& product : licensing.products()) {
    if (!product.is_addon() && product.status() != v1::LICENSE_STATUS_LICENSED &&
        product.status_reason() != 0)
      return product.status_reason();
  }
  return 0;
}

bool IsSanctioned(const v1::Policy& policy, absl::string_view host) {
  host = absl::StripSuffix(host, ".");
  return policy.kms_hosts().empty() ||
         absl::c_any_of(policy.kms_hosts(), [&](absl::string_view known) {
           known = absl::StripSuffix(known, ".");
           return absl::EqualsIgnoreCase(known, host) ||
                  absl::EqualsIgnoreCase(known.substr(0, known.find('.')), host);
         });
}

absl::string_view ChannelText(const v1::Product& product) {
  if (!product.channel().empty()) return product.channel();
  absl::string_view text = product.description();
  const size_t comma = text.rfind(", ");
  if (comma == absl::string_view::npos) return product.key_channel();
  text.remove_prefix(comma + 2);
  return text.substr(0, text.find(' '));
}

Channel ChannelOf(const v1::Product& product) {
  const std::string text = absl::AsciiStrToUpper(ChannelText(product));
  auto has = [&](absl::string_view part) { return absl::StrContains(text, part); };
  if (has("KMSCLIENT") || has("VOLUME:GVLK")) return Channel::kKmsClient;
  if (has("VOLUME_KMS") || has("VOLUME-KMS") || has("VOLUME:CSVLK")) return Channel::kKmsHost;
  if (has("MAK")) return Channel::kMak;
  if (has("TIMEBASED") || has("EVAL")) return Channel::kEvaluation;
  if (has("VIRTUAL_MACHINE_ACTIVATION") || has("VIRTUALMACHINEACTIVATION") || has("VT_IA"))
    return Channel::kVirtualMachine;
  if (has("RETAIL")) return Channel::kRetail;
  if (has("OEM")) return Channel::kOem;
  return Channel::kUnknown;
}

absl::string_view HostFamilyOf(const v1::Product& product) {
  if (const Sku* sku = FindSku(product.activation_id()))
    return sku->role == SkuRole::kHost ? sku->family : absl::string_view();
  return HostFamilyOfChannel(ChannelText(product));
}

std::vector<absl::string_view> HostFamiliesOf(const MachineState& host) {
  std::vector<absl::string_view> families;
  if (!host.licensing.has_value()) return families;
  for (const v1::Product& product : host.licensing->products()) {
    if (ChannelOf(product) != Channel::kKmsHost) continue;
    families.push_back(HostFamilyOf(product));
    if (!IsHostFamilyCovered(families.back())) return {};
  }
  return families;
}

bool IsCoveredBy(const MachineState& host, absl::string_view client_family) {
  const std::vector<absl::string_view> families = HostFamiliesOf(host);
  return families.empty() || absl::c_any_of(families, [&](absl::string_view family) {
           return HostKeyCovers(family, client_family);
         });
}

bool IsNoContact(uint32_t error) {
  return OneOf(error, {0x800706BA, 0xC0020017, 0x8007274C, 0x8007274D, 0x800705B4, 0x80072AF9,
                       0x800706BE, 0x800706BF, 0x800706D9, 0x800706BB, 0x8007139F, 0xC004F074});
}
bool IsCountTooLow(uint32_t error) { return error == 0xC004F038; }
bool IsKeyRefused(uint32_t error) { return error == 0xC004F042; }
bool IsNoSrv(uint32_t error) { return OneOf(error, {0x8007232B, 0x8007251D, 0x8007007B}); }
bool IsNoNameServer(uint32_t error) { return error == 0x8007267C; }
bool IsWrongKeyForEdition(uint32_t error) { return OneOf(error, {0xC004F069, 0xC004E016}); }
bool IsNonGenuine(uint32_t error) {
  return OneOf(
      error, {0xC004F200, 0xC004C4A2, 0xC004F064, 0xC004F065, 0x4004F065, 0xC004F067, 0x4004F068});
}

namespace {

bool IsPublicV4(absl::string_view host) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  char rest = 0;
  if (std::sscanf(std::string(host).c_str(), "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) != 4)
    return false;
  const bool is_private = a == 0 || a == 10 || a == 127 || (a == 172 && b >= 16 && b <= 31) ||
                          (a == 192 && b == 168) || (a == 169 && b == 254) ||
                          (a == 100 && b >= 64 && b <= 127);
  return !is_private && a < 224;
}

// Global unicast is 2000::/3; an address that only holds an IPv4 one is as public as that.
bool IsPublicV6(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) host = host.substr(0, host.find(']'));
  if (const size_t mapped = host.rfind(':');
      absl::StartsWithIgnoreCase(host, "::ffff:") && absl::StrContains(host, '.'))
    return IsPublicV4(host.substr(mapped + 1));
  const absl::string_view first = host.substr(0, host.find(':'));
  uint32_t group = 0;
  return first.size() == 4 && absl::SimpleHexAtoi(first, &group) && group >> 13 == 1;
}

}  // namespace

bool IsPublicAddress(absl::string_view host) {
  const bool v6 = absl::c_count(host, ':') > 1;
  return v6 ? IsPublicV6(host) : IsPublicV4(host);
}

int64_t RightTime(const MachineState& machine, const google::protobuf::Timestamp& at) {
  const int64_t ahead = machine.os.has_value() ? machine.os->clock_skew_minutes() : 0;
  return at.seconds() - ahead * 60;
}

Facts::Facts(const Estate& the_estate, const MachineState& the_machine,
             const v1::Policy& the_policy, absl::Time the_now)
    : estate(the_estate),
      index(the_estate.index()),
      machine(the_machine),
      policy(the_policy),
      now(the_now) {
  if (machine.licensing.has_value()) LookAtLicensing();
  is_host = IsKmsHost(machine);
  if (is_host && machine.host.has_value()) host = &*machine.host;
  if (machine.client.has_value()) {
    LookAtClient(*machine.client);
    LookAtHost();
  }
}

void Facts::LookAtLicensing() {
  primary = PrimaryProduct(*machine.licensing);
  for (const v1::Product& product : machine.licensing->products()) {
    const Channel seen = ChannelOf(product);
    if (&product == primary) channel = seen;
    if (seen == Channel::kKmsHost) host_product = &product;
    if (seen == Channel::kKmsClient) is_kms_client = true;
  }
  state_error = StateError(*machine.licensing);
  if (primary != nullptr && !primary->activation_id().empty())
    sku = FindSku(primary->activation_id());
  if (const std::string id = edition_id(); !id.empty()) edition = FindEdition(id, build());
}

void Facts::LookAtClient(const v1::KmsClientSection& client) {
  attempt = CurrentAttempt(client);
  if (attempt != nullptr) {
    attempt = MostTelling(client, *attempt);
    attempt_error = attempt->error();
    // Nothing is known of the licence: who asks for a host is a client of one.
    if (primary == nullptr && attempt->source_event() != 8198) is_kms_client = true;
  }
  pinned = !client.registered_host().empty();
  const auto [host_in_use, port_in_use] = HostInUse(client);
  host_name = std::string(host_in_use);
  host_port = port_in_use;
  if (host_name.empty() && machine.probes.has_value() && machine.probes->probes_size() == 1) {
    host_name = machine.probes->probes(0).host();
    host_port = machine.probes->probes(0).port();
  }
}

void Facts::LookAtHost() {
  const v1::Probe* probe = nullptr;
  if (!host_name.empty()) {
    host_machine = FindHost(estate, host_name);
    probe = ProbeOf(host_name, host_port);
    host_alive = probe != nullptr && probe->result() == v1::PROBE_RESULT_KMS;
  }
  // Who is not pinned goes on to the next host that DNS names.
  if (!pinned && !host_alive && machine.probes.has_value()) {
    host_alive = absl::c_any_of(machine.probes->probes(), [&](const v1::Probe& other) {
      return other.result() == v1::PROBE_RESULT_KMS && IsOffered(other.host());
    });
  }
  if (host_machine != nullptr && host_machine->host.has_value())
    LookAtHostsLog(*host_machine->host);
  host_dead = !host_alive && rejected == nullptr && (probe != nullptr || Shows(&IsNoContact));
}

// A client that hears nothing does not know that it was rejected; event 12290 of its machine id,
// near the time of its attempt, does.
void Facts::LookAtHostsLog(const v1::KmsHostSection& log) {
  constexpr int64_t kNear = 3600;  // the clocks may differ, and clients try again
  if (attempt == nullptr || !attempt->has_at()) return;
  const bool unanswered = attempt_error == 0 && attempt->has_answered() && !attempt->answered();
  if (!IsNoContact(attempt_error) && !unanswered) return;
  const std::string& cmid = attempt->client_machine_id().empty()
                                ? machine.client->client_machine_id()
                                : attempt->client_machine_id();
  if (!IsMachineId(cmid)) return;
  const std::string key = absl::AsciiStrToLower(cmid);
  const auto sharing = index.by_cmid.find(key);
  if (sharing != index.by_cmid.end() && sharing->second.size() > 1) return;
  const auto rejecting = index.rejecting.find(key);  // many hear nothing, few were rejected
  if (rejecting == index.rejecting.end() || !rejecting->second.contains(host_machine->id)) return;
  const int64_t at = RightTime(machine, attempt->at());
  for (const v1::RequestSummary& request : log.requests()) {
    if (request.last_error() == 0 || !request.has_last_at() || request.machine_names_size() > 1 ||
        !absl::EqualsIgnoreCase(request.client_machine_id(), cmid))
      continue;
    if (std::abs(request.last_at().seconds() - at) <= kNear) rejected = &request;
  }
}

uint32_t Facts::build() const {
  if (machine.os.has_value() && machine.os->build() != 0) return machine.os->build();
  if (!machine.licensing.has_value()) return 0;
  const std::vector<absl::string_view> parts =
      absl::StrSplit(machine.licensing->service_version(), '.');
  uint32_t number = 0;
  return parts.size() >= 3 && absl::SimpleAtoi(parts[2], &number) ? number : 0;
}

std::string Facts::edition_id() const {
  if (machine.os.has_value() && !machine.os->edition_id().empty()) return machine.os->edition_id();
  return primary == nullptr ? "" : std::string(EditionInName(primary->name()));
}

bool Facts::never_asks() const {
  if (!machine.client.has_value()) return false;
  const v1::ActivationType type = machine.client->activation_type();
  return type == v1::ACTIVATION_TYPE_DIRECTORY || type == v1::ACTIVATION_TYPE_TOKEN;
}

bool Facts::uses_known_host() const {
  return host_machine != nullptr && index.hosts.contains(host_machine->id);
}

const v1::SrvAnswer* Facts::answer_in_use() const {
  if (!machine.names.has_value()) return nullptr;
  const auto& answers = machine.names->answers();
  const std::string domain = lookup_domain();
  const auto first = absl::c_find_if(answers, [&](const v1::SrvAnswer& answer) {
    return !answer.records().empty() && (domain.empty() || DomainOf(answer.name()) == domain);
  });
  return first == answers.end() ? nullptr : &*first;
}

std::string Facts::lookup_domain() const {
  return machine.client.has_value() ? DomainOf(machine.client->lookup_domain()) : "";
}

bool Facts::searches_in_vain() const {
  const std::string domain = lookup_domain();
  if (domain.empty() || !machine.names.has_value()) return false;
  bool asked = false;
  for (const v1::SrvAnswer& answer : machine.names->answers()) {
    if (DomainOf(answer.name()) != domain) continue;
    if (!answer.records().empty() || (answer.error() != 0 && !IsNoSrv(answer.error())))
      return false;
    asked = true;
  }
  return asked;
}

bool Facts::probe_fails() const {
  const v1::Probe* probe = ProbeOf(host_name, host_port);
  return probe != nullptr && probe->result() != v1::PROBE_RESULT_KMS;
}

bool Facts::IsOffered(absl::string_view host) const {
  if (searches_in_vain()) return false;
  const v1::SrvAnswer* answer = answer_in_use();
  return answer == nullptr || absl::c_any_of(answer->records(), [&](const v1::SrvRecord& record) {
           return IsSameName(record.target(), host);
         });
}

const v1::Probe* Facts::ProbeOf(absl::string_view host, uint32_t port) const {
  if (!machine.probes.has_value()) return nullptr;
  for (const v1::Probe& probe : machine.probes->probes()) {
    if (probe.result() != v1::PROBE_RESULT_UNSPECIFIED && (port == 0 || probe.port() == port) &&
        IsSameName(probe.host(), host))
      return &probe;
  }
  return nullptr;
}

}  // namespace keymedic::kms
