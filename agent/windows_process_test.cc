// SPDX-License-Identifier: Apache-2.0
#include "agent/windows_process.h"

#include <gtest/gtest.h>

namespace keymedic::agent {
namespace {

TEST(WindowsCommandLineTest, QuotesWhatWouldBeTakenApart) {
  EXPECT_EQ(WindowsCommandLine({"C:\\Program Files\\a.exe", "--x=y", ""}),
            R"("C:\Program Files\a.exe" --x=y "")");
  EXPECT_EQ(WindowsCommandLine({R"(a\b)", R"(a b\)", R"(a"b)", R"(a\"b)", R"(\\a b\\)"}),
            R"(a\b "a b\\" "a\"b" "a\\\"b" "\\a b\\\\")");
  EXPECT_EQ(WindowsCommandLine({"Schlüssel", "a\tb"}), "Schlüssel \"a\tb\"");
}

TEST(DescribeExitCodeTest, NamesTheCommonOnes) {
  EXPECT_EQ(DescribeExitCode(2), "exit code 2");
  EXPECT_EQ(DescribeExitCode(0xC0000005), "exit code 0xC0000005 (access violation)");
  EXPECT_EQ(DescribeExitCode(0xE04B4D01), "exit code 0xE04B4D01 (the CPU limit of one call)");
  EXPECT_EQ(DescribeExitCode(0x12345678), "exit code 0x12345678");
}

}  // namespace
}  // namespace keymedic::agent
