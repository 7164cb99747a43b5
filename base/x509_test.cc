// SPDX-License-Identifier: Apache-2.0
#include "base/x509.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace keymedic::x509 {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class X509Test : public ::testing::Test {
 protected:
  void SetUp() override {
    ca_key_ = *GenerateKeyPem();
    auto ca = MakeCaPem(ca_key_, "KeyMedic CA", kStart, kStart + absl::Hours(24 * 3650));
    ASSERT_TRUE(ca.ok()) << ca.status();
    ca_ = *ca;
  }
  Issue Machine() const {
    return {.common_name = "pc-1",
            .uri = "spiffe://keymedic/machine/m-1",
            .not_before = kStart,
            .not_after = kStart + absl::Hours(24)};
  }
  std::string ca_key_, ca_;
};

TEST_F(X509Test, IdentityComesFromTheIssuerNotFromTheRequest) {
  const std::string key = *GenerateKeyPem();
  auto csr = MakeCsrPem(key, "I am the administrator");
  ASSERT_TRUE(csr.ok()) << csr.status();
  auto cert = SignCsrPem(*csr, Machine(), ca_, ca_key_);
  ASSERT_TRUE(cert.ok()) << cert.status();
  auto info = Inspect(*cert);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->uri, "spiffe://keymedic/machine/m-1");
  EXPECT_EQ(info->common_name, "pc-1");
  EXPECT_EQ(info->not_after, kStart + absl::Hours(24));
  EXPECT_TRUE(KeyMatches(key, *cert));
  EXPECT_FALSE(KeyMatches(ca_key_, *cert));
}

TEST_F(X509Test, ServersCarryNamesAndAddresses) {
  Issue issue = Machine();
  issue.server = true;
  issue.dns_names = {"localhost", "127.0.0.1", "::1"};
  const std::string key = *GenerateKeyPem();
  EXPECT_TRUE(SignKeyPem(key, issue, ca_, ca_key_).ok());
}

TEST_F(X509Test, NamesCannotSmuggleExtensions) {
  Issue issue = Machine();
  issue.uri = "spiffe://keymedic/machine/m-1,DNS:evil";
  const std::string key = *GenerateKeyPem();
  EXPECT_EQ(SignKeyPem(key, issue, ca_, ca_key_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(X509Test, AnAuthorityKnowsItsOwnAlsoWhenTheirTimeIsOver) {
  const std::string key = *GenerateKeyPem(), csr = *MakeCsrPem(key, "m-1");
  Issue issue = Machine();
  issue.not_after = issue.not_before + absl::Seconds(1);
  const std::string ended = *SignCsrPem(csr, issue, ca_, ca_key_);
  EXPECT_EQ(CheckIssuedBy(ended, ca_), absl::OkStatus());
  issue.server = true;
  EXPECT_TRUE(absl::IsPermissionDenied(CheckIssuedBy(*SignKeyPem(key, issue, ca_, ca_key_), ca_)));
  // Of the same name, with another key.
  const std::string other_key = *GenerateKeyPem();
  const std::string other = *MakeCaPem(other_key, Inspect(ca_)->common_name,
                                       Inspect(ca_)->not_before, Inspect(ca_)->not_after);
  EXPECT_TRUE(absl::IsPermissionDenied(CheckIssuedBy(ended, other)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckIssuedBy("", ca_)));
}

TEST_F(X509Test, ASignatureIsOfThatKeyAndThoseBytes) {
  const std::string key = *GenerateKeyPem(), other = *GenerateKeyPem();
  const std::string cert = *SignKeyPem(key, Machine(), ca_, ca_key_);
  std::string signature = *SignBytes(key, "bytes");
  EXPECT_TRUE(IsSignedBy(cert, "bytes", signature));
  EXPECT_FALSE(IsSignedBy(cert, "bytes!", signature));
  EXPECT_FALSE(IsSignedBy(cert, "bytes", *SignBytes(other, "bytes")));
  EXPECT_FALSE(IsSignedBy(cert, "bytes", ""));
  EXPECT_FALSE(IsSignedBy("no certificate", "bytes", signature));
  EXPECT_FALSE(SignBytes("no key", "bytes").ok());
}

TEST_F(X509Test, BadInputIsAnErrorNotACrash) {
  EXPECT_FALSE(MakeCsrPem("no key", "x").ok());
  EXPECT_FALSE(
      SignCsrPem("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
                 Machine(), ca_, ca_key_)
          .ok());
  EXPECT_FALSE(Inspect("").ok());
  EXPECT_FALSE(Inspect(std::string(100, '\0')).ok());
  EXPECT_FALSE(KeyMatches("", ""));
}

TEST_F(X509Test, NobodyListensIsUnavailable) {
  // Port 9 of the loopback is the discard service, which no machine here runs.
  auto ca = FetchPinnedCaPem("127.0.0.1:9", std::string(64, '0'), absl::Seconds(5));
  EXPECT_EQ(ca.status().code(), absl::StatusCode::kUnavailable) << ca.status();
  EXPECT_NE(ca.status().message().find("127.0.0.1:9"), absl::string_view::npos);
}

}  // namespace
}  // namespace keymedic::x509
