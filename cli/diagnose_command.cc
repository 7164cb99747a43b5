// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/diagnose.h"

namespace keymedic::cli {

void AddDiagnose(CLI::App& app, Globals& globals, int& exit_code) {
  CLI::App* verb = app.add_subcommand(
      "diagnose",
      "Examples:\n  keymedic diagnose dlv.txt Application.evtx\n  keymedic diagnose captures/ "
      "pc-017.zip "
      "kms01.zip --output json\n  cscript slmgr.vbs /dlv | keymedic diagnose -\n\nReads what "
      "slmgr, ospp.vbs, the event log and nslookup printed, event logs, and what `keymedic "
      "bundle create` made, and says what is wrong. Needs no "
      "controller.\nExit code: 0 everything could be read, 1 some input is no "
      "evidence at all, 2 usage.");
  verb->fallthrough();
  auto options = std::make_shared<DiagnoseOptions>();
  verb->add_option("FILE", options->files,
                   "captures, directories or archives of them; - is standard input")
      ->required();
  verb->add_option("--labels", options->labels,
                   "a machine's own slmgr.ini, for reports in its language")
      ->type_name("FILE")
      ->expected(1);
  verb->callback([&globals, &exit_code, options] {
    options->json = globals.json();
    options->color = globals.color();
    exit_code = RunDiagnose(*options, std::cin, std::cout, std::cerr, SystemClock());
  });
}

}  // namespace keymedic::cli
