// SPDX-License-Identifier: Apache-2.0
#include "cli/suggest.h"

#include <gtest/gtest.h>

namespace keymedic::cli {
namespace {

const std::vector<std::string> kNouns = {"machines", "findings", "remediations", "tokens",
                                         "audit",    "lab",      "doctor"};

TEST(Suggest, FindsWhatWasMeant) {
  EXPECT_EQ(Suggest("mahcines", kNouns), "machines");
  EXPECT_EQ(Suggest("finding", kNouns), "findings");
  EXPECT_EQ(Suggest("remed", kNouns), "remediations");
  EXPECT_EQ(Suggest("docter", kNouns), "doctor");
}

TEST(Suggest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(Suggest("xyzzy", kNouns), "");
  EXPECT_EQ(Suggest("", kNouns), "");
}

}  // namespace
}  // namespace keymedic::cli
