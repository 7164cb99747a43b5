// SPDX-License-Identifier: Apache-2.0
#include "kms/license_status.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace keymedic::kms {

std::string LicenseStatusName(v1::LicenseStatus status) {
  // Ours are Windows' numbers plus one (section.proto).
  if (!v1::LicenseStatus_IsValid(status)) return absl::StrCat("STATUS_", status - 1);
  return std::string(absl::StripPrefix(v1::LicenseStatus_Name(status), "LICENSE_STATUS_"));
}

}  // namespace keymedic::kms
