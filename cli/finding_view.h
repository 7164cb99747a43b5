// SPDX-License-Identifier: Apache-2.0
//
// How findings look to people: one view for captures, the estate and the demonstration.
#ifndef KEYMEDIC_CLI_FINDING_VIEW_H_
#define KEYMEDIC_CLI_FINDING_VIEW_H_

#include <ostream>

#include "google/protobuf/repeated_field.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::cli {

// A line for each cause: severity, code, where, affected machines, what to do. The same cause on
// many machines is one line.
void PrintFindingTable(const google::protobuf::RepeatedPtrField<v1::Finding>& findings,
                       std::ostream& out, bool color);
// What to do about it, in short: "ensure_client_key, activate", or why nothing can be done.
std::string WhatToDo(const v1::Finding& finding);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_FINDING_VIEW_H_
