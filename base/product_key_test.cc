// SPDX-License-Identifier: Apache-2.0
#include "base/product_key.h"

#include <gtest/gtest.h>

namespace keymedic {
namespace {

TEST(ProductKey, ShowsOnlyTheLastFive) {
  auto key = ProductKey::Parse(" abcde-12345-fghij-67890-klmno\r\n");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->partial(), "KLMNO");
  EXPECT_EQ(key->reveal(), "ABCDE-12345-FGHIJ-67890-KLMNO");
}

TEST(ProductKey, RefusesOtherShapesWithoutRepeatingThem) {
  for (absl::string_view text :
       {"", "ABCDE", "ABCDE-12345-FGHIJ-67890-KLMN", "ABCDE-12345-FGHIJ-67890-KLMNOP",
        "ABCDE 12345 FGHIJ 67890 KLMNO", "ABCDE-12345-FGHIJ-67890-KLMN!"}) {
    auto key = ProductKey::Parse(text);
    EXPECT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.status().message().find("12345"), absl::string_view::npos);
  }
}

TEST(RedactProductKeys, KeepsTheLastFiveAndEverythingElse) {
  EXPECT_EQ(RedactProductKeys("ipk ABCDE-12345-FGHIJ-67890-KLMNO failed"),
            "ipk XXXXX-XXXXX-XXXXX-XXXXX-KLMNO failed");
  EXPECT_EQ(RedactProductKeys("ABCDE-12345-FGHIJ-67890-KLMNO"), "XXXXX-XXXXX-XXXXX-XXXXX-KLMNO");
}

TEST(RedactProductKeys, FindsAKeyWithinALongerWord) {
  EXPECT_EQ(RedactProductKeys("keyABCDE-12345-FGHIJ-67890-KLMNO12"),
            "keyXXXXX-XXXXX-XXXXX-XXXXX-KLMNO12");
}

TEST(RedactProductKeys, LeavesExtendedPidsAndGuidsAlone) {
  const std::string pid = "55041-00140-015-871562-03-1033-7078.0000-0992009";
  const std::string guid = "55c92734-d682-4d71-983e-d6ec3f16059f";
  EXPECT_EQ(RedactProductKeys(pid), pid);
  EXPECT_EQ(RedactProductKeys(guid), guid);
}

}  // namespace
}  // namespace keymedic
