// SPDX-License-Identifier: Apache-2.0
#include "controller/diagnosis/estate_diagnosis.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/times.h"
#include "kms/license_status.h"

namespace keymedic::controller {
namespace {

// Findings also change with time alone (a grace period that runs out): nothing is older than this.
constexpr absl::Duration kLookAgainAfter = absl::Minutes(10);
constexpr absl::Duration kViewAgainAfter = absl::Seconds(30);

constexpr absl::string_view kWindowsApplication = "55c92734-d682-4d71-983e-d6ec3f16059f";

MachineFacts MakeFacts(const kms::MachineState& state) {
  MachineFacts facts;
  facts.reported = state.os || state.licensing || state.client || state.host || state.firewall ||
                   state.names || state.probes;
  if (state.os && state.os->has_utc_offset_minutes()) {
    facts.utc_offset_minutes = state.os->utc_offset_minutes();
  }
  if (state.client) {
    const std::string& told = state.client->registered_host();
    facts.kms_host = absl::AsciiStrToLower(told.empty() ? state.client->discovered_host() : told);
  }
  if (!state.licensing) return facts;
  for (const v1::Product& product : state.licensing->products()) {
    if (product.is_addon()) continue;
    if (product.has_application_id() &&
        !absl::EqualsIgnoreCase(product.application_id(), kWindowsApplication)) {
      continue;
    }
    facts.status = product.status();
    facts.product = product.name();
    break;
  }
  return facts;
}

void KeepFirstSeen(const std::vector<v1::Finding>& before, absl::Time otherwise,
                   std::vector<v1::Finding>& now) {
  for (v1::Finding& finding : now) {
    const auto same = std::find_if(before.begin(), before.end(), [&](const v1::Finding& old) {
      return old.code() == finding.code() && old.subject() == finding.subject();
    });
    *finding.mutable_first_seen_at() =
        same != before.end() ? same->first_seen_at() : ToTimestamp(otherwise);
  }
}

bool SameFindings(const std::vector<v1::Finding>& a, const std::vector<v1::Finding>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return SerializeDeterministic(one) == SerializeDeterministic(other);
  });
}

}  // namespace

std::vector<std::string> EstateDiagnosis::Apply(const std::string& machine_id,
                                                const std::string& machine_name,
                                                absl::Span<const v1::Section* const> sections,
                                                absl::Span<const std::string> removed) {
  std::vector<std::string> refused;
  kms::MachineState fresh;  // parsed before the lock is taken
  for (const v1::Section* section : sections) {
    const absl::Status status = kms::ApplySection(*section, fresh);
    if (!status.ok()) {
      refused.push_back(
          absl::StrCat(section->name(), " (", section->type(), "): ", status.message()));
    }
  }
  std::lock_guard lock(mutex_);
  Entries::value_type& entry = EntryOf(machine_id);
  const std::vector<std::string> touched =
      estate_.Update(machine_id, [&](kms::MachineState& state) {
        state.name = machine_name;
        for (const std::string& name : removed) kms::RemoveSection(name, state);
        kms::MoveSections(fresh, state);
        entry.second.facts = MakeFacts(state);
      });
  for (const std::string& id : touched) stale_.insert(&EntryOf(id));
  view_ = nullptr;
  Diagnose(entry, clock_.Now());
  return refused;
}

void EstateDiagnosis::Remove(const std::string& machine_id) {
  std::lock_guard lock(mutex_);
  const auto gone = entries_.find(machine_id);
  if (gone == entries_.end()) return;
  for (const std::string& id : estate_.Remove(machine_id)) {
    if (id != machine_id) stale_.insert(&EntryOf(id));
  }
  stale_.erase(&*gone);
  std::erase(in_order_, &*gone);
  entries_.erase(gone);
  view_ = nullptr;
}

void EstateDiagnosis::Load(const std::string& machine_id, const std::string& machine_name,
                           absl::Span<const v1::Section> sections) {
  std::lock_guard lock(mutex_);
  kms::MachineState state;
  state.id = machine_id;
  state.name = machine_name;
  absl::Time collected_at = absl::InfinitePast();
  for (const v1::Section& section : sections) {
    // What is not understood was said when it arrived; it stays in the store.
    (void)kms::ApplySection(section, state);
    collected_at = std::max(collected_at, FromTimestamp(section.collected_at()));
  }
  Entry& entry = EntryOf(machine_id).second;
  entry.facts = MakeFacts(state);
  entry.first_seen = collected_at;
  estate_.Load(std::move(state));
  all_diagnosed_at_ = absl::InfinitePast();
  view_ = nullptr;
}

void EstateDiagnosis::SetAgentFindings(const std::string& machine_id,
                                       std::vector<v1::Finding> findings) {
  std::lock_guard lock(mutex_);
  Entry& entry = EntryOf(machine_id).second;
  if (entry.agent_findings.empty() && findings.empty()) return;
  KeepFirstSeen(entry.agent_findings, clock_.Now(), findings);
  entry.agent_findings = std::move(findings);
  view_ = nullptr;
}

void EstateDiagnosis::SetPolicy(const v1::Policy& policy) {
  std::lock_guard lock(mutex_);
  policy_ = policy;
  all_diagnosed_at_ = absl::InfinitePast();
  for (auto& [id, entry] : entries_) entry.diagnosed_at = absl::InfinitePast();
  view_ = nullptr;
}

v1::Policy EstateDiagnosis::policy() const {
  std::lock_guard lock(mutex_);
  return policy_;
}

void EstateDiagnosis::LookAgain() {
  std::lock_guard lock(mutex_);
  DiagnoseStale(clock_.Now());
}

std::vector<v1::Finding> EstateDiagnosis::FindingsOf(const std::string& machine_id) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(machine_id);
  if (it == entries_.end()) return {};
  const absl::Time now = clock_.Now();
  if (stale_.contains(&*it) || now - it->second.diagnosed_at >= kLookAgainAfter) {
    Diagnose(*it, now);
  }
  std::vector<v1::Finding> findings = it->second.findings;
  findings.insert(findings.end(), it->second.agent_findings.begin(),
                  it->second.agent_findings.end());
  return findings;
}

MachineFacts EstateDiagnosis::FactsOf(const std::string& machine_id) const {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(machine_id);
  return it == entries_.end() ? MachineFacts() : it->second.facts;
}

std::shared_ptr<const FoldedView> EstateDiagnosis::View() {
  std::lock_guard lock(mutex_);
  return ViewOf(clock_.Now());
}

v1::ListForecastsResponse EstateDiagnosis::Forecast(const kms::ForecastOptions& options) {
  std::lock_guard lock(mutex_);
  const absl::Time now = clock_.Now();
  return kms::Forecast(estate_, ViewOf(now)->findings, policy_, now, options);
}

std::shared_ptr<const FoldedView> EstateDiagnosis::ViewOf(absl::Time now) {
  if (view_ == nullptr || now - viewed_at_ >= kViewAgainAfter) {
    view_ = nullptr;
    DiagnoseStale(now);
    view_ = MakeView(now);
    viewed_at_ = now;
  }
  return view_;
}

EstateDiagnosis::Entries::value_type& EstateDiagnosis::EntryOf(const std::string& machine_id) {
  const auto [it, is_new] = entries_.try_emplace(machine_id);
  if (is_new) in_order_.push_back(&*it);
  return *it;
}

void EstateDiagnosis::Diagnose(Entries::value_type& of, absl::Time now) {
  auto& [machine_id, entry] = of;
  std::vector<v1::Finding> findings = kms::DiagnoseMachine(estate_, machine_id, policy_, now);
  // What is found in a state that was loaded has been so since that state was collected.
  const absl::Time loaded = std::exchange(entry.first_seen, absl::InfinitePast());
  KeepFirstSeen(entry.findings, loaded != absl::InfinitePast() ? loaded : now, findings);
  // Each heartbeat asks for what is found; only news makes the view of the estate anew. Where that
  // is dropped already, as behind every change, nothing is compared.
  if (view_ != nullptr && !SameFindings(entry.findings, findings)) view_ = nullptr;
  entry.findings = std::move(findings);
  entry.diagnosed_at = now;
  stale_.erase(&of);
}

void EstateDiagnosis::DiagnoseStale(absl::Time now) {
  if (now - all_diagnosed_at_ >= kLookAgainAfter) {
    all_diagnosed_at_ = now;
    stale_.clear();
    for (Entries::value_type* entry : in_order_) Diagnose(*entry, now);
    return;
  }
  const auto stale = std::exchange(stale_, {});
  for (Entries::value_type* entry : stale) Diagnose(*entry, now);
}

std::shared_ptr<const FoldedView> EstateDiagnosis::MakeView(absl::Time now) {
  auto view = std::make_shared<FoldedView>();
  std::vector<v1::Finding> all = kms::DiagnoseRecords(estate_, policy_, now);
  absl::flat_hash_map<std::string, absl::Time> first_seen;
  for (v1::Finding& finding : all) {
    const std::string key = absl::StrCat(finding.code(), "\n", finding.subject());
    const auto before = record_first_seen_.find(key);
    const absl::Time at = before != record_first_seen_.end() ? before->second : now;
    first_seen.emplace(key, at);
    *finding.mutable_first_seen_at() = ToTimestamp(at);
  }
  record_first_seen_ = std::move(first_seen);
  for (const Entries::value_type* of : in_order_) {
    const Entry& entry = of->second;
    all.insert(all.end(), entry.findings.begin(), entry.findings.end());
    all.insert(all.end(), entry.agent_findings.begin(), entry.agent_findings.end());
  }
  view->findings = kms::Fold(estate_, std::move(all));
  for (size_t i = 0; i < view->findings.size(); ++i) {
    const std::string& id = view->findings[i].machine_id();
    if (!id.empty()) view->of_machine[id].push_back(i);
  }
  Summarize(*view);
  return view;
}

void EstateDiagnosis::Summarize(FoldedView& view) const {
  absl::flat_hash_set<absl::string_view> affected;
  for (const v1::Finding& finding : view.findings) {
    if (!finding.cause_code().empty()) continue;
    ++(*view.summary.mutable_by_code())[finding.code()];
    if (!kms::IsProblem(finding)) continue;
    view.summary.set_problems(view.summary.problems() + 1);
    affected.insert(finding.affected_machines().begin(), finding.affected_machines().end());
  }
  view.summary.set_machines_affected(affected.size());
  std::map<v1::LicenseStatus, uint32_t> by_status;
  for (const Entries::value_type* of : in_order_) {
    const MachineFacts& facts = of->second.facts;
    if (facts.reported) ++by_status[facts.status];
  }
  for (const auto& [status, machines] : by_status) {
    view.summary.set_reported(view.summary.reported() + machines);
    (*view.summary.mutable_by_status())[kms::LicenseStatusName(status)] += machines;
  }
}

}  // namespace keymedic::controller
