// SPDX-License-Identifier: Apache-2.0
#include "kms/events.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "kms/attempts.h"
#include "kms/event_text.h"
#include "kms/newest_first.h"

namespace keymedic::kms {
namespace {

using v1::EventRecord;

constexpr uint32_t kGenuineOnlineCheck = 13;  // of Windows Activation Technologies only
constexpr uint32_t kRequestProcessed = 12290;
constexpr uint32_t kPublishFailed = 12293;
constexpr uint32_t kPublished = 12294;
constexpr uint32_t kDirectoryActivation = 12308;
constexpr uint32_t kUnspecifiedError = 0x80004005;  // E_FAIL
constexpr size_t kMaxObservations = 16;
constexpr int kMaxNames = 16;
constexpr int64_t kHostRemembersSeconds = 30 * 24 * 3600;
constexpr size_t kDetailLimit = 200;

bool IsClientEvent(uint32_t id) { return id == 12288 || id == 12289 || id == 8198 || id == 8196; }
bool IsHostEvent(uint32_t id) {
  return id == kRequestProcessed || id == kPublishFailed || id == kPublished;
}
bool IsObservation(uint32_t id) {
  return id == 8196 || id == 8200 || id == 8208 || id == 8209 || id == kGenuineOnlineCheck ||
         id == kDirectoryActivation || id == 12321;
}

// Logs and pasted texts write the providers' names long, short or not at all.
bool IsLicensingProvider(const EventRecord& event) {
  const std::string provider = absl::AsciiStrToLower(event.provider());
  if (event.event_id() == kGenuineOnlineCheck) {
    return absl::StrContains(provider, "windows activation technologies") ||
           (provider.empty() &&
            absl::StrContains(absl::AsciiStrToLower(EventText(event)), "hronline"));
  }
  if (provider.empty()) return true;
  for (absl::string_view name : {"security-spp", "licensing-slc", "software protection",
                                 "softwareprotection", "software licensing"}) {
    if (absl::StrContains(provider, name)) return true;
  }
  return false;
}

bool IsSameRecord(const EventRecord* a, const EventRecord* b) {
  return a->record_id() != 0 && a->record_id() == b->record_id() && a->channel() == b->channel() &&
         a->computer() == b->computer() && a->event_id() == b->event_id();
}

// Those that mean something, oldest first. Without times the order of appearance stands.
std::vector<const EventRecord*> InOrder(std::span<const EventRecord> events) {
  std::vector<const EventRecord*> ordered;
  bool timed = true;
  for (const EventRecord& event : events) {
    if (!IsLicensingEvent(event)) continue;
    ordered.push_back(&event);
    timed = timed && event.has_time();
  }
  if (timed) {
    const auto key = [](const EventRecord* event) {
      return std::tuple(event->time().seconds(), event->time().nanos(), event->record_id());
    };
    std::stable_sort(ordered.begin(), ordered.end(),
                     [&](const EventRecord* a, const EventRecord* b) { return key(a) < key(b); });
    ordered.erase(std::unique(ordered.begin(), ordered.end(), IsSameRecord), ordered.end());
  }
  return ordered;
}

v1::Observation ReadObservation(const EventRecord& event) {
  const std::string text = EventText(event);
  v1::Observation observation;
  observation.set_event_id(event.event_id());
  observation.set_error(FindErrorCode(text).value_or(0));
  if (event.has_time()) *observation.mutable_at() = event.time();
  observation.set_detail(OneLine(text, kDetailLimit));
  return observation;
}

void FoldObservations(const std::vector<const EventRecord*>& events,
                      v1::LicensingSection& licensing) {
  const auto same = [](const v1::Observation& a, const v1::Observation& b) {
    return a.event_id() == b.event_id() && a.error() == b.error();
  };
  std::vector<v1::Observation> seen;  // newest first
  for (auto event = events.rbegin(); event != events.rend() && seen.size() < kMaxObservations;
       ++event) {
    if (!IsObservation((*event)->event_id())) continue;
    v1::Observation observation = ReadObservation(**event);
    const auto is_it = [&](const v1::Observation& other) { return same(other, observation); };
    if (std::none_of(seen.begin(), seen.end(), is_it)) seen.push_back(std::move(observation));
  }
  if (seen.empty()) return;
  std::reverse(seen.begin(), seen.end());
  std::vector<v1::Observation> known(licensing.observations().begin(),
                                     licensing.observations().end());
  MergeNewestFirst(std::move(seen), known, same,
                   [](v1::Observation& known, const v1::Observation& seen) {
                     if (Displaces(seen.has_at(), seen.at(), known.has_at(), known.at()))
                       known = seen;
                   });
  if (known.size() > kMaxObservations) known.resize(kMaxObservations);
  licensing.mutable_observations()->Assign(known.begin(), known.end());
}

void FoldDirectoryActivation(const EventRecord& event, v1::KmsClientSection& client) {
  std::string name = FindCommonName(EventText(event));
  if (!name.empty() && !client.has_activation_object()) {
    client.set_activation_object(std::move(name));
  }
  if (!client.has_last_activation_type()) {
    client.set_last_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
  }
}

using Index = absl::flat_hash_map<std::string, int>;  // of a repeated field, by its key

void FoldPublication(const EventRecord& event, Index& index, v1::KmsHostSection& host) {
  const std::string text = EventText(event);
  v1::DnsPublication seen;
  seen.set_domain(FindDomain(text));
  if (event.event_id() == kPublishFailed) {
    // An error of zero would say that it was published.
    const uint32_t error = FindErrorCode(text).value_or(0);
    seen.set_error(error != 0 ? error : kUnspecifiedError);
  }
  if (event.has_time()) *seen.mutable_at() = event.time();
  auto [at, is_new] = index.try_emplace(seen.domain(), host.publications_size());
  v1::DnsPublication& known =
      is_new ? *host.add_publications() : *host.mutable_publications(at->second);
  if (is_new || Displaces(seen.has_at(), seen.at(), known.has_at(), known.at())) {
    known = std::move(seen);
  }
}

void AddName(std::string name, v1::RequestSummary& request) {
  // "<client>": whoever published it took the name out.
  if (name.empty() || name[0] == '<' || request.machine_names_size() >= kMaxNames) return;
  for (const std::string& known : request.machine_names()) {
    if (absl::EqualsIgnoreCase(known, name)) return;
  }
  request.add_machine_names(std::move(name));
}

void FoldRequest(const EventRecord& event, Index& index, v1::KmsHostSection& host) {
  const std::string text = EventText(event);
  const PayloadFields fields(text);
  const std::optional<uint32_t> error = fields.code(0);
  if (!error) return;
  const std::string id = fields.guid(3).value_or("");
  auto [at, is_new] = index.try_emplace(id, host.requests_size());
  v1::RequestSummary& request = is_new ? *host.add_requests() : *host.mutable_requests(at->second);
  request.set_client_machine_id(id);
  AddName(OneLine(fields.text(2), 255), request);
  // Clones ask for different products with one id: the highest is what the host must reach.
  if (auto count = fields.number(1))
    request.set_required_count(std::max<uint32_t>(request.required_count(), *count));
  if (!is_new &&
      !Displaces(event.has_time(), event.time(), request.has_last_at(), request.last_at())) {
    return;
  }
  if (event.has_time()) *request.mutable_last_at() = event.time();
  request.set_last_error(*error);
  if (auto sku = fields.guid(8)) request.set_activation_id(*std::move(sku));
}

// A host forgets a client 30 days after its last request; so do we, by the log's own newest time.
void ForgetOldRequests(v1::KmsHostSection& host) {
  int64_t newest = 0;
  for (const v1::RequestSummary& request : host.requests()) {
    newest = std::max(newest, request.last_at().seconds());
  }
  auto& requests = *host.mutable_requests();
  requests.erase(std::remove_if(requests.begin(), requests.end(),
                                [&](const v1::RequestSummary& request) {
                                  return request.has_last_at() &&
                                         request.last_at().seconds() <
                                             newest - kHostRemembersSeconds;
                                }),
                 requests.end());
}

}  // namespace

bool IsLicensingEvent(const EventRecord& event) {
  const uint32_t id = event.event_id();
  return (IsClientEvent(id) || IsHostEvent(id) || IsObservation(id)) && IsLicensingProvider(event);
}

void FoldClientEvents(std::span<const EventRecord> events, v1::KmsClientSection& client,
                      v1::LicensingSection& licensing) {
  const std::vector<const EventRecord*> ordered = InOrder(events);
  FoldAttempts(ordered, client);
  FoldObservations(ordered, licensing);
  for (auto event = ordered.rbegin(); event != ordered.rend(); ++event) {
    if ((*event)->event_id() == kDirectoryActivation) FoldDirectoryActivation(**event, client);
  }
}

void FoldHostEvents(std::span<const EventRecord> events, v1::KmsHostSection& host) {
  Index requests, publications;
  for (int i = 0; i < host.requests_size(); ++i) {
    requests.emplace(host.requests(i).client_machine_id(), i);
  }
  for (int i = 0; i < host.publications_size(); ++i) {
    publications.emplace(host.publications(i).domain(), i);
  }
  for (const EventRecord* event : InOrder(events)) {
    if (event->event_id() == kRequestProcessed) {
      FoldRequest(*event, requests, host);
    } else if (IsHostEvent(event->event_id())) {
      FoldPublication(*event, publications, host);
    }
  }
  ForgetOldRequests(host);
  // In a fixed order, so that the same state has the same hash however its events came.
  std::sort(host.mutable_requests()->begin(), host.mutable_requests()->end(),
            [](const v1::RequestSummary& a, const v1::RequestSummary& b) {
              return a.client_machine_id() < b.client_machine_id();
            });
  std::sort(host.mutable_publications()->begin(), host.mutable_publications()->end(),
            [](const v1::DnsPublication& a, const v1::DnsPublication& b) {
              return a.domain() < b.domain();
            });
}

}  // namespace keymedic::kms
