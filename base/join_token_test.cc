// SPDX-License-Identifier: Apache-2.0
#include "base/join_token.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace keymedic {
namespace {

const std::string kSecret(32, 'a');
const std::string kPin(64, 'b');

TEST(JoinToken, RoundTrip) {
  const JoinToken token{.id = "t-1", .secret = kSecret, .ca_sha256 = kPin};
  auto parsed = JoinToken::Parse(token.ToString() + "\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->id, "t-1");
  EXPECT_EQ(parsed->secret, kSecret);
  EXPECT_EQ(parsed->ca_sha256, kPin);
}

TEST(JoinToken, DamagedTokensAreRefusedWithoutBeingRepeated) {
  for (const std::string& text :
       {std::string(), std::string("km1"), absl::StrCat("km2.t.", kSecret, ".", kPin),
        absl::StrCat("km1..", kSecret, ".", kPin),
        absl::StrCat("km1.t.", kSecret.substr(1), ".", kPin),
        absl::StrCat("km1.t.", kSecret, ".", kPin, ".x"),
        absl::StrCat("km1.t.", kSecret, ".", kPin.substr(1), "g")}) {
    auto parsed = JoinToken::Parse(text);
    EXPECT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().message().find("aaaa"), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace keymedic
