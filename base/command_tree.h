// SPDX-License-Identifier: Apache-2.0
//
// The commands of a program as its `--help` knows them, for whoever makes something else of that:
// completions for shells, a manual. Nothing is said twice: a flag without a description there has
// none here.
//
//   AddCommandDocs(app, 1);   // `PROGRAM completion bash|zsh|fish` and `PROGRAM manual`, hidden
//
// Parsing ends with CLI::Success once one of them has printed. Pure, but for that. Any thread.
#ifndef KEYMEDIC_BASE_COMMAND_TREE_H_
#define KEYMEDIC_BASE_COMMAND_TREE_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace keymedic {

struct CommandOption {
  std::vector<std::string> names;  // "-o", "--output"; for what is told by its place, "FILE"
  std::string description;
  std::string value;                 // what it is followed by, as people call it; empty: a flag
  std::vector<std::string> choices;  // all values that there are; empty: any
  bool by_place = false;
  bool required = false;
  bool many = false;
};

struct Command {
  std::string path;  // "keymedic findings list"
  // What it does; by the way, in lines to be shown as they are, how it is called.
  std::vector<std::string> paragraphs, examples;
  std::vector<CommandOption> options;    // without those of the commands above
  std::vector<CommandOption> inherited;  // of these, what may stand behind this command too
  std::vector<Command> commands;         // what is hidden is not among them

  std::string name() const { return path.substr(path.rfind(' ') + 1); }
  std::string about() const { return paragraphs.empty() ? "" : paragraphs.front(); }
};

Command ReadCommands(const CLI::App& app);
// That command and all below it, each before what is below it.
std::vector<const Command*> Flatten(const Command& root);

std::string BashCompletion(const Command& root);
std::string ZshCompletion(const Command& root);
std::string FishCompletion(const Command& root);
// A page for man(1): roff with the macros of man(7).
std::string ManualPage(const Command& root, int section, const std::string& version);

void AddCommandDocs(CLI::App& app, int section);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_COMMAND_TREE_H_
