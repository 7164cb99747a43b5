// SPDX-License-Identifier: Apache-2.0
#include "cli/score_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/terminal.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kWorstShown = 5;

absl::string_view NameOf(Wrong wrong) {
  switch (wrong) {
    case Wrong::kFalsePositive:
      return "false positive";
    case Wrong::kMiss:
      return "miss";
    case Wrong::kRoot:
      return "wrong root";
  }
  return "";
}

Json CodesAsJson(const Score& total) {
  Json codes = Json::object();
  for (const auto& [name, code] : total.per_code) {
    codes[name] = Json{{"true_positives", code.true_positives},
                       {"false_positives", code.false_positives},
                       {"misses", code.misses},
                       {"root_correct", code.root_correct},
                       {"root_wrong", code.root_wrong}};
  }
  return codes;
}

Style StyleOf(const CodeScore& code) {
  if (code.false_positives + code.misses > 0) return Style::kRed;
  return code.root_wrong > 0 ? Style::kYellow : Style::kPlain;
}

}  // namespace

Score ScoreReport::Total() const {
  Score total;
  for (const ScoredEstate& estate : estates) total.Add(estate.score);
  return total;
}

std::vector<const ScoredEstate*> ScoreReport::Worst() const {
  std::vector<const ScoredEstate*> worst;
  for (const ScoredEstate& estate : estates) {
    if (!estate.score.disagreements.empty()) worst.push_back(&estate);
  }
  std::stable_sort(worst.begin(), worst.end(), [](const ScoredEstate* a, const ScoredEstate* b) {
    return a->score.disagreements.size() > b->score.disagreements.size();
  });
  return worst;
}

std::string ScoreAsJson(const ScoreReport& report, bool verbose) {
  const Score total = report.Total();
  Json json{{"precision", total.precision()},
            {"recall", total.recall()},
            {"root_cause_accuracy", total.root_cause_accuracy()},
            {"per_code", CodesAsJson(total)},
            {"estates", report.estates.size()},
            {"machines", total.machines},
            {"findings", total.findings},
            {"seconds", report.seconds}};
  Json worst = Json::array();
  Json wrong = Json::array();
  for (const ScoredEstate* estate : report.Worst()) {
    if (worst.size() < kWorstShown)
      worst.push_back(
          Json{{"estate", estate->name}, {"wrong", estate->score.disagreements.size()}});
    for (const Disagreement& one : estate->score.disagreements) {
      wrong.push_back(Json{{"estate", estate->name},
                           {"what", std::string(NameOf(one.wrong))},
                           {"code", one.code},
                           {"subject", one.subject},
                           {"why", one.why}});
    }
  }
  json["worst"] = std::move(worst);
  if (verbose) json["wrong"] = std::move(wrong);
  return json.dump() + "\n";
}

void PrintScore(const ScoreReport& report, bool verbose, bool color, std::ostream& out) {
  const Score total = report.Total();
  TextTable table({"CODE", "FOUND", "INVENTED", "MISSED", "ROOT", "WRONG ROOT"});
  for (const auto& [name, code] : total.per_code) {
    table.Add(
        {name, absl::StrCat(code.true_positives), absl::StrCat(code.false_positives),
         absl::StrCat(code.misses), absl::StrCat(code.root_correct), absl::StrCat(code.root_wrong)},
        StyleOf(code));
  }
  table.Print(out, color);
  out << absl::StrFormat(
      "\nprecision %.4f   recall %.4f   root cause %.4f\n%d estates, %d machines, %d findings in "
      "%.1f s\n",
      total.precision(), total.recall(), total.root_cause_accuracy(), report.estates.size(),
      total.machines, total.findings, report.seconds);
  const std::vector<const ScoredEstate*> worst = report.Worst();
  for (size_t i = 0; i < worst.size() && i < kWorstShown; ++i)
    out << (i == 0 ? "worst: " : ", ") << worst[i]->name << " ("
        << worst[i]->score.disagreements.size() << ")";
  if (!worst.empty()) out << '\n';
  if (!verbose) return;
  for (const ScoredEstate* estate : worst) {
    for (const Disagreement& one : estate->score.disagreements) {
      out << '\n'
          << estate->name << ": " << Paint(NameOf(one.wrong), Style::kBold, color) << "  "
          << one.code << "  " << one.subject << '\n'
          << Wrap(one.why, 2, 100) << '\n';
    }
  }
}

}  // namespace keymedic::cli
