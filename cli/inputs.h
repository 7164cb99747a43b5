// SPDX-License-Identifier: Apache-2.0
//
// Opens what `keymedic diagnose` is given and hands it to the readers: files, directories, standard
// input, and archives of captures or support bundles, told by their content. An archive in an
// archive is opened too, one in that is not. What lies in them is called "bundle.zip:dlv.txt".
//
// Nothing here fails: what cannot be opened is in the set as unread, with the reason. One thread.
#ifndef KEYMEDIC_CLI_INPUTS_H_
#define KEYMEDIC_CLI_INPUTS_H_

#include <istream>
#include <string>
#include <vector>

#include "cli/archive.h"
#include "kms/readers/captures.h"

namespace keymedic::cli {

// `files`: paths; "-" is `in`. `budget` bounds what the archives of one run unfold to.
void ReadInputs(const std::vector<std::string>& files, std::istream& in,
                const ArchiveBudget& budget, kms::CaptureSet& set);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_INPUTS_H_
