// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/captures.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "kms/readers/readers.h"

namespace keymedic::kms {
namespace {

constexpr absl::string_view kNothingKnown =
    "nothing in it is licensing evidence: expected output of slmgr or ospp.vbs, events of the "
    "licensing service, or DNS answers about _vlmcs._tcp";

// Errors that a healthy machine logs all the same: genuine checks without Internet (8200, 8208) and
// token activation that nobody set up (12321).
bool IsHarmless(const v1::Observation& observation) {
  if (observation.error() == 0 || observation.event_id() == 12321) return true;
  return (observation.event_id() == 8200 || observation.event_id() == 8208) &&
         observation.error() >= 0x80072EE0 && observation.error() <= 0x80072F9F;  // WinINet
}

bool IsLicensed(const MachineState& state) {
  if (!state.licensing) return false;
  return std::any_of(
      state.licensing->products().begin(), state.licensing->products().end(),
      [](const v1::Product& product) { return product.status() == v1::LICENSE_STATUS_LICENSED; });
}

bool HasRecords(const MachineState& state) {
  if (!state.names) return false;
  return std::any_of(state.names->answers().begin(), state.names->answers().end(),
                     [](const v1::SrvAnswer& answer) { return !answer.records().empty(); });
}

// Does its evidence carry "nothing is wrong", rather than just not show what is? Where not
// `all_read`, what could not be read may have shown it.
bool TellsHealth(const readers::Machine& machine, bool all_read) {
  const MachineState& state = machine.state;
  if (IsLicensed(state)) return true;
  const bool known_status =
      state.licensing &&
      std::any_of(state.licensing->products().begin(), state.licensing->products().end(),
                  [](const v1::Product& product) { return product.status() != 0; });
  if (known_status) return false;
  bool successes = false;
  if (state.client && !state.client->attempts().empty()) {
    const v1::ActivationAttempt& newest = state.client->attempts(0);
    if (newest.error() != 0 || (newest.has_bound() && !newest.bound())) return false;
    // A request that was sent tells nothing of what became of it.
    successes = newest.has_error() && (newest.source_event() != 12288 || newest.bound());
  }
  if (state.licensing) {
    for (const v1::Observation& observation : state.licensing->observations()) {
      if (!IsHarmless(observation)) return false;
    }
  }
  if (state.host) {
    for (const v1::RequestSummary& request : state.host->requests()) {
      if (request.last_error() != 0) return false;
    }
    for (const v1::DnsPublication& publication : state.host->publications()) {
      if (publication.error() != 0) return false;
    }
    successes = successes || state.host->has_current_count();
  }
  return successes || (machine.licensing_events && all_read) || HasRecords(state);
}

// Why a text is no evidence; empty if something in it was read.
std::string ReadText(absl::string_view content, const readers::OwnLabels& labels,
                     readers::Sink& sink) {
  if (std::string reason = readers::WhyNotText(content); !reason.empty()) return reason;
  readers::Document document;
  readers::Decode(content, document);
  labels.Translate(document);
  readers::TidyLayout(document);
  readers::ReadDocument(document, sink);
  if (document.cut && !sink.pieces().empty()) {
    sink.Unreadable(readers::kMaxLines + 1,
                    absl::StrCat("only the first ", readers::kMaxLines, " lines were read"));
  }
  return "";
}

std::string WhyNothing(readers::Sink& sink) {
  if (sink.unread().empty()) return std::string(kNothingKnown);
  const v1::Unread& first = sink.unread().front();
  return absl::StrCat("nothing in it could be read; ",
                      first.line() == 0 ? "" : absl::StrCat("line ", first.line(), ": "),
                      first.reason());
}

// A capture that names no other machine than this, or that shows its id.
bool IsSameMachine(const MachineState& captured, const MachineState& whole) {
  const auto short_name = [](absl::string_view name) {
    return std::string(name.substr(0, name.find('.')));
  };
  const std::string named =
      captured.os && captured.os->has_computer_name() ? captured.os->computer_name() : "";
  if (!named.empty() || captured.id == whole.id) {
    return short_name(absl::AsciiStrToLower(named.empty() ? captured.id : named)) ==
           short_name(whole.id);
  }
  return captured.client && whole.client && !captured.client->client_machine_id().empty() &&
         captured.client->client_machine_id() == whole.client->client_machine_id();
}

template <typename T>
void MoveTo(std::vector<T>& all, std::vector<T>& more) {
  if (all.empty()) return all.swap(more);
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// What the machine itself told goes before what somebody captured of it.
void FillIn(MachineState& whole, MachineState& captured) {
  MoveSections(whole, captured);
  MoveSections(captured, whole);
}

}  // namespace

void CaptureSet::Refuse(absl::string_view file, std::string reason, bool asked_for) {
  v1::Unread& unread = unread_.emplace_back();
  unread.set_file(RedactProductKeys(file));
  unread.set_reason(RedactProductKeys(reason));
  unread.set_whole_file(asked_for);
}

bool CaptureSet::Add(absl::string_view file, absl::string_view content, bool asked_for) {
  readers::Sink sink(RedactProductKeys(file));
  std::string reason;
  if (readers::StartsEvtx(content)) {
    readers::ReadEvtx(content, sink);
  } else {
    reason = ReadText(content, labels_, sink);
  }
  if (reason.empty() && sink.pieces().empty()) reason = WhyNothing(sink);
  if (!reason.empty()) {
    Refuse(file, std::move(reason), asked_for);
    return false;
  }
  MoveTo(pieces_, sink.pieces());
  MoveTo(unread_, sink.unread());
  return true;
}

void CaptureSet::AddMachine(MachineState state, absl::Time as_of) {
  state.name = RedactProductKeys(state.name);
  state.source = RedactProductKeys(state.source);
  state.id = absl::AsciiStrToLower(state.name);
  const auto known = std::find_if(whole_.begin(), whole_.end(), [&](const readers::Machine& other) {
    return other.state.id == state.id;
  });
  if (known == whole_.end()) {
    whole_.push_back({std::move(state), as_of, true});
    return;
  }
  readers::Machine machine{std::move(state), as_of, true};
  if (known->as_of < as_of) std::swap(*known, machine);
  Refuse(machine.state.source,
         absl::StrCat("an older state of machine ", known->state.name, " than that in ",
                      known->state.source, ": the newer one was used"),
         /*asked_for=*/false);
}

std::vector<readers::Machine> CaptureSet::Join(std::optional<absl::Time> now) const {
  std::vector<readers::Machine> machines;
  std::vector<readers::Machine> captured = readers::JoinPieces(pieces_, now);
  for (readers::Machine machine : whole_) {
    for (auto one = captured.begin(); one != captured.end();) {
      if (IsSameMachine(one->state, machine.state)) {
        FillIn(machine.state, one->state);
        one = captured.erase(one);
      } else {
        ++one;
      }
    }
    machines.push_back(std::move(machine));
  }
  MoveTo(machines, captured);
  return machines;
}

std::vector<MachineState> CaptureSet::Machines() const {
  std::vector<readers::Machine> machines = Join(std::nullopt);
  std::vector<MachineState> states;
  states.reserve(machines.size());
  for (readers::Machine& machine : machines) states.push_back(std::move(machine.state));
  return states;
}

v1::DiagnoseCapturesResponse CaptureSet::Diagnose(const v1::Policy& policy, absl::Time now) const {
  v1::DiagnoseCapturesResponse response;
  const std::vector<readers::Machine> machines = Join(now);
  Estate estate;
  for (const readers::Machine& machine : machines) estate.Upsert(machine.state);
  // A forecast starts at the moment of its evidence, not at the one of its reading.
  absl::Time earliest = now;
  for (const readers::Machine& machine : machines) {
    earliest = std::min(earliest, machine.as_of.value_or(now));
  }
  std::vector<v1::Finding> findings = DiagnoseRecords(estate, policy, earliest);
  for (const readers::Machine& machine : machines) {
    // A machine is judged as of the moment that its evidence shows.
    for (v1::Finding& finding :
         DiagnoseMachine(estate, machine.state.id, policy, machine.as_of.value_or(now))) {
      findings.push_back(std::move(finding));
    }
  }
  bool problems = false;
  for (v1::Finding& finding : Fold(estate, std::move(findings))) {
    problems = problems || finding.severity() > v1::SEVERITY_NOTICE;
    *response.add_findings() = std::move(finding);
  }
  for (const v1::Unread& unread : unread_) *response.add_unread() = unread;
  const bool healthy =
      !machines.empty() &&
      std::all_of(machines.begin(), machines.end(), [&](const readers::Machine& machine) {
        return TellsHealth(machine, unread_.empty());
      });
  response.set_verdict(problems  ? v1::VERDICT_PROBLEMS
                       : healthy ? v1::VERDICT_HEALTHY
                                 : v1::VERDICT_INCONCLUSIVE);
  return response;
}

}  // namespace keymedic::kms
