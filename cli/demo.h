// SPDX-License-Identifier: Apache-2.0
//
// keymedic lab up: the whole job on a simulated estate, shown step by step. A real controller
// process, a lab process whose machines run the real agent core, mutual TLS between them.
#ifndef KEYMEDIC_CLI_DEMO_H_
#define KEYMEDIC_CLI_DEMO_H_

#include <string>

#include "cli/session.h"

namespace keymedic::cli {

struct DemoOptions {
  std::string estate = "lab/estates/contoso.textproto";
  std::string directory;  // of everything it writes; empty: a temporary one, removed at the end
  bool json = false;      // the figures as one JSON object, last
  bool keep = false;      // leave everything running
  double speed = 60;      // how much faster than real time the estate lives
};

// Returns the exit code. Shows a controller that dies, starts it again and goes on.
int RunDemo(const DemoOptions& options, const Globals& globals);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_DEMO_H_
