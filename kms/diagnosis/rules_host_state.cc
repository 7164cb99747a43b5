// SPDX-License-Identifier: Apache-2.0
//
// Hosts: the key, the count, the requests.
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

bool IsOffice(const Facts& facts) {
  return facts.host_product != nullptr && absl::StrContains(facts.host_product->name(), "Office");
}

absl::string_view FamilyOf(const Facts& facts) {
  return facts.host_product == nullptr ? absl::string_view() : HostFamilyOf(*facts.host_product);
}

Found ServiceOutdated(const Facts& facts) {
  const absl::string_view family = FamilyOf(facts);
  if (family.empty() || !facts.machine.os.has_value() || !facts.machine.os->has_revision())
    return std::nullopt;
  const v1::OsSection& os = *facts.machine.os;
  const HostSystem* needed = FindHostSystem(family, os.build());
  if (needed == nullptr || os.revision() >= needed->revision) return std::nullopt;
  return FindingBuilder("HOST_SERVICE_OUTDATED", facts.machine)
      .Saw("os", "build", absl::StrCat(os.build(), ".", os.revision()))
      .Saw("licensing", "host key", std::string(family))
      .Why(absl::StrCat("install ", std::string(needed->update), " on the host (build ",
                        needed->build, ".", needed->revision,
                        "), then restart the Software Protection service"))
      .Build();
}

Found NotLicensed(const Facts& facts) {
  const v1::Product* product = facts.host_product;
  if (product == nullptr || product->status() == v1::LICENSE_STATUS_UNSPECIFIED ||
      product->status() == v1::LICENSE_STATUS_LICENSED)
    return std::nullopt;
  FindingBuilder builder("HOST_NOT_LICENSED", facts.machine);
  // The key that is there may be the right one, and only never activated.
  builder.IfPossible("ensure_host_key");
  if (product->has_description()) builder.Saw("licensing", "description", product->description());
  if (product->status_reason() != 0)
    builder.Saw("licensing", "status_reason", ErrorText(product->status_reason()));
  return builder.Build();
}

Found ActivationLimit(const Facts& facts) {
  const bool told =
      facts.host_product != nullptr && facts.host_product->status_reason() == 0xC004C008;
  if (!told && facts.attempt_error != 0xC004C008) return std::nullopt;
  return FindingBuilder("HOST_ACTIVATION_LIMIT", facts.machine)
      .Saw("licensing", "error", ErrorText(0xC004C008))
      .Build();
}

Found EditionCannotHost(const Facts& facts) {
  if (facts.host_product == nullptr || !facts.machine.os.has_value()) return std::nullopt;
  const v1::OsSection& os = *facts.machine.os;
  const absl::string_view family = FamilyOf(facts);
  const bool server_key = absl::StartsWith(family, "Windows Server");
  const bool client_key = !server_key && absl::StartsWith(family, "Windows");
  const bool azure_edition = absl::StartsWithIgnoreCase(os.edition_id(), "ServerTurbine");
  const bool wrong_kind =
      os.has_is_server() && ((server_key && !os.is_server()) || (client_key && os.is_server()));
  const bool too_old = os.build() != 0 && os.build() < OldestBuildFor(family);
  if (!azure_edition && !wrong_kind && !too_old) return std::nullopt;
  FindingBuilder builder("HOST_EDITION_CANNOT_HOST", facts.machine);
  if (!os.edition_id().empty()) builder.Saw("os", "edition", os.edition_id());
  if (too_old)
    builder.Saw("os", "build",
                absl::StrCat(os.build(), "; the key needs ", OldestBuildFor(family), " or later"));
  if (!family.empty()) builder.Saw("licensing", "host key", std::string(family));
  return builder.Build();
}

// A host forgets who has not asked for 30 days.
bool IsForgotten(const Facts& facts, const v1::RequestSummary& request) {
  constexpr int64_t kMemory = 30 * 86400;
  return request.has_last_at() &&
         RightTime(facts.machine, request.last_at()) + kMemory <= absl::ToUnixSeconds(facts.now);
}

// Was it rejected for a key that the host has no more? One that covers what was asked for is
// installed now.
bool IsKeyReplaced(const Facts& facts, const v1::RequestSummary& request) {
  const Sku* sku = FindSku(request.activation_id());
  return sku != nullptr && sku->role == SkuRole::kClient &&
         !HostFamiliesOf(facts.machine).empty() && IsCoveredBy(facts.machine, sku->family);
}

Found KeyRejects(const Facts& facts) {
  for (const v1::RequestSummary& request : facts.host->requests()) {
    if (request.last_error() != 0xC004F015 && request.last_error() != 0xC004F042) continue;
    if (IsForgotten(facts, request) || IsKeyReplaced(facts, request)) continue;
    FindingBuilder builder("HOST_KEY_MISMATCH", facts.machine);
    builder.Saw("event 12290", "error", ErrorText(request.last_error()),
                request.has_last_at() ? &request.last_at() : nullptr);
    if (const Sku* sku = FindSku(request.activation_id()))
      builder.Saw("event 12290", "asked for", std::string(sku->product));
    if (facts.host_product != nullptr)
      builder.Saw("licensing", "description", facts.host_product->description());
    return builder.Build();
  }
  return std::nullopt;
}

// The clients that use this host, and that it does not activate, hold keys that none of its own
// covers.
Found KeyCannotServe(const Facts& facts) {
  const std::vector<absl::string_view> families = HostFamiliesOf(facts.machine);
  if (families.empty()) return std::nullopt;
  for (const Target* target : facts.index.TargetsOf(facts.machine)) {
    for (const auto& [waiting, products] : target->waiting) {
      if (IsCoveredBy(facts.machine, waiting)) continue;
      return FindingBuilder("HOST_KEY_MISMATCH", facts.machine)
          .Saw("licensing", "host key", absl::StrJoin(families, ", "))
          .Saw("licensing of clients", std::string(waiting),
               absl::StrCat(products, " products that wait for this host"))
          .Build();
    }
  }
  return std::nullopt;
}

Found KeyMismatch(const Facts& facts) {
  if (facts.host == nullptr) return std::nullopt;
  Found found = KeyRejects(facts);
  return found.has_value() ? std::move(found) : KeyCannotServe(facts);
}

// As far as the host's log reaches.
std::string DistinctIds(const Facts& facts) {
  return absl::StrCat(
      absl::c_count_if(facts.host->requests(), [&](const v1::RequestSummary& request) {
        return IsMachineId(request.client_machine_id()) && !IsForgotten(facts, request);
      }));
}

Found CountZero(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || CountOf(*host) != 0) return std::nullopt;
  FindingBuilder builder("HOST_COUNT_ZERO", facts.machine);
  builder.Saw("kms_host", "current_count", "0");
  if (host->has_total_requests())
    builder.Saw("kms_host", "total_requests", absl::StrCat(host->total_requests()));
  if (facts.index.pool.directory) {
    builder.Severity(v1::SEVERITY_INFO)
        .Explain("Clients here are activated by the directory, which needs no count.");
  }
  return builder.Build();
}

// Its own count is not known, or impossible; but it answered clients that it is too low.
Found CountToldTooLow(const Facts& facts) {
  size_t told = 0;
  for (const Target* target : facts.index.TargetsOf(facts.machine))
    told += target->told_short.size();
  if (told == 0) return std::nullopt;
  return FindingBuilder("HOST_COUNT_TOO_LOW", facts.machine)
      .Saw("kms_client", "clients that it answered so", absl::StrCat(told))
      .Saw("event 12290", "distinct machine ids in 30 days", DistinctIds(facts))
      .Build();
}

Found CountTooLow(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || CountOf(*host) == 0) return std::nullopt;
  if (!CountOf(*host).has_value()) return CountToldTooLow(facts);
  const int count = *CountOf(*host);
  const int known = RequiredCount(*host);
  const int threshold = IsOffice(facts) ? kServerThreshold : known != 0 ? known : kDesktopThreshold;
  if (count >= threshold) return std::nullopt;
  FindingBuilder builder("HOST_COUNT_TOO_LOW", facts.machine);
  builder.Saw("kms_host", "current_count", absl::StrCat(count, " of ", threshold));
  if (!host->requests().empty()) {
    builder.Saw("event 12290", "distinct machine ids in 30 days", DistinctIds(facts));
  }
  // Enough for servers, and nobody knows of desktops: worth a word, not a warning.
  if (known == 0 && count >= kServerThreshold) {
    builder.Severity(v1::SEVERITY_NOTICE)
        .Explain("The count is enough for Windows Server and Office; desktop Windows needs 25.");
  }
  return builder.Build();
}

// A machine that is known to have another id by now is no clone any more.
bool HasOtherId(const Facts& facts, const std::string& name, const std::string& cmid) {
  const MachineState* machine = facts.estate.FindByHostName(name);
  return machine != nullptr && machine->client.has_value() &&
         IsMachineId(machine->client->client_machine_id()) &&
         !absl::EqualsIgnoreCase(machine->client->client_machine_id(), cmid);
}

// The machines that ask with this id: each once, in full or in short, in any case.
std::vector<std::string> MachinesOf(const Facts& facts, const v1::RequestSummary& request) {
  std::vector<std::string> names;
  for (const std::string& name : request.machine_names()) {
    const bool again = absl::c_any_of(
        names, [&](const std::string& before) { return ShortName(before) == ShortName(name); });
    if (!again && !HasOtherId(facts, name, request.client_machine_id())) names.push_back(name);
  }
  return names;
}

// Of those machines the known ones that get another id: not the one that keeps it, which is the one
// that CLIENT_DUPLICATE_CMID leaves alone, too, nor those that have no rearm left.
std::vector<const MachineState*> MachinesToPart(const Facts& facts,
                                                const std::vector<std::string>& names,
                                                const std::string& cmid) {
  std::vector<const MachineState*> known;
  for (const std::string& name : names) {
    if (const MachineState* machine = facts.estate.FindByHostName(name)) known.push_back(machine);
  }
  const auto rank = [&](const MachineState* machine) {
    const bool has_it = machine->client.has_value() &&
                        absl::EqualsIgnoreCase(machine->client->client_machine_id(), cmid);
    return std::pair(!has_it, absl::string_view(machine->id));
  };
  absl::c_sort(known,
               [&](const MachineState* a, const MachineState* b) { return rank(a) < rank(b); });
  if (!known.empty()) known.erase(known.begin());
  std::erase_if(known, [](const MachineState* machine) { return HasNoRearm(*machine); });
  return known;
}

bool IsCountShort(const v1::KmsHostSection& host) {
  const int count = CountOf(host).value_or(0);
  return count > 0 && count < std::max(RequiredCount(host), kServerThreshold);
}

// One id, at least so many machines, and how to part them; `counted`: only those that the host
// counts, which are those that it does not reject.
Found Clones(absl::string_view code, const Facts& facts, size_t machines, bool counted) {
  const v1::KmsHostSection* host = facts.host;
  for (const v1::RequestSummary& request : host->requests()) {
    if (IsForgotten(facts, request) || !IsMachineId(request.client_machine_id()) ||
        request.machine_names_size() < 2 || (counted && request.last_error() != 0))
      continue;
    const std::vector<std::string> names = MachinesOf(facts, request);
    if (names.size() < machines) continue;
    FindingBuilder builder(code, facts.machine);
    builder.NoTreatments().Saw("event 12290", "one machine id", request.client_machine_id(),
                               request.has_last_at() ? &request.last_at() : nullptr);
    for (const std::string& name : names) builder.Saw("event 12290", "used by", name);
    const std::string cmid = absl::AsciiStrToLower(request.client_machine_id());
    for (const MachineState* clone : MachinesToPart(facts, names, cmid)) {
      builder.Treat("reset_machine_id", {{"client_machine_id", cmid}}, clone->id)
          .Treat("activate", {}, clone->id);
    }
    if (const std::optional<int> count = CountOf(*host))
      builder.Saw("kms_host", "current_count", absl::StrCat(*count));
    builder.Saw("event 12290", "distinct machine ids in 30 days", DistinctIds(facts));
    return builder
        .Why(
            "give each of the machines that are named a machine id of its own (slmgr /rearm, then "
            "restart; where no rearm is left, install it anew), and repair the image they were "
            "made from")
        .Build();
  }
  return std::nullopt;
}

Found CountStuck(const Facts& facts) {
  if (facts.host == nullptr || !IsCountShort(*facts.host)) return std::nullopt;
  return Clones("HOST_COUNT_STUCK", facts, 2, /*counted=*/true);
}

// The same where the count is not known or is enough all the same. A host whose count is enough has
// clients that somebody renamed, too: two names are no proof there.
Found ClonesAsk(const Facts& facts) {
  if (facts.host == nullptr || IsCountShort(*facts.host)) return std::nullopt;
  return Clones("CLIENT_DUPLICATE_CMID", facts, CountOf(*facts.host).has_value() ? 3 : 2,
                /*counted=*/false);
}

// No host remembers more than that, whoever asks.
Found CountOverCeiling(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || host->current_count() <= kCountCeiling) return std::nullopt;
  return FindingBuilder("EVIDENCE_CONTRADICTORY", facts.machine)
      .Saw("kms_host", "current_count", absl::StrCat(host->current_count()))
      .Saw("activation rules", "highest count of any host", absl::StrCat(kCountCeiling))
      .Build();
}

Found CountSaturated(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr) return std::nullopt;
  const bool desktops = RequiredCount(*host) >= kDesktopThreshold;
  if (host->current_count() != kCountCeiling && (host->current_count() != 10 || desktops))
    return std::nullopt;
  return FindingBuilder("HOST_COUNT_SATURATED", facts.machine)
      .Saw("kms_host", "current_count", absl::StrCat(host->current_count()))
      .NoTreatments()
      .Build();
}

Found EventLogFull(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr) return std::nullopt;
  // One that was enlarged fills up by and by.
  const bool ample = host->has_log_max_bytes() && host->log_max_bytes() >= kAmpleLogBytes;
  const bool shallow = !ample && host->has_log_hours_held() && host->log_hours_held() < 24 &&
                       host->total_requests() > 0;
  if (!host->log_full() && !shallow) return std::nullopt;
  FindingBuilder builder("HOST_EVENT_LOG_FULL", facts.machine);
  if (host->log_full()) builder.Saw("Key Management Service log", "full", "yes");
  if (host->has_log_hours_held())
    builder.Saw("Key Management Service log", "hours held", absl::StrCat(host->log_hours_held()));
  return builder.Build();
}

// A host that rejects a client whose clock is off does what it should.
bool IsClientsOwnFault(uint32_t error) { return error == 0xC004F06C; }

Found RequestsFailing(const Facts& facts) {
  const v1::KmsHostSection* host = facts.host;
  if (host == nullptr || host->failed_requests() == 0) return std::nullopt;
  FindingBuilder builder("HOST_REQUESTS_FAILING", facts.machine);
  builder.Saw("kms_host", "failed_requests",
              absl::StrCat(host->failed_requests(), " of ", host->total_requests()));
  // The counter never falls: what the newest requests say counts, where it is known.
  const v1::RequestSummary* failing = nullptr;
  for (const v1::RequestSummary& request : host->requests()) {
    if (request.last_error() == 0) continue;
    if (failing == nullptr || IsClientsOwnFault(failing->last_error())) failing = &request;
  }
  if (failing != nullptr) {
    builder.Saw("event 12290", "error", ErrorText(failing->last_error()),
                failing->has_last_at() ? &failing->last_at() : nullptr);
  }
  const bool rare = host->failed_requests() * 20 < host->total_requests();
  const bool fails_now = failing != nullptr && !IsClientsOwnFault(failing->last_error());
  if (!fails_now && (rare || !host->requests().empty())) builder.Severity(v1::SEVERITY_NOTICE);
  return builder.NoTreatments().Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &EditionCannotHost}, {Stage::kFact, &ServiceOutdated},
    {Stage::kFact, &ActivationLimit},   {Stage::kFact, &NotLicensed},
    {Stage::kFact, &KeyMismatch},       {Stage::kFact, &CountZero},
    {Stage::kFact, &CountTooLow},       {Stage::kFact, &CountStuck},
    {Stage::kFact, &ClonesAsk},         {Stage::kFact, &CountSaturated},
    {Stage::kFact, &CountOverCeiling},  {Stage::kFact, &EventLogFull},
    {Stage::kFact, &RequestsFailing},
};

}  // namespace

std::span<const Rule> HostStateRules() { return kRules; }

}  // namespace keymedic::kms
