// SPDX-License-Identifier: Apache-2.0
//
// The name of a license status for people and totals. Windows may answer with a number that no
// documentation knows; it is kept in the message, and this says it instead of nothing.
#ifndef KEYMEDIC_KMS_LICENSE_STATUS_H_
#define KEYMEDIC_KMS_LICENSE_STATUS_H_

#include <string>

#include "keymedic/v1/section.pb.h"

namespace keymedic::kms {

// "LICENSED", "INITIAL_GRACE"; "UNSPECIFIED"; "STATUS_9" when Windows' LicenseStatus was 9 and that
// has no name.
std::string LicenseStatusName(v1::LicenseStatus status);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_LICENSE_STATUS_H_
