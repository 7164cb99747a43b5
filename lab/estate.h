// SPDX-License-Identifier: Apache-2.0
//
// Reading an estate file (text form of keymedic.lab.v1.Estate). Pure but for ReadEstateFile.
// Errors are kInvalidArgument and name the file, the line, the field, the value and the remedy:
//   "contoso.textproto:31: client_groups[2].site: 'bremen' is no site of this estate (sites:
//   berlin)"
#ifndef KEYMEDIC_LAB_ESTATE_H_
#define KEYMEDIC_LAB_ESTATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "keymedic/lab/v1/estate.pb.h"

namespace keymedic::lab {

// `name` is how errors call the text.
absl::StatusOr<v1::Estate> ParseEstate(absl::string_view text, absl::string_view name);
absl::StatusOr<v1::Estate> ReadEstateFile(const std::string& path);

// Every machine, hosts first, then the clients in the file's order.
std::vector<std::string> HostNames(const v1::Estate& estate);
std::vector<std::string> ClientNames(const v1::Estate& estate);
std::vector<std::string> MachineNames(const v1::Estate& estate);

// The site of each of them, in the same order.
std::vector<std::string> MachineSites(const v1::Estate& estate);

// "pc-berlin-*" against a name; * any text, ? one character.
bool MatchesPattern(absl::string_view pattern, absl::string_view name);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_ESTATE_H_
