// SPDX-License-Identifier: Apache-2.0
#include "kms/license_status.h"

#include <gtest/gtest.h>

namespace keymedic::kms {
namespace {

TEST(LicenseStatusTest, KnownOnesHaveTheirName) {
  EXPECT_EQ(LicenseStatusName(v1::LICENSE_STATUS_LICENSED), "LICENSED");
  EXPECT_EQ(LicenseStatusName(v1::LICENSE_STATUS_INITIAL_GRACE), "INITIAL_GRACE");
  EXPECT_EQ(LicenseStatusName(v1::LICENSE_STATUS_UNSPECIFIED), "UNSPECIFIED");
}

TEST(LicenseStatusTest, UnknownOnesKeepTheNumberOfWindows) {
  EXPECT_EQ(LicenseStatusName(static_cast<v1::LicenseStatus>(10)), "STATUS_9");
}

}  // namespace
}  // namespace keymedic::kms
