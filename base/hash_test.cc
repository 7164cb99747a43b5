// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include "keymedic/v1/command.pb.h"

namespace keymedic {
namespace {

TEST(Hash, Sha256OfKnownText) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("").size(), 32u);
}

TEST(Hash, ConstantTimeEqual) {
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abcd"));
}

TEST(Hash, MapsSerialiseInKeyOrder) {
  v1::Command a, b;
  for (int i = 0; i < 50; ++i) (*a.mutable_params())[std::to_string(i)] = "x";
  for (int i = 49; i >= 0; --i) (*b.mutable_params())[std::to_string(i)] = "x";
  EXPECT_EQ(SerializeDeterministic(a), SerializeDeterministic(b));
}

}  // namespace
}  // namespace keymedic
