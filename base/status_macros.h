// SPDX-License-Identifier: Apache-2.0
#ifndef KEYMEDIC_BASE_STATUS_MACROS_H_
#define KEYMEDIC_BASE_STATUS_MACROS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace keymedic {

// The same error with "what: " before its message: says on the way up what was being done.
inline absl::Status Annotate(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

}  // namespace keymedic

#define KM_CONCAT_INNER(a, b) a##b
#define KM_CONCAT(a, b) KM_CONCAT_INNER(a, b)

#define KM_RETURN_IF_ERROR(expression)     \
  do {                                     \
    absl::Status km_status = (expression); \
    if (!km_status.ok()) return km_status; \
  } while (false)

// KM_ASSIGN_OR_RETURN(auto value, MakeValue());
#define KM_ASSIGN_OR_RETURN(declaration, expression) \
  KM_ASSIGN_OR_RETURN_INNER(KM_CONCAT(km_result_, __LINE__), declaration, expression)
#define KM_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return result.status();                        \
  declaration = *std::move(result)

#endif  // KEYMEDIC_BASE_STATUS_MACROS_H_
