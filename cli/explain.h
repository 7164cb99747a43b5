// SPDX-License-Identifier: Apache-2.0
//
// What an error code means: from the table, or, for one that the table does not have, what its
// number alone tells. Pure.
#ifndef KEYMEDIC_CLI_EXPLAIN_H_
#define KEYMEDIC_CLI_EXPLAIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::cli {

// A code as people paste it: "(0xC004F074)", "0xc004f074,", "hr=0xC004F074", "-1073418124".
std::optional<uint32_t> PastedErrorCode(absl::string_view text);

// The findings that a machine gets for this code, by the rules themselves; in the catalogue's
// order.
std::vector<std::string> FindingsOnError(uint32_t code);

// What the parts of a number say of a code that is not in the table. Never more than that.
struct Decoded {
  std::string kind;        // "an error (HRESULT) of facility 7, Win32"
  std::string suggestion;  // where to look, or a code that may be meant
};
Decoded DecodeError(uint32_t code);

}  // namespace keymedic::cli

#endif  // KEYMEDIC_CLI_EXPLAIN_H_
