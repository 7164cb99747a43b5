// SPDX-License-Identifier: Apache-2.0
#include "cli/score.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace keymedic::cli {
namespace {

using Named = std::pair<std::string, std::string>;  // code and subject

std::string Text(const Named& named) { return absl::StrCat(named.first, " ", named.second); }

std::string Texts(const std::set<Named>& all) {
  if (all.empty()) return "nothing";
  return absl::StrJoin(
      all, ", ", [](std::string* out, const Named& named) { absl::StrAppend(out, Text(named)); });
}

double Share(int part, int whole) { return whole == 0 ? 1 : static_cast<double>(part) / whole; }

Named CauseOf(const v1::Finding& finding) {
  if (finding.cause_code().empty()) return {finding.code(), finding.subject()};
  return {finding.cause_code(), finding.cause_subject()};
}

std::string EvidenceOf(const v1::Finding& finding) {
  return absl::StrJoin(finding.evidence(), "; ", [](std::string* out, const v1::Evidence& seen) {
    absl::StrAppend(out, seen.source(), " ", seen.field(), " = ", seen.value());
  });
}

// Does it speak of how this machine itself stands, not of what others meet on it?
bool IsOfItsActivation(const v1::Finding& finding) {
  return absl::StartsWith(finding.code(), "CLIENT_") || finding.code() == "HOST_NOT_LICENSED";
}

enum class Verdict { kRight, kWrong, kNoClaim };

class Comparison {
 public:
  Comparison(const lab::Truth& truth, absl::Span<const v1::Finding> findings) {
    for (const lab::Condition& condition : truth.conditions) {
      const Named named{condition.what.code, condition.what.subject};
      true_[named.second].insert(named);
      (condition.required ? required_ : allowed_).insert(named);
      for (const lab::Statement& cause : condition.causes)
        follows_[named].insert({cause.code, cause.subject});
    }
    for (const lab::Root& root : truth.roots) {
      for (const lab::Statement& cause : root.causes)
        roots_[root.machine].insert({cause.code, cause.subject});
    }
    for (const v1::Finding& finding : findings) {
      const Named named{finding.code(), finding.subject()};
      if (found_.emplace(named, &finding).second) of_subject_[finding.subject()].insert(named);
    }
    score_.findings = static_cast<int>(found_.size());
  }

  Score Run() {
    CompareFindings();
    LookForMisses();
    for (const auto& [machine, roots] : roots_) CompareRoots(machine, roots);
    std::stable_sort(score_.disagreements.begin(), score_.disagreements.end(),
                     [](const Disagreement& a, const Disagreement& b) {
                       return std::tie(a.code, a.subject) < std::tie(b.code, b.subject);
                     });
    return std::move(score_);
  }

 private:
  void CompareFindings() {
    for (const auto& [named, finding] : found_) {
      CodeScore& code = score_.per_code[named.first];
      if (required_.contains(named) || allowed_.contains(named)) {
        ++code.true_positives;
        continue;
      }
      ++code.false_positives;
      Say(Wrong::kFalsePositive, named,
          absl::StrCat("seen: ", EvidenceOf(*finding), Under(*finding),
                       "; true: ", Truth(named.second)));
    }
  }

  void LookForMisses() {
    score_.required = static_cast<int>(required_.size());
    for (const Named& named : required_) {
      if (found_.contains(named)) {
        ++score_.required_found;
        continue;
      }
      ++score_.per_code[named.first].misses;
      Say(Wrong::kMiss, named,
          absl::StrCat("found there: ", Texts(of_subject_[named.second]),
                       "; true: ", Truth(named.second)));
    }
  }

  void CompareRoots(const std::string& machine, const std::set<Named>& roots) {
    bool claimed = false;
    for (const Named& named : of_subject_[machine]) {
      const v1::Finding& finding = *found_.at(named);
      if (!IsOfItsActivation(finding)) continue;
      const Verdict verdict = Judge(machine, roots, finding);
      if (verdict == Verdict::kNoClaim) continue;
      claimed = true;
      CodeScore& code = score_.per_code[finding.code()];
      ++(verdict == Verdict::kRight ? code.root_correct : code.root_wrong);
      if (verdict == Verdict::kWrong) SayRoot(machine, finding);
    }
    if (claimed) return;
    ++score_.per_code[roots.begin()->first].root_wrong;
    Say(Wrong::kRoot, {roots.begin()->first, machine},
        absl::StrCat("nothing says why this machine suffers; found there: ",
                     Texts(of_subject_[machine]), "; true: ", Truth(machine)));
  }

  Verdict Judge(const std::string& machine, const std::set<Named>& roots,
                const v1::Finding& finding) const {
    const Named cause = CauseOf(finding);
    if (roots.contains(cause) && Affects(cause, machine)) return Verdict::kRight;
    if (finding.severity() < v1::SEVERITY_WARNING) return Verdict::kNoClaim;
    // Something else that is true of this machine, and said for itself.
    const Named named{finding.code(), finding.subject()};
    const bool own = cause.first == finding.code();
    if (own && required_.contains(named)) return Verdict::kNoClaim;
    const auto follows = follows_.find(named);
    if (follows != follows_.end() && follows->second.contains(cause)) return Verdict::kNoClaim;
    return Verdict::kWrong;
  }

  bool Affects(const Named& cause, const std::string& machine) const {
    const auto found = found_.find(cause);
    if (found == found_.end()) return false;
    const auto& affected = found->second->affected_machines();
    return std::find(affected.begin(), affected.end(), machine) != affected.end();
  }

  void SayRoot(const std::string& machine, const v1::Finding& finding) {
    const Named cause = CauseOf(finding);
    const auto found = found_.find(cause);
    Say(Wrong::kRoot, {finding.code(), machine},
        absl::StrCat("said to follow from ", Text(cause),
                     Affects(cause, machine) ? "" : " (which does not name it as affected)",
                     ", seen: ", found == found_.end() ? "nothing" : EvidenceOf(*found->second),
                     "; its own evidence: ", EvidenceOf(finding), "; true: ", Truth(machine)));
  }

  std::string Under(const v1::Finding& finding) const {
    return finding.cause_code().empty() ? "" : absl::StrCat("; under ", Text(CauseOf(finding)));
  }

  // What is true of a subject, and why it suffers if it does.
  std::string Truth(const std::string& subject) {
    std::string out = Texts(true_[subject]);
    if (const auto roots = roots_.find(subject); roots != roots_.end())
      absl::StrAppend(&out, "; suffers from ", Texts(roots->second));
    return out;
  }

  void Say(Wrong wrong, const Named& named, std::string why) {
    score_.disagreements.push_back({wrong, named.first, named.second, std::move(why)});
  }

  std::map<std::string, std::set<Named>> true_;  // by subject
  std::set<Named> required_, allowed_;
  std::map<Named, std::set<Named>> follows_;      // condition -> what it follows from
  std::map<std::string, std::set<Named>> roots_;  // by suffering machine
  std::map<Named, const v1::Finding*> found_;
  std::map<std::string, std::set<Named>> of_subject_;
  Score score_;
};

}  // namespace

CodeScore Score::Sum() const {
  CodeScore sum;
  for (const auto& [name, code] : per_code) {
    sum.true_positives += code.true_positives;
    sum.false_positives += code.false_positives;
    sum.misses += code.misses;
    sum.root_correct += code.root_correct;
    sum.root_wrong += code.root_wrong;
  }
  return sum;
}

double Score::precision() const {
  const CodeScore sum = Sum();
  return Share(sum.true_positives, sum.true_positives + sum.false_positives);
}

double Score::recall() const { return Share(required_found, required); }

double Score::root_cause_accuracy() const {
  const CodeScore sum = Sum();
  return Share(sum.root_correct, sum.root_correct + sum.root_wrong);
}

void Score::Add(const Score& other) {
  for (const auto& [name, from] : other.per_code) {
    CodeScore& code = per_code[name];
    code.true_positives += from.true_positives;
    code.false_positives += from.false_positives;
    code.misses += from.misses;
    code.root_correct += from.root_correct;
    code.root_wrong += from.root_wrong;
  }
  disagreements.insert(disagreements.end(), other.disagreements.begin(), other.disagreements.end());
  machines += other.machines;
  findings += other.findings;
  required += other.required;
  required_found += other.required_found;
}

Score Compare(const lab::Truth& truth, absl::Span<const v1::Finding> findings) {
  return Comparison(truth, findings).Run();
}

}  // namespace keymedic::cli
