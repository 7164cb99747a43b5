// SPDX-License-Identifier: Apache-2.0
//
// keymedic lab faults, lab generate and lab score.
#ifndef KEYMEDIC_CLI_LAB_SCORE_H_
#define KEYMEDIC_CLI_LAB_SCORE_H_

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace keymedic::cli {

// As the nouns of commands.h.
void AddLabScore(CLI::App& lab, Globals& globals, int& exit_code);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_LAB_SCORE_H_
