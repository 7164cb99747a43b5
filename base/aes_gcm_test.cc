// SPDX-License-Identifier: Apache-2.0
#include "base/aes_gcm.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace keymedic::aes_gcm {
namespace {

class Zeros final : public Random {
 public:
  std::string Bytes(size_t n) override { return std::string(n, '\0'); }
};

// "The Galois/Counter Mode of Operation", McGrew and Viega, test cases 13 and 14.
TEST(AesGcm, SealsAsTheStandardSays) {
  Zeros nonce;
  const std::string key(kKeyBytes, '\0');
  const std::string no_nonce(12, '\0');
  EXPECT_EQ(absl::BytesToHexString(*Seal(key, "", "", nonce)),
            absl::BytesToHexString(no_nonce) + "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_EQ(absl::BytesToHexString(*Seal(key, std::string(16, '\0'), "", nonce)),
            absl::BytesToHexString(no_nonce) +
                "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(AesGcm, OpensWhatItSealedAndNothingElse) {
  SeededRandom random(1);
  const std::string key = random.Bytes(kKeyBytes), other = random.Bytes(kKeyBytes);
  const std::string sealed = *Seal(key, "a secret", "here", random);
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(*Open(key, sealed, "here"), "a secret");
  EXPECT_NE(*Seal(key, "a secret", "here", random), sealed) << "each has a nonce of its own";
  EXPECT_TRUE(absl::IsDataLoss(Open(key, sealed, "there").status()));
  EXPECT_TRUE(absl::IsDataLoss(Open(other, sealed, "here").status()));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_TRUE(absl::IsDataLoss(Open(key, changed, "here").status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(Open(key, sealed.substr(0, i), "here").status())) << i;
  }
}

TEST(AesGcm, AKeyOfAnotherLengthIsRefused) {
  SeededRandom random(1);
  EXPECT_TRUE(absl::IsInvalidArgument(Seal("short", "a secret", "", random).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Open("short", std::string(40, 'x'), "").status()));
}

}  // namespace
}  // namespace keymedic::aes_gcm
