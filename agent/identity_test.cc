// SPDX-License-Identifier: Apache-2.0
#include "agent/identity.h"

#include <filesystem>

#include "agent/fake_authority.h"
#include "base/files.h"
#include "base/rights.h"

namespace keymedic::agent {
namespace {

namespace fs = std::filesystem;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class IdentityTest : public ::testing::Test {
 protected:
  Credential Fresh() { return authority_.Machine("m-1", kNow, kNow + absl::Hours(24)); }
  void EnrolWith(const Credential& credential) {
    ASSERT_TRUE(StoreEnrolment(dir_, "m-1", "controller:7443", credential).ok());
  }

  const FakeAuthority authority_{kNow};
  const std::string dir_ = MakeTempDir();
};

TEST_F(IdentityTest, NotEnrolledSaysHowTo) {
  const auto identity = Identity::Load(dir_);
  EXPECT_TRUE(absl::IsFailedPrecondition(identity.status()));
  EXPECT_NE(identity.status().message().find("keymedic-agent enroll"), absl::string_view::npos);
}

TEST_F(IdentityTest, StoresPrivately) {
  const Credential credential = Fresh();
  EnrolWith(credential);
  const auto identity = Identity::Load(dir_);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->machine_id(), "m-1");
  EXPECT_EQ(identity->controller(), "controller:7443");
  EXPECT_EQ(identity->current().key_pem, credential.key_pem);
  EXPECT_FALSE(identity->next().has_value());
  EXPECT_EQ(CheckWritableByTrustedOnly(dir_ + "/agent.key", false), absl::OkStatus());
#ifndef _WIN32
  EXPECT_EQ(static_cast<int>(fs::status(dir_ + "/agent.key").permissions()), 0600);
#endif
}

TEST_F(IdentityTest, RenewalIsDueAtTwoThirds) {
  const Credential credential = Fresh();
  EXPECT_FALSE(credential.NeedsRenewal(kNow + absl::Hours(15)));
  EXPECT_TRUE(credential.NeedsRenewal(kNow + absl::Hours(16)));
}

TEST_F(IdentityTest, NewCredentialStandsBesideUntilItHasWorked) {
  const Credential first = Fresh(), second = Fresh();
  EnrolWith(first);
  auto identity = Identity::Load(dir_);
  ASSERT_TRUE(identity->StoreNext(second).ok());
  identity = Identity::Load(dir_);
  EXPECT_EQ(identity->current().key_pem, first.key_pem);
  ASSERT_TRUE(identity->next().has_value());
  EXPECT_EQ(identity->next()->key_pem, second.key_pem);

  ASSERT_TRUE(identity->PromoteNext().ok());
  identity = Identity::Load(dir_);
  EXPECT_EQ(identity->current().key_pem, second.key_pem);
  EXPECT_FALSE(identity->next().has_value());
}

TEST_F(IdentityTest, DiscardKeepsTheOldOne) {
  const Credential first = Fresh();
  EnrolWith(first);
  auto identity = Identity::Load(dir_);
  ASSERT_TRUE(identity->StoreNext(Fresh()).ok());
  ASSERT_TRUE(identity->DiscardNext().ok());
  identity = Identity::Load(dir_);
  EXPECT_EQ(identity->current().key_pem, first.key_pem);
  EXPECT_FALSE(identity->next().has_value());
}

// A crash between any two renames of the promotion is finished by the next Load.
TEST_F(IdentityTest, PromotionCutOffAnywhereIsFinished) {
  const char* const files[] = {"agent.key", "agent.crt", "ca.crt"};
  for (int renamed = 1; renamed <= 2; ++renamed) {
    const Credential first = Fresh(), second = Fresh();
    EnrolWith(first);
    ASSERT_TRUE(Identity::Load(dir_)->StoreNext(second).ok());
    for (int i = 0; i < renamed; ++i) {
      fs::rename(dir_ + "/" + files[i] + ".next", dir_ + "/" + files[i]);
    }
    const auto identity = Identity::Load(dir_);
    ASSERT_TRUE(identity.ok()) << identity.status();
    EXPECT_EQ(identity->current().key_pem, second.key_pem) << renamed;
    EXPECT_EQ(identity->current().certificate_pem, second.certificate_pem) << renamed;
    EXPECT_FALSE(identity->next().has_value());
  }
}

TEST_F(IdentityTest, HalfWrittenNewCredentialIsForgotten) {
  const Credential first = Fresh();
  EnrolWith(first);
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/agent.key.next", Fresh().key_pem).ok());
  const auto identity = Identity::Load(dir_);
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->current().key_pem, first.key_pem);
  EXPECT_FALSE(identity->next().has_value());
  EXPECT_FALSE(fs::exists(dir_ + "/agent.key.next"));
}

// Another process may be about to write the rest.
TEST_F(IdentityTest, LookingAgainRepairsNothing) {
  const Credential first = Fresh(), second = Fresh();
  EnrolWith(first);
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/agent.key.next", second.key_pem).ok());
  const auto identity = Identity::Read(dir_);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->current().key_pem, first.key_pem);
  EXPECT_TRUE(fs::exists(dir_ + "/agent.key.next"));
  fs::rename(dir_ + "/agent.key.next", dir_ + "/agent.key");
  EXPECT_FALSE(Identity::Read(dir_).ok()) << "a key and the certificate of another";
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/agent.crt", second.certificate_pem).ok());
  EXPECT_EQ(Identity::Read(dir_)->current().key_pem, second.key_pem);
}

TEST_F(IdentityTest, DamagedCertificateNamesFileAndRemedy) {
  EnrolWith(Fresh());
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/agent.crt", "rubbish").ok());
  const auto identity = Identity::Load(dir_);
  EXPECT_TRUE(absl::IsFailedPrecondition(identity.status()));
  EXPECT_NE(identity.status().message().find("agent.crt"), absl::string_view::npos);
  EXPECT_NE(identity.status().message().find("enroll"), absl::string_view::npos);
}

TEST_F(IdentityTest, CertificateOfAnotherKeyIsRefused) {
  const Credential first = Fresh(), second = Fresh();
  EXPECT_TRUE(absl::IsInvalidArgument(
      MakeCredential(first.key_pem, second.certificate_pem, first.ca_pem).status()));
}

TEST_F(IdentityTest, MachineIdIsKept) {
  SeededRandom random(1);
  const auto proposed = ReadOrProposeMachineId(dir_, random);
  ASSERT_TRUE(proposed.ok());
  EXPECT_EQ(proposed->size(), 36u);
  EnrolWith(Fresh());
  EXPECT_EQ(*ReadOrProposeMachineId(dir_, random), "m-1");
}

}  // namespace
}  // namespace keymedic::agent
