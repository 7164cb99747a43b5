// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/captures.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/product_key.h"
#include "kms/readers/join.h"
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
    successes = newest.has_error();
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

}  // namespace

void CaptureSet::Add(absl::string_view file, absl::string_view content) {
  const std::string name = RedactProductKeys(file);
  const auto refuse = [&](std::string reason) {
    v1::Unread& unread = unread_.emplace_back();
    unread.set_file(name);
    unread.set_reason(std::move(reason));
    unread.set_whole_file(true);
  };
  if (std::string reason = readers::WhyNotText(content); !reason.empty()) {
    return refuse(std::move(reason));
  }
  readers::Document document;
  readers::Decode(content, document);
  readers::TidyLayout(document);
  readers::Sink sink(name);
  readers::ReadDocument(document, sink);
  if (sink.pieces().empty() && sink.unread().empty()) return refuse(std::string(kNothingKnown));
  if (sink.pieces().empty()) {
    v1::Unread& first = sink.unread().front();
    return refuse(
        absl::StrCat("nothing in it could be read; line ", first.line(), ": ", first.reason()));
  }
  if (document.cut) {
    sink.Unreadable(readers::kMaxLines + 1,
                    absl::StrCat("only the first ", readers::kMaxLines, " lines were read"));
  }
  std::move(sink.pieces().begin(), sink.pieces().end(), std::back_inserter(pieces_));
  std::move(sink.unread().begin(), sink.unread().end(), std::back_inserter(unread_));
}

std::vector<MachineState> CaptureSet::Machines() const {
  std::vector<MachineState> states;
  for (readers::Machine& machine : readers::JoinPieces(pieces_, std::nullopt)) {
    states.push_back(std::move(machine.state));
  }
  return states;
}

v1::DiagnoseCapturesResponse CaptureSet::Diagnose(const v1::Policy& policy, absl::Time now) const {
  v1::DiagnoseCapturesResponse response;
  const std::vector<readers::Machine> machines = readers::JoinPieces(pieces_, now);
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
