// SPDX-License-Identifier: Apache-2.0
//
// The nouns of `keymedic`. Each function adds one noun with its verbs to the program; a verb's
// callback does its work and leaves its exit code in `exit_code`. `globals` and `exit_code` outlive
// the program's parsing.
#ifndef KEYMEDIC_CLI_COMMANDS_H_
#define KEYMEDIC_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace keymedic::cli {

void AddMachines(CLI::App& app, Globals& globals, int& exit_code);
void AddEstate(CLI::App& app, Globals& globals, int& exit_code);
void AddFindings(CLI::App& app, Globals& globals, int& exit_code);
void AddRemediations(CLI::App& app, Globals& globals, int& exit_code);
void AddPolicy(CLI::App& app, Globals& globals, int& exit_code);
void AddHostKeys(CLI::App& app, Globals& globals, int& exit_code);
void AddTokens(CLI::App& app, Globals& globals, int& exit_code);
void AddAudit(CLI::App& app, Globals& globals, int& exit_code);
void AddProfiles(CLI::App& app, Globals& globals, int& exit_code);
void AddLab(CLI::App& app, Globals& globals, int& exit_code);
void AddBundle(CLI::App& app, Globals& globals, int& exit_code);
void AddDiagnose(CLI::App& app, Globals& globals, int& exit_code);
void AddDoctor(CLI::App& app, Globals& globals, int& exit_code);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_COMMANDS_H_
