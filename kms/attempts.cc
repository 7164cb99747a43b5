// SPDX-License-Identifier: Apache-2.0
#include "kms/attempts.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "base/times.h"
#include "kms/event_text.h"
#include "kms/newest_first.h"
#include "kms/tables.h"

namespace keymedic::kms {
namespace {

using v1::ActivationAttempt;
using v1::EventRecord;

constexpr uint32_t kRequest = 12288;
constexpr uint32_t kAnswer = 12289;
constexpr uint32_t kFailure = 8198;
constexpr uint32_t kAutomaticFailure = 8196;
constexpr size_t kMaxAttempts = 8;
// More of them than make up the attempts that are kept; what is older cannot matter.
constexpr size_t kMaxEventsRead = 256;
constexpr absl::Duration kSameAttempt = absl::Minutes(1);
constexpr absl::string_view kWindows = "55c92734-d682-4d71-983e-d6ec3f16059f";

// When something happened, as far as it is known: the log's time, and the client's own clock in
// the payload, which counts whole minutes.
struct When {
  std::optional<absl::Time> logged, sent;
};

std::optional<absl::Duration> Between(const When& a, const When& b) {
  if (a.logged && b.logged) return *b.logged - *a.logged;
  if (a.sent && b.sent) return *b.sent - *a.sent;
  return std::nullopt;
}

struct Request {
  ActivationAttempt attempt;
  When when;
};

struct Answer {
  ActivationAttempt attempt;  // source 12289: what stands there if its request is never seen
  When when;
  size_t requests_before = 0;  // in the same batch
  std::optional<uint32_t> activation_interval, renewal_interval;
};

// A table that cuts its messages off leaves none: then it is not known how the attempt went.
bool HasPayload(const EventRecord& event) {
  const std::string text = EventText(event);
  const PayloadFields fields(text);
  return fields.code(0).has_value() || fields.guid(3).has_value();
}

void SetTime(const EventRecord& event, ActivationAttempt& attempt, When& when) {
  if (!event.has_time()) return;
  *attempt.mutable_at() = event.time();
  when.logged = FromTimestamp(event.time());
}

Request ReadRequest(const EventRecord& event) {
  Request request;
  ActivationAttempt& attempt = request.attempt;
  const std::string text = EventText(event);
  const PayloadFields fields(text);
  attempt.set_source_event(kRequest);
  SetTime(event, attempt, request.when);
  if (auto error = fields.code(0)) attempt.set_error(*error);
  if (auto flags = fields.code(1); flags && *flags != 0) attempt.set_flags(*flags);
  HostPort host = SplitHostPort(fields.text(2));
  if (!host.host.empty()) attempt.set_host(std::move(host.host));
  if (host.port) attempt.set_port(*host.port);
  if (auto id = fields.guid(3)) attempt.set_client_machine_id(*std::move(id));
  request.when.sent = fields.time(4);
  if (auto id = fields.guid(8)) attempt.set_activation_id(*std::move(id));
  if (auto count = fields.number(9)) attempt.set_required_count(*count);
  return request;
}

Answer ReadAnswer(const EventRecord& event, size_t requests_before) {
  Answer answer;
  ActivationAttempt& attempt = answer.attempt;
  const std::string text = EventText(event);
  const PayloadFields fields(text);
  answer.requests_before = requests_before;
  attempt.set_source_event(kAnswer);
  attempt.set_answered(true);
  SetTime(event, attempt, answer.when);
  if (auto error = fields.code(0)) attempt.set_error(*error);
  if (auto flags = fields.code(1)) attempt.set_flags(*flags);
  if (auto bound = fields.number(2)) attempt.set_bound(*bound != 0);
  if (auto count = fields.number(4)) attempt.set_count(*count);
  answer.activation_interval = fields.number(5);
  answer.renewal_interval = fields.number(6);
  answer.when.sent = fields.time(7);
  return answer;
}

ActivationAttempt ReadFailure(const EventRecord& event) {
  ActivationAttempt attempt;
  When unused;
  const std::string text = EventText(event);
  attempt.set_source_event(kFailure);
  SetTime(event, attempt, unused);
  if (auto error = FindErrorCode(text)) attempt.set_error(*error);
  if (std::string id = FindGuidAfter(text, "SkuId="); !id.empty()) attempt.set_activation_id(id);
  return attempt;
}

// Puts an answer's part into its request's attempt.
void AddAnswer(const ActivationAttempt& answer, ActivationAttempt& attempt) {
  attempt.set_answered(true);
  if (answer.has_bound()) attempt.set_bound(answer.bound());
  if (answer.has_count()) attempt.set_count(answer.count());
  if (answer.has_flags()) attempt.set_flags(answer.flags());
  if (answer.error() != 0 && attempt.error() == 0) attempt.set_error(answer.error());
}

bool SameAnswer(const ActivationAttempt& a, const ActivationAttempt& b) {
  return a.answered() && b.answered() && a.bound() == b.bound() && a.count() == b.count();
}

// The request that an answer belongs to: the nearest before it, else the nearest behind it (logs
// that are printed newest first and without times), within a minute and not answered yet.
Request* FindRequest(const Answer& answer, std::vector<Request>& requests) {
  Request* best = nullptr;
  std::pair<bool, absl::Duration> best_rank;
  size_t best_distance = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    Request& request = requests[i];
    if (request.attempt.source_event() != kRequest || request.attempt.answered()) continue;
    std::optional<absl::Duration> after = Between(request.when, answer.when);
    if (after && absl::AbsDuration(*after) > kSameAttempt) continue;
    const bool behind = i >= answer.requests_before;
    const size_t distance = behind ? i - answer.requests_before : answer.requests_before - 1 - i;
    const std::pair rank(behind, after ? absl::AbsDuration(*after) : absl::ZeroDuration());
    if (best == nullptr || std::pair(rank, distance) < std::pair(best_rank, best_distance)) {
      best = &request;
      best_rank = rank;
      best_distance = distance;
    }
  }
  return best;
}

bool AtTheSameMoment(const ActivationAttempt& a, const ActivationAttempt& b) {
  if (a.has_at() != b.has_at()) return false;
  return !a.has_at() ||
         absl::AbsDuration(FromTimestamp(a.at()) - FromTimestamp(b.at())) <= kSameAttempt;
}

// An answer whose request came in an earlier piece of the log.
ActivationAttempt* FindKnownRequest(const Answer& answer, std::vector<ActivationAttempt>& known) {
  for (ActivationAttempt& attempt : known) {
    if (attempt.source_event() != kRequest || !AtTheSameMoment(attempt, answer.attempt)) continue;
    if (!attempt.answered() || SameAnswer(attempt, answer.attempt)) return &attempt;
  }
  return nullptr;
}

// A request whose answer came in an earlier piece of the log, and stands there alone.
void AdoptOrphan(Request& request, std::vector<ActivationAttempt>& known) {
  auto orphan = std::find_if(known.begin(), known.end(), [&](const ActivationAttempt& attempt) {
    return attempt.source_event() == kAnswer && AtTheSameMoment(attempt, request.attempt) &&
           (!request.attempt.answered() || SameAnswer(attempt, request.attempt));
  });
  if (orphan == known.end()) return;
  AddAnswer(*orphan, request.attempt);
  known.erase(orphan);
}

bool SameAttempt(const ActivationAttempt& a, const ActivationAttempt& b) {
  if (a.source_event() != b.source_event() || a.has_at() != b.has_at()) return false;
  if (a.has_at() && (IsLater(a.at(), b.at()) || IsLater(b.at(), a.at()))) return false;
  if (a.activation_id() != b.activation_id()) return false;
  if (a.source_event() == kAnswer) return SameAnswer(a, b) && a.error() == b.error();
  // Without times, attempts that failed differently are different ones; but an answer may have put
  // its own error into the attempt of its request.
  const ActivationAttempt& richer = a.answered() ? a : b;
  const ActivationAttempt& poorer = a.answered() ? b : a;
  const bool same_error = a.has_at() || a.error() == b.error() ||
                          (richer.answered() && !poorer.answered() && poorer.error() == 0);
  return same_error && a.client_machine_id() == b.client_machine_id() && a.host() == b.host() &&
         a.port() == b.port();
}

void UpdateAttempt(ActivationAttempt& known, const ActivationAttempt& seen) {
  ActivationAttempt merged = known;
  merged.MergeFrom(seen);
  if (known.answered() && !seen.answered()) {
    merged = seen;
    AddAnswer(known, merged);
  }
  known = std::move(merged);
}

// What the licensing service prints when no host was reached, whatever the reason.
bool IsWrapper(uint32_t error) {
  return error == 0xC004F074 || error == 0xC0020017 || error == 0x8007139F;
}

// Whether a 12288 tells more precisely what an 8198 tells.
bool Explains(const ActivationAttempt& request, const ActivationAttempt& failure) {
  if (request.source_event() != kRequest || request.error() == 0) return false;
  if (!AtTheSameMoment(request, failure)) return false;
  if (!request.activation_id().empty() && !failure.activation_id().empty() &&
      request.activation_id() != failure.activation_id()) {
    return false;
  }
  return request.has_at() || IsWrapper(failure.error()) || request.error() == failure.error();
}

void DropExplained(std::vector<ActivationAttempt>& attempts) {
  const std::vector<ActivationAttempt> all = attempts;
  attempts.erase(std::remove_if(attempts.begin(), attempts.end(),
                                [&](const ActivationAttempt& attempt) {
                                  return attempt.source_event() == kFailure &&
                                         std::any_of(all.begin(), all.end(),
                                                     [&](const ActivationAttempt& request) {
                                                       return Explains(request, attempt);
                                                     });
                                }),
                 attempts.end());
}

// What the attempts tell about the client itself, where the licensing service has not told it.
void LearnAboutClient(const std::vector<ActivationAttempt>& newest_first,
                      v1::KmsClientSection& client) {
  for (const ActivationAttempt& attempt : newest_first) {
    if (attempt.has_client_machine_id() && !client.has_client_machine_id()) {
      client.set_client_machine_id(attempt.client_machine_id());
    }
    // A lone answer does not tell for which product it is, and Office says nothing about Windows.
    if (attempt.source_event() != kRequest) continue;
    const Sku* sku = FindSku(attempt.activation_id());
    const bool windows = sku == nullptr || sku->application_id == kWindows;
    if (windows && attempt.bound() && attempt.error() == 0 && attempt.has_at() &&
        (!client.has_last_activation_at() || IsLater(attempt.at(), client.last_activation_at()))) {
      *client.mutable_last_activation_at() = attempt.at();
    }
  }
}

void LearnIntervals(const std::vector<Answer>& answers, v1::KmsClientSection& client) {
  for (auto answer = answers.rbegin(); answer != answers.rend(); ++answer) {
    if (answer->activation_interval && !client.has_activation_interval_minutes()) {
      client.set_activation_interval_minutes(*answer->activation_interval);
    }
    if (answer->renewal_interval && !client.has_renewal_interval_minutes()) {
      client.set_renewal_interval_minutes(*answer->renewal_interval);
    }
  }
}

std::vector<const EventRecord*> NewestOfAttempts(const std::vector<const EventRecord*>& events) {
  std::vector<const EventRecord*> newest;
  for (auto event = events.rbegin(); event != events.rend() && newest.size() < kMaxEventsRead;
       ++event) {
    const uint32_t id = (*event)->event_id();
    if (id == kRequest || id == kAnswer || id == kFailure || id == kAutomaticFailure) {
      newest.push_back(*event);
    }
  }
  std::reverse(newest.begin(), newest.end());
  return newest;
}

}  // namespace

void FoldAttempts(const std::vector<const EventRecord*>& all_events, v1::KmsClientSection& client) {
  const std::vector<const EventRecord*> events = NewestOfAttempts(all_events);
  std::vector<Request> batch;  // in order; failures and lone answers stand among the requests
  std::vector<Answer> answers;
  for (const EventRecord* event : events) {
    switch (event->event_id()) {
      case kRequest:
        if (!HasPayload(*event)) break;
        batch.push_back(ReadRequest(*event));
        // Out of a log, so its answer would have been there too. A pasted 12288 alone proves
        // nothing.
        if (event->record_id() != 0) batch.back().attempt.set_answered(false);
        break;
      case kAnswer:
        if (!HasPayload(*event)) break;
        answers.push_back(ReadAnswer(*event, batch.size()));
        break;
      case kFailure:
      case kAutomaticFailure:
        batch.push_back({ReadFailure(*event), {}});
        break;
    }
  }
  if (batch.empty() && answers.empty()) return;

  std::vector<ActivationAttempt> known(client.attempts().begin(), client.attempts().end());
  std::vector<Request> orphans;
  for (const Answer& answer : answers) {
    if (Request* request = FindRequest(answer, batch)) {
      AddAnswer(answer.attempt, request->attempt);
    } else if (ActivationAttempt* earlier = FindKnownRequest(answer, known)) {
      AddAnswer(answer.attempt, *earlier);
    } else {
      orphans.push_back({answer.attempt, answer.when});
    }
  }
  std::vector<ActivationAttempt> seen;
  for (Request& request : batch) {
    if (request.attempt.source_event() == kRequest) {
      AdoptOrphan(request, known);
      if (!answers.empty() && !request.attempt.answered()) request.attempt.set_answered(false);
    }
    seen.push_back(std::move(request.attempt));
  }
  for (Request& orphan : orphans) seen.push_back(std::move(orphan.attempt));

  MergeNewestFirst(std::move(seen), known, SameAttempt, UpdateAttempt);
  DropExplained(known);
  LearnAboutClient(known, client);
  LearnIntervals(answers, client);
  if (known.size() > kMaxAttempts) known.resize(kMaxAttempts);
  client.mutable_attempts()->Assign(known.begin(), known.end());
}

}  // namespace keymedic::kms
