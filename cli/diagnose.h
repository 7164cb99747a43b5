// SPDX-License-Identifier: Apache-2.0
//
// `keymedic diagnose FILE...`: what do these pasted outputs say? Reads licence reports, events and
// DNS answers (kms/readers), alone, in directories and in archives, and support bundles
// (cli/bundle.h); prints causes with their evidence. Needs no controller.
//
// Returns the exit code: 0 when every input could be read; 1 when one could not be opened or is no
// evidence at all (named on `err`, with the reason; the rest is still diagnosed); 2 for usage. Of a
// directory or an archive, files that are no evidence are only listed.
#ifndef KEYMEDIC_CLI_DIAGNOSE_H_
#define KEYMEDIC_CLI_DIAGNOSE_H_

#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "base/clock.h"

namespace keymedic::cli {

struct DiagnoseOptions {
  std::vector<std::string> files;  // directories too; "-" is `in`
  bool json = false;
  bool color = false;
  std::vector<std::string> labels = {};  // slmgr.ini files of the machines' display languages
};

int RunDiagnose(const DiagnoseOptions& options, std::istream& in, std::ostream& out,
                std::ostream& err, const Clock& clock);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_DIAGNOSE_H_
