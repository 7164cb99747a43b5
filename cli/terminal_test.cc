// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <sstream>

namespace keymedic::cli {
namespace {

TEST(TextTable, AlignsByCharactersNotBytes) {
  TextTable table({"NAME", "SITE"});
  table.Add({"pc-1", "berlin"});
  table.Add({"café-22", "köln"}, Style::kRed);
  std::ostringstream plain, colored;
  table.Print(plain, false);
  EXPECT_EQ(plain.str(), "NAME     SITE\npc-1     berlin\ncafé-22  köln\n");
  table.Print(colored, true);
  EXPECT_NE(colored.str().find("\033[31mcafé-22\033[0m  köln"), std::string::npos) << colored.str();
}

TEST(Wrap, BreaksBetweenWords) {
  EXPECT_EQ(Wrap("one two three four", 2, 11), "  one two\n  three\n  four");
  EXPECT_EQ(Wrap("", 2, 10), "");
  EXPECT_EQ(Wrap("unbreakable-and-long", 0, 5), "unbreakable-and-long");
}

TEST(ProgressLine, RewritesOnATerminalAndPrintsLinesElsewhere) {
  std::ostringstream terminal, pipe;
  {
    ProgressLine a(terminal, true), b(pipe, false);
    for (ProgressLine* line : {&a, &b}) {
      line->Update("1 of 2");
      line->Update("1 of 2");
      line->Update("2 of 2");
    }
  }
  EXPECT_EQ(terminal.str(), "\r1 of 2\033[J\r2 of 2\033[J\n");
  EXPECT_EQ(pipe.str(), "1 of 2\n2 of 2\n");
}

TEST(ProgressLine, RewritesAllLinesOfABlock) {
  std::ostringstream terminal;
  ProgressLine block(terminal, true);
  block.Update("a\nb\nc");
  block.Update("d\ne");
  block.Update("f");
  EXPECT_EQ(terminal.str(),
            "\ra\033[K\nb\033[K\nc\033[J"
            "\033[2A\rd\033[K\ne\033[J"
            "\033[1A\rf\033[J");
}

TEST(Bar, IsNeverLongerThanItsWidth) {
  EXPECT_EQ(Bar(1, 2, 4), "[##..] 1/2");
  EXPECT_EQ(Bar(0, 0, 4), "[....] 0/0");
  EXPECT_EQ(Bar(5, 2, 4), "[####] 5/2");
}

}  // namespace
}  // namespace keymedic::cli
