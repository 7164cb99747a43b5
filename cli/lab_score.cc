// SPDX-License-Identifier: Apache-2.0
//
// docs/scoring.md says what the figures mean.
#include "cli/lab_score.h"

#include <iostream>
#include <iterator>
#include <thread>

#include "absl/time/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cli/finding_view.h"
#include "cli/score_estates.h"
#include "cli/terminal.h"
#include "lab/estate.h"
#include "lab/faults.h"
#include "nlohmann/json.hpp"

namespace keymedic::cli {
namespace {

struct ScoreOptions {
  std::vector<std::string> estates;  // files; "-" is standard input
  std::string seeds;                 // or generated ones
  lab::GenerateOptions generate;
  int jobs = 0;  // 0: one for each processor
  bool verbose = false;
  bool findings = false;  // instead of the score
};

int Generate(const lab::GenerateOptions& options, const std::string& file) {
  const auto estate = lab::GenerateEstate(options);
  if (!estate.ok()) return Fail(estate.status(), kUsage);
  const std::string text = lab::EstateText(*estate);
  if (file.empty()) {
    std::cout << text;
    return kOk;
  }
  const absl::Status written = WriteFileAtomically(file, text);
  return written.ok() ? kOk : Fail(written);
}

absl::StatusOr<lab::v1::Estate> Read(const std::string& file) {
  if (file != "-") return lab::ReadEstateFile(file);
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  return lab::ParseEstate(text, "standard input");
}

absl::StatusOr<std::vector<ScoredEstate>> ScoreThem(const ScoreOptions& options) {
  std::vector<ScoredEstate> scored;
  for (const std::string& file : options.estates) {
    KM_ASSIGN_OR_RETURN(const lab::v1::Estate estate, Read(file));
    auto score = ScoreEstate(estate);
    KM_RETURN_IF_ERROR(Annotate(score.status(), file));
    scored.push_back({file, *std::move(score)});
  }
  if (options.seeds.empty()) return scored;
  KM_ASSIGN_OR_RETURN(const SeedRange seeds, ParseSeeds(options.seeds));
  const int jobs = options.jobs > 0 ? options.jobs : std::thread::hardware_concurrency();
  KM_ASSIGN_OR_RETURN(auto generated, ScoreSeeds(options.generate, seeds, jobs));
  std::move(generated.begin(), generated.end(), std::back_inserter(scored));
  return scored;
}

// As `findings list --all` of a controller would show them.
absl::Status PrintFindings(const ScoreOptions& options, const Globals& globals) {
  v1::ListFindingsResponse all;
  for (const std::string& file : options.estates) {
    KM_ASSIGN_OR_RETURN(const lab::v1::Estate estate, Read(file));
    KM_ASSIGN_OR_RETURN(const Outcome outcome, RunEstate(estate));
    all.mutable_findings()->Add(outcome.findings.begin(), outcome.findings.end());
  }
  all.set_total_size(all.findings_size());
  if (globals.json()) {
    PrintJson(all);
  } else {
    PrintFindingTable(all.findings(), std::cout, globals.color());
  }
  return absl::OkStatus();
}

int RunScore(const ScoreOptions& options, const Globals& globals) {
  if (options.estates.empty() && options.seeds.empty()) {
    return Fail(absl::InvalidArgumentError(
                    "nothing to score: add --estate FILE (- is standard input), or --seeds 1-50"),
                kUsage);
  }
  // Plugins that crash because they are meant to are no news.
  log::Start("keymedic-lab", log::Level::kError);
  if (options.findings) {
    const absl::Status printed = PrintFindings(options, globals);
    return printed.ok() ? kOk : Fail(printed);
  }
  const absl::Time begin = absl::Now();
  auto scored = ScoreThem(options);
  if (!scored.ok()) return Fail(scored.status());
  const ScoreReport report{*std::move(scored), absl::ToDoubleSeconds(absl::Now() - begin)};
  if (globals.json()) {
    std::cout << ScoreAsJson(report, options.verbose);
  } else {
    PrintScore(report, options.verbose, globals.color(), std::cout);
  }
  return kOk;
}

int ListFaults(const Globals& globals) {
  if (globals.json()) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const lab::FaultKind& kind : lab::FaultKinds())
      all.push_back({{"fault", std::string(kind.name)},
                     {"of", kind.on_host ? "host" : "client"},
                     {"what", std::string(kind.what)}});
    std::cout << all.dump(2) << '\n';
    return kOk;
  }
  TextTable table({"FAULT", "OF", "WHAT"});
  for (const lab::FaultKind& kind : lab::FaultKinds())
    table.Add({std::string(kind.name), kind.on_host ? "host" : "client", std::string(kind.what)});
  table.Print(std::cout, globals.color());
  return kOk;
}

void AddGenerateOptions(CLI::App& verb, lab::GenerateOptions& options) {
  verb.add_option("--machines", options.machines, "how many, hosts included (default 500)");
  verb.add_option("--faults", options.faults,
                  "all, none, or names with commas between them (default all)");
}

}  // namespace

void AddLabScore(CLI::App& lab, Globals& globals, int& exit_code) {
  CLI::App* faults = lab.add_subcommand("faults", "the faults that an estate file can name");
  faults->fallthrough();
  faults->callback([&exit_code, &globals] { exit_code = ListFaults(globals); });

  CLI::App* generate = lab.add_subcommand(
      "generate", "an estate with several faults in each pool, as an estate file");
  generate->fallthrough();
  auto generated = std::make_shared<lab::GenerateOptions>();
  auto file = std::make_shared<std::string>();
  AddGenerateOptions(*generate, *generated);
  generate->add_option("--seed", generated->seed, "the same seed, the same estate (default 1)");
  generate->add_option("-o,--file", *file, "where to (default standard output)");
  generate->callback([&exit_code, generated, file] { exit_code = Generate(*generated, *file); });

  CLI::App* score = lab.add_subcommand(
      "score",
      "runs estates through the real plugins and the diagnosis, and holds what is found\n"
      "against what the lab knows to be true\n\n"
      "  precision            findings that are true, of all findings\n"
      "  recall               found, of all that has to be found\n"
      "  root_cause_accuracy  of what is found about machines that suffer: put under a cause that\n"
      "                       truly stops the machine, with the machine among those affected\n\n"
      "Examples:\n  keymedic lab score --seeds 1-50 --machines 500\n"
      "  keymedic lab generate --seed 7 | keymedic lab score --estate - --verbose");
  score->fallthrough();
  auto options = std::make_shared<ScoreOptions>();
  score->add_option("--estate", options->estates, "estate file; - is standard input; repeatable");
  score->add_option("--seeds", options->seeds, "generate and score: 7, or 1-50");
  AddGenerateOptions(*score, options->generate);
  score->add_option("--jobs", options->jobs, "estates at a time (default one for each processor)");
  score->add_flag("--verbose", options->verbose,
                  "every false positive, miss and wrong root in words");
  score->add_flag("--findings", options->findings,
                  "what is found in the estate files, instead of the score");
  score->callback([&exit_code, &globals, options] { exit_code = RunScore(*options, globals); });
}

}  // namespace keymedic::cli
