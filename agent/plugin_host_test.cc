// SPDX-License-Identifier: Apache-2.0
//
// Loading, linked-in plugins, and the program's behaviour on bad frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "agent/builtin_plugins.h"
#include "agent/plugin_host/plugin_file.h"
#include "base/files.h"
#include "base/frames.h"
#include "base/hash.h"
#include "tests/fixtures/plugins/plugin_folder.h"

KEYMEDIC_DECLARE_BUILTIN_PLUGIN(echo)

namespace keymedic::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string LoadError(const std::string& path, const AllowList* allow = nullptr) {
  return LoadPluginFile(path, allow, v1::PluginConfig()).status().ToString();
}

void Write(const std::string& path, const std::string& content) {
  const absl::Status written = WriteFileAtomically(path, content);
  ASSERT_TRUE(written.ok()) << written;
}

TEST(PluginFile, WritableByOthersIsRefusedWithTheRemedy) {
  const PluginFolder folder({"echo"});
  EXPECT_EQ(LoadError(folder.File("echo")), "OK");
  LetEverybodyWrite(folder.File("echo"));
  EXPECT_THAT(LoadError(folder.File("echo")),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("may be written by"),
                    HasSubstr(RemedyForEverybody(folder.File("echo")))));
}

TEST(PluginFile, FolderWritableByOthersIsRefused) {
  const PluginFolder folder({"echo"});
  LetEverybodyWrite(folder.path());
  EXPECT_THAT(LoadError(folder.File("echo")),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr(RemedyForEverybody(folder.path()))));
}

#ifndef _WIN32  // where links need a privilege, and modes and owners are not numbers
TEST(PluginFile, WritableByItsGroupIsRefused) {
  const PluginFolder folder({"echo"});
  std::filesystem::permissions(folder.File("echo"), std::filesystem::perms(0775));
  EXPECT_THAT(LoadError(folder.File("echo")), HasSubstr("chmod go-w"));
}

TEST(PluginFile, LinkIsJudgedByWhereItLeads) {
  const PluginFolder folder({"echo"});
  const PluginFolder other({});
  std::filesystem::create_symlink(folder.File("echo"), other.File("link"));
  EXPECT_EQ(LoadError(other.File("link")), "OK");
  LetEverybodyWrite(folder.File("echo"));
  EXPECT_THAT(LoadError(other.File("link")), HasSubstr("chmod go-w " + folder.File("echo")));
}

TEST(PluginFile, StrangersFileIsRefused) {
  const PluginFolder folder({"echo"});
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(folder.File("echo").c_str(), 4711, 0), 0);
  EXPECT_THAT(LoadError(folder.File("echo")), AllOf(HasSubstr("user 4711"), HasSubstr("chown")));
}
#endif

TEST(PluginFile, WhatIsNoLibraryIsRefused) {
  const PluginFolder folder({});
  Write(folder.File("text"), "hello");
  EXPECT_THAT(LoadError(folder.File("text")),
              AllOf(HasSubstr(folder.File("text")), HasSubstr("cannot be loaded")));
  EXPECT_THAT(LoadError(folder.File("absent")),
              AllOf(HasSubstr("NOT_FOUND"), HasSubstr(folder.File("absent"))));
}

TEST(AllowListTest, OnlyListedHashesAreLoaded) {
  const PluginFolder folder({"echo", "echo_c"});
  const std::string path = (NativePath(folder.path()) / "plugins.allow").string();
  Write(path, "# ours\n" + Sha256Hex(*ReadFile(folder.File("echo"))) + "  echo" +
                  PluginFolder::Suffix() + "\n");
  const absl::StatusOr<AllowList> list = AllowList::Read(path);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(LoadError(folder.File("echo"), &*list), "OK");
  EXPECT_THAT(LoadError(folder.File("echo_c"), &*list),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("not in the allow list " + path),
                    HasSubstr(Sha256Hex(*ReadFile(folder.File("echo_c"))) + "  echo_c" +
                              PluginFolder::Suffix())));
}

TEST(AllowListTest, BadLinesAndLooseRightsAreNamed) {
  const PluginFolder folder({});
  const std::string path = (NativePath(folder.path()) / "plugins.allow").string();
  Write(path, "# fine\n1234  echo.so\n");
  EXPECT_THAT(AllowList::Read(path).status().ToString(), HasSubstr("plugins.allow line 2"));
  LetEverybodyWrite(path);
  EXPECT_THAT(AllowList::Read(path).status().ToString(), HasSubstr(RemedyForEverybody(path)));
}

TEST(BuiltinPluginsTest, AnswerThroughTheSameFacade) {
  v1::PluginConfig config;
  config.set_system("local");
  const auto runner = MakeBuiltinPlugins({builtin_plugins::echo()}, config);
  const absl::StatusOr<v1::ListResponse> list = runner->List();
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->plugins_size(), 1);
  EXPECT_EQ(list->plugins(0).description().name(), "echo");
  EXPECT_EQ(list->plugins(0).path(), "");
  const auto collected = runner->Collect("echo", {}, absl::Seconds(1));
  ASSERT_TRUE(collected.ok()) << collected.status();
  EXPECT_EQ(collected->sections(0).payload(), config.SerializeAsString());
  EXPECT_EQ(runner->Act("echo", {}, absl::Seconds(1)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(runner->Collect("other", {}, absl::Seconds(1)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(BuiltinPluginsTest, RefusesWhatAFileWouldBeRefusedFor) {
  BuiltinPlugin old = builtin_plugins::echo();
  old.name = "old";
  old.abi = [] { return uint32_t{0}; };
  const auto runner =
      MakeBuiltinPlugins({old, builtin_plugins::echo(), builtin_plugins::echo()}, {});
  const v1::ListResponse list = *runner->List();
  EXPECT_THAT(list.plugins(0).error(), AllOf(HasSubstr("old"), HasSubstr("ABI 0")));
  EXPECT_TRUE(list.plugins(1).has_description());
  EXPECT_THAT(list.plugins(2).error(), HasSubstr("already called \"echo\""));
}

TEST(PrintableTextTest, IsUtf8WithoutKeysAndBounded) {
  EXPECT_EQ(PrintableText("Grüße €𝄞\n"), "Grüße €𝄞\n");
  EXPECT_EQ(PrintableText("a\xff\xc3(\xed\xa0\x80z\x1b[0m"), "a?\?(???z?[0m");
  EXPECT_LE(PrintableText(std::string(100000, 'x')).size(), 4096);
  EXPECT_THAT(PrintableText("ABCDE-FGHIJ-KLMNP-QRSTV-WXYZ2"), Not(HasSubstr("ABCDE")));
}

// Runs the program over a file of frames.
struct Conversation {
  int exit_code = -1;
  std::vector<v1::HostResponse> responses;
  std::string errors;
};

Conversation Feed(const std::string& input) {
  const PluginFolder folder({"echo"});
  const std::string base = folder.path();
  Write(base + "/in", input);
  const auto native = [](const std::string& path) {
    return std::filesystem::path(path).make_preferred().string();
  };
  const std::string command = native(PLUGIN_HOST) + " --plugin-dir " + base + " < " +
                              native(base + "/in") + " > " + native(base + "/out") + " 2> " +
                              native(base + "/err");
  Conversation conversation;
  conversation.exit_code = std::system(command.c_str());
#ifndef _WIN32
  const int status = conversation.exit_code;
  conversation.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
#endif
  conversation.errors = *ReadFile(base + "/err");
  FrameDecoder decoder;
  decoder.Append(*ReadFile(base + "/out"));
  for (std::string frame; *decoder.Next(frame);) {
    EXPECT_TRUE(conversation.responses.emplace_back().ParseFromString(frame));
  }
  EXPECT_TRUE(decoder.Finish().ok());
  return conversation;
}

std::string Frame(const v1::HostRequest& request) { return *EncodeFrame(request); }

v1::HostRequest ListRequest(uint64_t id) {
  v1::HostRequest request;
  request.set_id(id);
  request.mutable_list();
  return request;
}

TEST(PluginHostProgram, AnswersInOrderAndEndsWithItsInput) {
  v1::HostRequest collect;
  collect.set_id(8);
  collect.set_plugin("echo");
  collect.mutable_collect();
  const Conversation talk = Feed(Frame(ListRequest(7)) + Frame(collect));
  EXPECT_EQ(talk.exit_code, 0);
  ASSERT_EQ(talk.responses.size(), 3);
  EXPECT_EQ(talk.responses[0].id(), 0);
  EXPECT_THAT(talk.responses[0].message(), HasSubstr("echo" + PluginFolder::Suffix()));
  EXPECT_EQ(talk.responses[1].id(), 7);
  EXPECT_EQ(talk.responses[1].list().plugins(0).description().name(), "echo");
  EXPECT_EQ(talk.responses[2].id(), 8);
  EXPECT_EQ(talk.responses[2].collect().sections(0).name(), "echo");
}

TEST(PluginHostProgram, UnknownCallIsAnsweredAndTheNextOneServed) {
  v1::HostRequest unknown;
  unknown.set_id(1);
  unknown.set_plugin("echo");
  unknown.GetReflection()->MutableUnknownFields(&unknown)->AddVarint(999, 1);
  const Conversation talk = Feed(Frame(unknown) + Frame(ListRequest(2)));
  EXPECT_EQ(talk.exit_code, 0);
  ASSERT_EQ(talk.responses.size(), 3);
  EXPECT_EQ(talk.responses[1].id(), 1);
  EXPECT_EQ(talk.responses[1].status(), 12);
  EXPECT_THAT(talk.responses[1].message(), HasSubstr("must be of one version"));
  EXPECT_TRUE(talk.responses[2].has_list());
}

// Each ends the host, after it said why.
TEST(PluginHostProgram, StreamThatCannotBeFollowedEndsItWithAReason) {
  const std::string whole = Frame(ListRequest(1));
  const struct {
    const char* name;
    std::string input;
    const char* reason;
  } cases[] = {
      {"oversized", std::string("\xff\xff\xff\xff", 4), "4294967295"},
      {"truncated", whole.substr(0, whole.size() - 1), "frame"},
      {"half a length", "\x01", "frame"},
      {"no message", std::string("\x03\x00\x00\x00\xff\xff\xff", 7), "HostRequest"},
  };
  for (const auto& [name, input, reason] : cases) {
    const Conversation talk = Feed(whole + input);
    EXPECT_EQ(talk.exit_code, 1) << name;
    ASSERT_EQ(talk.responses.size(), 3) << name;
    EXPECT_TRUE(talk.responses[1].has_list()) << name;
    EXPECT_EQ(talk.responses[2].id(), 0) << name;
    EXPECT_NE(talk.responses[2].status(), 0) << name;
    EXPECT_THAT(talk.responses[2].message(), HasSubstr(reason)) << name;
    EXPECT_THAT(talk.errors, HasSubstr(reason)) << name;
  }
}

}  // namespace
}  // namespace keymedic::agent
