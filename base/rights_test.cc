// SPDX-License-Identifier: Apache-2.0
#include "base/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/rights_testing.h"
#include "base/temp_dir_testing.h"

namespace keymedic {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RightsTest : public ::testing::Test {
 protected:
  RightsTest() : dir_(MakeTempDir("rights_test")), file_(dir_ + "/file") {
    EXPECT_TRUE(WriteFileAtomically(file_, "text").ok());
  }
  ~RightsTest() override { std::filesystem::remove_all(dir_); }

  const std::string dir_;
  const std::string file_;
};

TEST_F(RightsTest, WhatIsMadePrivatelyPasses) {
  EXPECT_EQ(CheckWritableByTrustedOnly(file_, false), absl::OkStatus());
  EXPECT_EQ(CheckWritableByTrustedOnly(dir_, true), absl::OkStatus());
  LetOwnerWrite(file_);
  EXPECT_EQ(CheckWritableByTrustedOnly(file_, false), absl::OkStatus()) << "others may read";
}

TEST_F(RightsTest, WhatEverybodyMayWriteIsRefusedWithTheRemedy) {
  for (const std::string& path : {file_, dir_}) {
    LetEverybodyWrite(path);
    const absl::Status status = CheckWritableByTrustedOnly(path, path == dir_);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(status.ToString(), AllOf(HasSubstr(path + ": may be written by"),
                                         HasSubstr(RemedyForEverybody(path))));
  }
}

TEST_F(RightsTest, ASecretThatOthersMayReadIsRefusedWithTheRemedy) {
  EXPECT_EQ(CheckReadableByTrustedOnly(file_), absl::OkStatus());
  LetOwnerWrite(file_);
  const absl::Status status = CheckReadableByTrustedOnly(file_);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("may be read by"), HasSubstr("; run: ")));
}

TEST_F(RightsTest, WhatIsNotThereOrOfAnotherKindIsNamed) {
  EXPECT_TRUE(absl::IsNotFound(CheckWritableByTrustedOnly(dir_ + "/none", false)));
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckWritableByTrustedOnly(dir_, false)));
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckWritableByTrustedOnly(file_, true)));
}

TEST_F(RightsTest, AFolderIsClosedToOthers) {
  LetEverybodyWrite(dir_);
  ASSERT_EQ(ProtectDirectory(dir_), absl::OkStatus());
  EXPECT_EQ(CheckWritableByTrustedOnly(dir_, true), absl::OkStatus());
  EXPECT_EQ(ProtectDirectory(dir_), absl::OkStatus());
  EXPECT_EQ(*ReadFile(file_), "text");
}

TEST_F(RightsTest, AFolderIsMadeIfNeedBe) {
  ASSERT_EQ(ProtectDirectory(dir_ + "/a/b"), absl::OkStatus());
  EXPECT_EQ(CheckWritableByTrustedOnly(dir_ + "/a/b", true), absl::OkStatus());
  EXPECT_FALSE(ProtectDirectory(file_).ok());
}

}  // namespace
}  // namespace keymedic
