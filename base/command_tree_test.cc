// SPDX-License-Identifier: Apache-2.0
#include "base/command_tree.h"

#include <gmock/gmock.h>

namespace keymedic {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CommandTreeTest : public ::testing::Test {
 protected:
  CommandTreeTest() {
    app_.add_option("-o,--output", text_, "table or json")->check(CLI::IsMember({"table", "json"}));
    app_.add_flag("--quiet", flag_, "it's quiet");
    app_.add_option("--secret", text_, "not for people")->group("");
    CLI::App* noun = app_.add_subcommand("noun", "Examples:\n  tool noun list\n\nThings.\nMany.");
    CLI::App* list = noun->add_subcommand("list", "all of them");
    list->fallthrough();
    noun->fallthrough();
    list->add_option("FILE", texts_, "where from")->required();
    list->add_option("--limit", number_, "how many");
    app_.add_subcommand("service", "for installers")->group("");
  }

  std::string text_;
  std::vector<std::string> texts_;
  int number_ = 0;
  bool flag_ = false;
  CLI::App app_{"Examples:\n  tool noun list .\\x\n\nA tool.\n\nFor 'all'.", "tool"};
};

TEST_F(CommandTreeTest, ReadsWhatHelpKnows) {
  const Command root = ReadCommands(app_);
  EXPECT_THAT(root.paragraphs, ElementsAre("A tool.", "For 'all'."));
  EXPECT_THAT(root.examples, ElementsAre("tool noun list .\\x"));
  ASSERT_EQ(root.commands.size(), 1u);
  EXPECT_EQ(root.commands[0].about(), "Things. Many.");
  ASSERT_EQ(root.options.size(), 3u) << "with --help";
  EXPECT_THAT(root.options[1].names, ElementsAre("-o", "--output"));
  EXPECT_THAT(root.options[1].choices, ElementsAre("table", "json"));
  EXPECT_EQ(root.options[2].value, "");
  const Command& list = root.commands[0].commands[0];
  EXPECT_EQ(list.path, "tool noun list");
  EXPECT_EQ(list.options[1].names[0], "FILE");
  EXPECT_TRUE(list.options[1].by_place && list.options[1].required && list.options[1].many);
  ASSERT_EQ(list.inherited.size(), 2u);
}

TEST_F(CommandTreeTest, HiddenIsHiddenEverywhere) {
  AddCommandDocs(app_, 1);
  const Command root = ReadCommands(app_);
  for (const std::string& text : {BashCompletion(root), ZshCompletion(root), FishCompletion(root),
                                  ManualPage(root, 1, "1.2")}) {
    EXPECT_THAT(
        text, AllOf(HasSubstr("list"), HasSubstr("limit"), HasSubstr("table"), HasSubstr("quiet")));
    EXPECT_THAT(text, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("service"))));
  }
}

TEST_F(CommandTreeTest, ThePageShowsTextAsItIs) {
  const std::string page = ManualPage(ReadCommands(app_), 1, "1.2");
  EXPECT_THAT(page, HasSubstr("\ntool \\- A tool\n"));
  EXPECT_THAT(page, HasSubstr("\ntool noun list .\\ex\n"));
  EXPECT_THAT(page, HasSubstr("For \\(aqall\\(aq."));
  EXPECT_THAT(page, HasSubstr("\\fB\\-o\\fR, \\fB\\-\\-output\\fR table|json\ntable or json\n"));
  EXPECT_THAT(page, HasSubstr(".SS \\fBtool noun list\\fR [\\fIOPTIONS\\fR] \\fIFILE\\fR...\n"));
}

TEST_F(CommandTreeTest, PrintsAndEndsParsing) {
  AddCommandDocs(app_, 8);
  testing::internal::CaptureStdout();
  EXPECT_THROW(app_.parse("manual"), CLI::Success);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr(".TH TOOL 8 "));
  EXPECT_THROW(app_.parse("completion cmd"), CLI::ValidationError);
}

}  // namespace
}  // namespace keymedic
