// SPDX-License-Identifier: Apache-2.0
#include "controller/remediation/planner.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "controller/remediation/states.h"
#include "controller/selector.h"
#include "controller/services/errors.h"

namespace keymedic::controller {
namespace {

constexpr char kSiteLabel[] = "site";

template <typename Strings>
bool Contains(const Strings& strings, absl::string_view text) {
  return std::find(strings.begin(), strings.end(), text) != strings.end();
}

class Drafter {
 public:
  Drafter(const v1::PlanRemediationRequest& request, const EstateView& view, Selector selector,
          const std::set<std::string>* only)
      : request_(request), view_(view), selector_(std::move(selector)), only_(only) {}

  absl::StatusOr<Draft> Run() {
    KM_RETURN_IF_ERROR(CheckActions(request_.treat(), "treat"));
    KM_RETURN_IF_ERROR(CheckActions(request_.approve(), "approve"));
    *draft_.remediation.mutable_policy() = request_.policy();
    KM_RETURN_IF_ERROR(CompletePolicy(*draft_.remediation.mutable_policy()));
    draft_.remediation.set_selector(request_.selector());
    Index();
    Select();
    for (size_t i = 0; i < view_.findings.size(); ++i) {
      if (selected_[i] && CauseOf(i) == kNone) Treat(i);
    }
    for (size_t i = 0; i < view_.findings.size(); ++i) {
      if (selected_[i] && CauseOf(i) != kNone) TreatFollower(i);
    }
    return Build();
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  template <typename Actions>
  absl::Status CheckActions(const Actions& actions, absl::string_view field) const {
    for (const std::string& action : actions) {
      if (RowOf(action) != nullptr) continue;
      std::vector<absl::string_view> known;
      for (const kms::TreatmentRow& row : view_.treatments) known.push_back(row.action);
      return absl::InvalidArgumentError(absl::StrCat(field, ": there is no action '", action,
                                                     "'; known: ", absl::StrJoin(known, ", ")));
    }
    return absl::OkStatus();
  }

  const kms::TreatmentRow* RowOf(absl::string_view action) const {
    for (const kms::TreatmentRow& row : view_.treatments) {
      if (absl::EqualsIgnoreCase(row.action, action)) return &row;
    }
    return nullptr;
  }

  void Index() {
    for (const FleetPort::MachineInfo& machine : view_.machines) {
      machines_[machine.id] = &machine;
      ids_by_name_.emplace(machine.display_name, machine.id);
    }
    for (size_t i = 0; i < view_.findings.size(); ++i) {
      const v1::Finding& finding = view_.findings[i];
      owners_.push_back(MachineId(finding.machine_id(), finding.subject()));
      if (!owners_[i].empty()) findings_of_[owners_[i]].push_back(finding);
      by_code_and_subject_.emplace(std::pair(finding.code(), finding.subject()), i);
    }
    treated_on_.resize(view_.findings.size());
    selected_.resize(view_.findings.size());
  }

  // The enrolled machine of that id, or else of that name; "" if there is none.
  std::string MachineId(const std::string& id, const std::string& name) const {
    if (machines_.contains(id)) return id;
    const auto found = ids_by_name_.find(name);
    return found == ids_by_name_.end() ? "" : found->second;
  }

  size_t CauseOf(size_t i) const {
    const v1::Finding& finding = view_.findings[i];
    if (finding.cause_code().empty()) return kNone;
    const auto found =
        by_code_and_subject_.find(std::pair(finding.cause_code(), finding.cause_subject()));
    return found == by_code_and_subject_.end() || found->second == i ? kNone : found->second;
  }

  void Select() {
    for (size_t i = 0; i < view_.findings.size(); ++i) {
      const v1::Finding& finding = view_.findings[i];
      const bool named = selector_.Names(finding);
      if (finding.severity() < v1::SEVERITY_WARNING && !named) continue;
      if (only_ != nullptr && !only_->contains(owners_[i])) continue;
      const FleetPort::MachineInfo nobody;
      const FleetPort::MachineInfo& machine =
          owners_[i].empty() ? nobody : *machines_.at(owners_[i]);
      const std::vector<v1::Finding> alone = {finding};
      const bool machine_selected =
          selector_.Matches(machine, owners_[i].empty() ? alone : findings_of_.at(owners_[i]));
      selected_[i] = machine_selected && (named || selector_.Matches(machine, alone));
    }
    // What follows from something on the same machine is only cured together with it.
    for (size_t i = 0; i < view_.findings.size(); ++i) {
      const size_t cause = CauseOf(i);
      if (selected_[i] && cause != kNone && owners_[cause] == owners_[i]) selected_[cause] = true;
    }
  }

  bool MayTreatOn(const std::string& machine_id, const v1::Finding& finding) const {
    std::vector<v1::Finding> findings = {finding};
    const auto own = findings_of_.find(machine_id);
    if (own != findings_of_.end()) {
      findings.insert(findings.end(), own->second.begin(), own->second.end());
    }
    return selector_.Matches(*machines_.at(machine_id), findings);
  }

  // A finding whose cause is among what is to be treated stands under that cause.
  void Untreatable(size_t i, absl::string_view why) {
    if (CauseOf(i) != kNone && selected_[CauseOf(i)] && treated_on_[CauseOf(i)].empty()) return;
    v1::Finding& finding = *draft_.remediation.add_untreatable();
    finding = view_.findings[i];
    finding.set_why_untreatable(std::string(why));
  }

  struct TargetDraft {
    std::map<uint32_t, v1::Step> steps;  // by the table's order
    std::set<std::string> codes, elsewhere, after;
    bool on_host = false;
  };

  struct Wanted {
    const kms::TreatmentRow* row;
    std::string machine_id;
    const v1::Treatment* treatment;
  };

  // All of a finding's treatments or none: half a cure is a failed target. Only one that is done if
  // possible is left out where it is not.
  bool Treat(size_t i) {
    const v1::Finding& finding = view_.findings[i];
    if (finding.treatments().empty()) {
      if (CauseOf(i) == kNone) {
        Untreatable(i, finding.why_untreatable().empty() ? "no treatment is known"
                                                         : finding.why_untreatable());
      }
      return false;
    }
    std::vector<Wanted> wanted;
    std::string left_out;
    for (const v1::Treatment& treatment : finding.treatments()) {
      if (request_.treat_size() > 0 && !Contains(request_.treat(), treatment.action())) continue;
      Wanted one{RowOf(treatment.action()), "", &treatment};
      const std::string why = WhyNot(i, treatment, one);
      if (why.empty()) {
        wanted.push_back(std::move(one));
      } else if (treatment.if_possible()) {
        left_out = why;
      } else {
        Untreatable(i, why);
        return false;
      }
    }
    if (wanted.empty() && !left_out.empty()) Untreatable(i, left_out);
    for (const Wanted& one : wanted) Add(i, one);
    // A client whose host is treated for it comes after that.
    for (const Wanted& host : wanted) {
      if (!host.row->on_host) continue;
      for (const Wanted& other : wanted) {
        if (other.machine_id != host.machine_id)
          targets_[other.machine_id].after.insert(host.machine_id);
      }
    }
    return !wanted.empty();
  }

  // "" and the machine in `wanted`, if this treatment may be planned.
  std::string WhyNot(size_t i, const v1::Treatment& treatment, Wanted& wanted) const {
    const std::string& action = treatment.action();
    if (wanted.row == nullptr)
      return absl::StrCat("its treatment '", action, "' is not known here");
    if ((wanted.row->needs_approval || treatment.needs_approval()) &&
        !Contains(request_.approve(), action)) {
      return absl::StrCat("needs approval: run with --approve ", action);
    }
    wanted.machine_id = treatment.machine_id().empty()
                            ? owners_[i]
                            : MachineId(treatment.machine_id(), treatment.machine_id());
    if (wanted.machine_id.empty()) {
      return absl::StrCat(
          action, " would be done on ",
          treatment.machine_id().empty() ? view_.findings[i].subject() : treatment.machine_id(),
          ", where no agent is enrolled");
    }
    const std::string& name = machines_.at(wanted.machine_id)->display_name;
    if (only_ != nullptr && !only_->contains(wanted.machine_id)) {
      return absl::StrCat(action, " is done on ", name, ", which is not among those to be retried");
    }
    if (view_.why_not_again && !request_.again()) {
      const std::string why = view_.why_not_again(view_.findings[i], wanted.machine_id, action);
      if (!why.empty()) return absl::StrCat(action, " on ", name, " ", why);
    }
    if (wanted.machine_id != owners_[i] && !MayTreatOn(wanted.machine_id, view_.findings[i])) {
      return absl::StrCat(action, " is done on ", name, ", which the selector does not include");
    }
    if (std::string why = WhyNoSecret(wanted.machine_id, action); !why.empty()) return why;
    const auto target = targets_.find(wanted.machine_id);
    if (target == targets_.end()) return "";
    const auto step = target->second.steps.find(wanted.row->order);
    if (step != target->second.steps.end() &&
        !Joined(*wanted.row, step->second.params(), treatment.params())) {
      return absl::StrCat("another finding asks for ", action, " on ", name,
                          " with other parameters; treat one of them first");
    }
    return "";
  }

  std::string WhyNoSecret(const std::string& machine_id, const std::string& action) const {
    if (view_.secrets == nullptr) return "";
    // Looked up once: a host's key is asked for by each of its clients.
    const auto [known, is_new] = secrets_.try_emplace({machine_id, action});
    if (is_new) known->second = view_.secrets(machine_id, action);
    const absl::Status& status = known->second;
    if (status.ok()) return "";
    const std::string& name = machines_.at(machine_id)->display_name;
    if (!absl::IsNotFound(status))
      return absl::StrCat(action, " on ", name, ": ", status.message());
    return absl::StrCat(action, " on ", name, " needs a host key, and none is stored for it: run ",
                        "`keymedic host-keys set --host ", name, "`");
  }

  using Params = google::protobuf::Map<std::string, std::string>;

  // What serves both of two who ask for an action; nothing if they contradict each other: whatever
  // the table does not call an addition must be the same.
  static std::optional<Params> Joined(const kms::TreatmentRow& row, const Params& one,
                                      const Params& other) {
    const std::vector<absl::string_view> adds = absl::StrSplit(row.adds, ';', absl::SkipEmpty());
    const auto agrees = [&](const Params& with, const auto& param) {
      const auto found = with.find(param.first);
      return found == with.end() ? Contains(adds, param.first) : found->second == param.second;
    };
    Params joined = one;
    for (const auto& param : one) {
      if (!agrees(other, param)) return std::nullopt;
    }
    for (const auto& param : other) {
      if (!agrees(one, param)) return std::nullopt;
      joined[param.first] = param.second;
    }
    return joined;
  }

  // A step for it, or more of the one that is there.
  static void Ask(TargetDraft& target, const kms::TreatmentRow& row,
                  const v1::Treatment& treatment) {
    const auto [at, is_new] = target.steps.try_emplace(row.order);
    v1::Step& step = at->second;
    step.set_plugin(std::string(row.plugin));
    step.set_action(std::string(row.action));
    const std::optional<Params> joined =
        is_new ? treatment.params() : Joined(row, step.params(), treatment.params());
    if (joined) *step.mutable_params() = *joined;
  }

  void Add(size_t i, const Wanted& wanted) {
    const v1::Finding& finding = view_.findings[i];
    TargetDraft& target = targets_[wanted.machine_id];
    Ask(target, *wanted.row, *wanted.treatment);
    target.on_host |= wanted.row->on_host;
    if (wanted.machine_id == owners_[i]) target.codes.insert(finding.code());
    if (treated_on_[i].insert(wanted.machine_id).second) {
      draft_.findings[wanted.machine_id].push_back(finding);
    }
  }

  void TreatFollower(size_t i) {
    const v1::Finding& finding = view_.findings[i];
    const size_t cause = CauseOf(i);
    const v1::Finding& of = view_.findings[cause];
    if (!treated_on_[cause].empty()) {
      // On one machine the cure of the cause is the cure. What other machines report of it (a host
      // that nobody reaches) goes only when they have looked again, which this target cannot wait
      // for.
      if (owners_[cause] == owners_[i]) return;
      if (!Treat(i)) return;
      for (const std::string& machine : treated_on_[i]) {
        for (const std::string& first : treated_on_[cause]) {
          if (machine != first) targets_[machine].after.insert(first);
        }
      }
      return;
    }
    if (owners_[cause] == owners_[i]) return;  // stands in the plan under its cause
    if (!selected_[cause] && !of.treatments().empty()) {
      return Untreatable(i, absl::StrCat("follows from ", of.code(), " on ", of.subject(),
                                         ", which the selector does not include"));
    }
    // Its cause cannot be treated. A change on this machine may help all the same; asking once more
    // to be activated would not.
    const bool has_change =
        std::any_of(finding.treatments().begin(), finding.treatments().end(),
                    [](const v1::Treatment& t) { return t.action() != kActivate; });
    if (!has_change || !Treat(i)) return;
    for (const std::string& machine : treated_on_[i]) draft_.needs_change.insert(machine);
  }

  // A treated client that is not licensed is activated at the end, also if that is another finding.
  void AddActivation(const std::string& machine_id, TargetDraft& target);

  // What the rollout has to know of the machine.
  void Describe(const FleetPort::MachineInfo& machine, v1::Target& target) const;
  absl::StatusOr<Draft> Build();

  const v1::PlanRemediationRequest& request_;
  const EstateView& view_;
  Selector selector_;
  const std::set<std::string>* const only_;
  Draft draft_;
  std::map<std::string, const FleetPort::MachineInfo*> machines_;
  std::map<std::string, std::string> ids_by_name_;
  std::vector<std::string> owners_;  // of each finding: a machine id, or ""
  std::map<std::string, std::vector<v1::Finding>> findings_of_;
  std::map<std::pair<std::string, std::string>, size_t> by_code_and_subject_;
  std::vector<bool> selected_;
  std::vector<std::set<std::string>> treated_on_;  // of each finding: where
  std::map<std::string, TargetDraft> targets_;
  mutable std::map<std::pair<std::string, std::string>, absl::Status>
      secrets_;  // asked once each, by machine and action
};

void Drafter::AddActivation(const std::string& machine_id, TargetDraft& target) {
  if (target.on_host || !findings_of_.contains(machine_id)) return;
  if (request_.treat_size() > 0 && !Contains(request_.treat(), kActivate)) return;
  const kms::TreatmentRow* row = RowOf(kActivate);
  if (row == nullptr || target.steps.contains(row->order)) return;
  for (size_t i = 0; i < view_.findings.size(); ++i) {
    if (owners_[i] != machine_id) continue;
    const size_t cause = CauseOf(i);
    if (cause != kNone && owners_[cause] != machine_id && treated_on_[cause].empty()) continue;
    for (const v1::Treatment& treatment : view_.findings[i].treatments()) {
      if (treatment.action() != kActivate || !treatment.machine_id().empty()) continue;
      Ask(target, *row, treatment);
    }
  }
}

void Drafter::Describe(const FleetPort::MachineInfo& machine, v1::Target& target) const {
  target.set_display_name(machine.display_name);
  target.set_state(machine.connected ? v1::TARGET_STATE_PENDING : v1::TARGET_STATE_QUEUED_OFFLINE);
  if (const auto site = machine.labels.find(kSiteLabel); site != machine.labels.end()) {
    target.set_site(site->second);
  }
  target.set_kms_host(machine.kms_host);
  if (machine.utc_offset_minutes.has_value()) {
    target.set_utc_offset_minutes(*machine.utc_offset_minutes);
  }
  const auto findings = findings_of_.find(machine.id);
  if (findings == findings_of_.end()) return;
  std::set<std::string> critical;
  for (const v1::Finding& finding : findings->second) {
    if (finding.severity() == v1::SEVERITY_CRITICAL) critical.insert(finding.code());
  }
  target.mutable_known_codes()->Add(critical.begin(), critical.end());
}

absl::StatusOr<Draft> Drafter::Build() {
  v1::Remediation& remediation = draft_.remediation;
  std::set<std::string> roots;
  for (auto& [machine_id, target] : targets_) {
    AddActivation(machine_id, target);
    if (target.on_host) roots.insert(machine_id);
    roots.insert(target.after.begin(), target.after.end());
  }
  for (size_t i = 0; i < view_.findings.size(); ++i) {
    const size_t cause = CauseOf(i);
    const bool stands_alone = cause == kNone || treated_on_[cause].empty();
    if (!treated_on_[i].empty() && stands_alone) *remediation.add_findings() = view_.findings[i];
    if (treated_on_[i].contains(owners_[i])) continue;
    for (const std::string& machine : treated_on_[i]) {
      targets_[machine].elsewhere.insert(view_.findings[i].code());
    }
  }
  for (const auto& [machine_id, draft] : targets_) {
    v1::Target& target = *remediation.add_targets();
    target.set_machine_id(machine_id);
    target.set_wave(roots.contains(machine_id) ? 0 : 1);
    Describe(*machines_.at(machine_id), target);
    uint32_t minutes = 0;
    for (const auto& [order, step] : draft.steps) {
      *target.add_steps() = step;
      minutes = std::max(minutes, RowOf(step.action())->verify_minutes);
    }
    if (minutes > 0) target.mutable_verify_within()->set_seconds(60 * minutes);
    for (const std::string& code : draft.codes) target.add_finding_codes(code);
    for (const std::string& code : draft.elsewhere) target.add_elsewhere_codes(code);
    for (const std::string& machine : draft.after) target.add_after(machine);
  }
  if (remediation.targets().empty() && remediation.untreatable().empty()) {
    // Its reason lets a program that runs again and again see that all is done.
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "nothing to treat: the selector '", request_.selector(), "' names no finding that ",
            request_.treat_size() > 0 ? "the given actions treat" : "needs a treatment", " (",
            view_.machines.size(), " machines, ", view_.findings.size(),
            " findings known); see keymedic findings list")),
        "NOTHING_TO_TREAT");
  }
  if (request_.expect_count() > 0 &&
      static_cast<uint32_t>(remediation.targets_size()) > request_.expect_count()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the selector '", request_.selector(), "' gives ", remediation.targets_size(),
                     " targets, and at most ", request_.expect_count(),
                     " were expected; narrow the selector or expect more"));
  }
  return std::move(draft_);
}

}  // namespace

absl::StatusOr<Draft> DraftPlan(const v1::PlanRemediationRequest& request, const EstateView& view,
                                const std::set<std::string>* only) {
  KM_ASSIGN_OR_RETURN(Selector selector, Selector::Parse(request.selector()));
  std::set<std::string> labels;
  for (const FleetPort::MachineInfo& machine : view.machines) {
    for (const auto& [key, value] : machine.labels) labels.insert(key);
  }
  KM_RETURN_IF_ERROR(selector.CheckLabels(labels));
  return Drafter(request, view, std::move(selector), only).Run();
}

}  // namespace keymedic::controller
