// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/temp_dir_testing.h"

namespace keymedic {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() : dir_(MakeTempDir("files_test")) {}
  ~FilesTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(FilesTest, WritesWholeFilesWithTheMode) {
  const std::string path = dir_ + "/key";
  ASSERT_TRUE(WriteFileAtomically(path, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(path, std::string("two\0three", 9), 0640).ok());
  EXPECT_EQ(*ReadFile(path), std::string("two\0three", 9));
#ifndef _WIN32
  EXPECT_EQ(static_cast<int>(std::filesystem::status(path).permissions()), 0640);
#endif
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir_)) ++files;
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST_F(FilesTest, ErrorsNameThePath) {
  auto missing = ReadFile(dir_ + "/none");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find(dir_ + "/none"), absl::string_view::npos);
  EXPECT_FALSE(ReadFile(dir_).ok()) << "a directory is not a file";
  EXPECT_FALSE(WriteFileAtomically(dir_ + "/no/such/dir/x", "y").ok());
}

TEST_F(FilesTest, OneAloneMakesANewFile) {
  EXPECT_EQ(CreateNewFile(dir_ + "/new"), absl::OkStatus());
  EXPECT_TRUE(absl::IsAlreadyExists(CreateNewFile(dir_ + "/new")));
  EXPECT_TRUE(absl::IsNotFound(CreateNewFile(dir_ + "/no/such/dir/new")));
  EXPECT_EQ(*ReadFile(dir_ + "/new"), "");
}

TEST_F(FilesTest, StopsAtTheLimit) {
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/f", std::string(1000, 'x')).ok());
  EXPECT_TRUE(ReadFile(dir_ + "/f", 1000).ok());
  EXPECT_EQ(ReadFile(dir_ + "/f", 999).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FilesTest, MakeDirectoriesMakesParentsAndAcceptsWhatIsThere) {
  EXPECT_TRUE(MakeDirectories(dir_ + "/a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(dir_ + "/a/b/c").ok());
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/file", "").ok());
  EXPECT_FALSE(MakeDirectories(dir_ + "/file").ok());
}

TEST_F(FilesTest, PathsMayBeLongAndInAnyScript) {
  std::string folder = dir_ + "/Schlüssel ключ 鍵";
  while (folder.size() < 400) folder += "/a-folder-with-a-name-that-is-not-short";
  ASSERT_EQ(MakeDirectories(folder), absl::OkStatus());
  const std::string path = folder + "/file";
  ASSERT_EQ(WriteFileAtomically(path, "text"), absl::OkStatus());
  ASSERT_EQ(WriteFileAtomically(path, "new text"), absl::OkStatus());
  EXPECT_EQ(*ReadFile(path), "new text");
  EXPECT_TRUE(std::filesystem::exists(NativePath(path)));
  for (auto each = NativePath(path); each.native().size() > NativePath(dir_).native().size() + 8;
       each = each.parent_path()) {
    EXPECT_TRUE(std::filesystem::remove(each)) << each;
  }
}

}  // namespace
}  // namespace keymedic
