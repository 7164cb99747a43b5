// SPDX-License-Identifier: Apache-2.0
#include "base/command_tree.h"

#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace keymedic {
namespace {

// "TEXT:{table,json}", as a list of values is shown.
std::vector<std::string> Choices(const std::string& type) {
  const size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

// CLI descriptions are paragraphs, and examples, which are indented.
void ReadDescription(const std::string& description, Command& command) {
  bool begins = true;
  for (absl::string_view line : absl::StrSplit(description, '\n')) {
    if (absl::ConsumePrefix(&line, "  ")) {
      command.examples.emplace_back(line);
      begins = true;
    } else if (line.empty() || line == "Examples:") {
      begins = true;
    } else if (std::exchange(begins, false)) {
      command.paragraphs.emplace_back(line);
    } else {
      absl::StrAppend(&command.paragraphs.back(), " ", line);
    }
  }
}

CommandOption ReadOption(const CLI::Option& option) {
  CommandOption read;
  for (const std::string& name : option.get_snames()) read.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) read.names.push_back("--" + name);
  read.by_place = read.names.empty();
  if (read.by_place) read.names.push_back(option.get_name(/*positional=*/true));
  read.description = std::string(absl::StripAsciiWhitespace(option.get_description()));
  const std::string type = option.get_type_name();
  read.choices = Choices(type);
  if (option.get_items_expected_max() > 0) {
    const size_t end = type.find_first_of(":{ ");
    read.value = type.empty() || end == 0 ? "VALUE" : type.substr(0, end);
  }
  read.required = option.get_required();
  read.many = option.get_items_expected_max() > 1;
  return read;
}

Command Read(const CLI::App& app, const std::string& path, std::vector<CommandOption> inherited) {
  Command command;
  command.path = path;
  ReadDescription(app.get_description(), command);
  command.inherited = std::move(inherited);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) command.options.push_back(ReadOption(*option));
  }
  for (const CLI::App* below : app.get_subcommands(nullptr)) {
    if (below->get_group().empty()) continue;
    std::vector<CommandOption> for_below;
    if (below->get_fallthrough()) {
      for (const auto* options : {&command.options, &command.inherited}) {
        for (const CommandOption& option : *options) {
          // Each command has a --help of its own; there is one version.
          if (option.by_place || option.names.back() == "--help" ||
              option.names.back() == "--version") {
            continue;
          }
          for_below.push_back(option);
        }
      }
    }
    command.commands.push_back(
        Read(*below, absl::StrCat(path, " ", below->get_name()), std::move(for_below)));
  }
  return command;
}

void Collect(const Command& command, std::vector<const Command*>& all) {
  all.push_back(&command);
  for (const Command& below : command.commands) Collect(below, all);
}

}  // namespace

Command ReadCommands(const CLI::App& app) { return Read(app, app.get_name(), {}); }

std::vector<const Command*> Flatten(const Command& root) {
  std::vector<const Command*> all;
  Collect(root, all);
  return all;
}

void AddCommandDocs(CLI::App& app, int section) {
  CLI::App* completion =
      app.add_subcommand("completion", "what a shell needs to complete")->group("");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("SHELL", *shell)
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, shell] {
    const Command root = ReadCommands(app);
    std::cout << (*shell == "bash"  ? BashCompletion(root)
                  : *shell == "zsh" ? ZshCompletion(root)
                                    : FishCompletion(root));
    throw CLI::Success();
  });
  CLI::App* manual = app.add_subcommand("manual", "the page for man(1)")->group("");
  manual->callback([&app, section] {
    std::cout << ManualPage(ReadCommands(app), section, KEYMEDIC_VERSION);
    throw CLI::Success();
  });
}

}  // namespace keymedic
