// SPDX-License-Identifier: Apache-2.0
//
// The three scripts work in the same way: the words before the cursor say which command this is
// (`at`), and whether the last of them is an option whose value comes now (`previous`).
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/command_tree.h"

namespace keymedic {
namespace {

// For bash and zsh; fish has other rules.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}
std::string FishQuoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// "keymedic-agent" as part of a function's name.
std::string Identifier(const Command& root) {
  return "_" + absl::StrReplaceAll(root.path, {{"-", "_"}});
}

void ForEachOption(const Command& command, const std::function<void(const CommandOption&)>& use) {
  for (const auto* options : {&command.options, &command.inherited}) {
    for (const CommandOption& option : *options) {
      if (!option.by_place) use(option);
    }
  }
}

// What the scripts ask: is "COMMAND WORD" a command, an option with a value, and with which values?
struct Words {
  std::vector<std::string> commands, valued;
  std::map<std::string, std::vector<std::string>> by_choices;  // "table json"
};

Words Gather(const Command& root) {
  Words words;
  for (const Command* command : Flatten(root)) {
    if (command != &root) words.commands.push_back(command->path);
    ForEachOption(*command, [&](const CommandOption& option) {
      if (option.value.empty()) return;
      for (const std::string& name : option.names) {
        const std::string word = absl::StrCat(command->path, " ", name);
        words.valued.push_back(word);
        if (!option.choices.empty()) {
          words.by_choices[absl::StrJoin(option.choices, " ")].push_back(word);
        }
      }
    });
  }
  return words;
}

std::string Patterns(const std::vector<std::string>& words, absl::string_view between,
                     std::string (*quoted)(const std::string&) = Quoted) {
  return absl::StrJoin(words, between, [quoted](std::string* out, const std::string& word) {
    absl::StrAppend(out, quoted(word));
  });
}

// An arm of a `case` of bash or zsh. A pattern that nothing has is no syntax.
std::string Arm(const std::vector<std::string>& words, absl::string_view does) {
  return words.empty() ? "" : absl::StrCat("    (", Patterns(words, "|"), ") ", does, " ;;\n");
}

std::string MadeBy(const Command& root, absl::string_view shell) {
  return absl::StrCat("# SPDX-License-Identifier: Apache-2.0\n# Made by `", root.path,
                      " completion ", shell, "`.\n");
}

}  // namespace

std::string BashCompletion(const Command& root) {
  const Words words = Gather(root);
  std::string out = absl::StrCat(
      MadeBy(root, "bash"), Identifier(root), "() {\n  local at=", Quoted(root.path),
      " previous= word i commands= options= current=${COMP_WORDS[COMP_CWORD]}\n"
      "  # --output=json is three words.\n"
      "  [[ $current == = ]] && current=\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${COMP_WORDS[i]}\n"
      "    [[ $word == = ]] && continue\n"
      "    if [[ -n $previous ]]; then previous=; continue; fi\n"
      "    case \"$at $word\" in\n",
      Arm(words.commands, "at+=\" $word\""), Arm(words.valued, "previous=$word"),
      "    esac\n  done\n  if [[ -n $previous ]]; then\n    case \"$at $previous\" in\n");
  for (const auto& [choices, options] : words.by_choices) {
    absl::StrAppend(&out, Arm(options, absl::StrCat("commands=", Quoted(choices))));
  }
  out += "    esac\n  else\n    case $at in\n";
  for (const Command* command : Flatten(root)) {
    std::vector<std::string> names, options;
    for (const Command& below : command->commands) names.push_back(below.name());
    ForEachOption(*command, [&](const CommandOption& option) {
      options.insert(options.end(), option.names.begin(), option.names.end());
    });
    absl::StrAppend(
        &out, Arm({command->path}, absl::StrCat("commands=", Quoted(absl::StrJoin(names, " ")),
                                                " options=", Quoted(absl::StrJoin(options, " ")))));
  }
  return absl::StrCat(out,
                      "    esac\n  fi\n  [[ $current == -* ]] && commands=$options\n"
                      "  COMPREPLY=($(compgen -W \"$commands\" -- \"$current\"))\n}\n"
                      "# Where nothing is known to stand, a file may.\n"
                      "complete -o default -F ",
                      Identifier(root), " ", root.path, "\n");
}

std::string ZshCompletion(const Command& root) {
  const Words words = Gather(root);
  const auto described = [](absl::string_view word, const std::string& about) {
    return Quoted(absl::StrCat(word, ":", about));
  };
  std::string out = absl::StrCat(
      "#compdef ", root.path, "\n", MadeBy(root, "zsh"), "local at=", Quoted(root.path),
      " previous= word\nlocal -a commands options\n"
      "for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
      "  if [[ -n $previous ]]; then previous=; continue; fi\n"
      "  case \"$at $word\" in\n",
      Arm(words.commands, "at+=\" $word\""), Arm(words.valued, "previous=$word"),
      "  esac\ndone\nif [[ -n $previous ]]; then\n  case \"$at $previous\" in\n");
  for (const auto& [choices, options] : words.by_choices) {
    absl::StrAppend(&out, Arm(options, absl::StrCat("compadd -- ", choices)));
  }
  out += "    (*) _files ;;\n  esac\n  return\nfi\ncase $at in\n";
  for (const Command* command : Flatten(root)) {
    std::string names, options;
    for (const Command& below : command->commands) {
      absl::StrAppend(&names, " ", described(below.name(), below.about()));
    }
    ForEachOption(*command, [&](const CommandOption& option) {
      for (const std::string& name : option.names) {
        absl::StrAppend(&options, " ", described(name, option.description));
      }
    });
    absl::StrAppend(&out, Arm({command->path},
                              absl::StrCat("commands=(", names, " ) options=(", options, " )")));
  }
  return absl::StrCat(out,
                      "esac\nif [[ $PREFIX == -* ]]; then _describe -o option options\n"
                      "elif (( $#commands )); then _describe command commands\n"
                      "else _files\nfi\n");
}

std::string FishCompletion(const Command& root) {
  const Words words = Gather(root);
  const std::string function = absl::StrCat("_", Identifier(root), "_at");
  std::string out = absl::StrCat(MadeBy(root, "fish"), "function ", function, "\n    set -l at ",
                                 FishQuoted(root.path),
                                 "\n    set -l previous\n    for word in (commandline -opc)[2..]\n"
                                 "        if test -n \"$previous\"\n            set previous\n     "
                                 "       continue\n        end\n"
                                 "        switch \"$at $word\"\n");
  if (!words.commands.empty()) {
    absl::StrAppend(&out, "            case ", Patterns(words.commands, " ", FishQuoted),
                    "\n                set at \"$at $word\"\n");
  }
  if (!words.valued.empty()) {
    absl::StrAppend(&out, "            case ", Patterns(words.valued, " ", FishQuoted),
                    "\n                set previous $word\n");
  }
  absl::StrAppend(&out, "        end\n    end\n    test \"$at\" = \"$argv\"\nend\n");
  for (const Command* command : Flatten(root)) {
    const std::string here = absl::StrCat("complete -c ", root.path, " -n ",
                                          FishQuoted(absl::StrCat(function, " ", command->path)));
    for (const Command& below : command->commands) {
      absl::StrAppend(&out, here, " -f -a ", below.name(), " -d ", FishQuoted(below.about()), "\n");
    }
    ForEachOption(*command, [&](const CommandOption& option) {
      out += here;
      for (absl::string_view name : option.names) {
        const bool is_long = absl::ConsumePrefix(&name, "--");
        if (!is_long) absl::ConsumePrefix(&name, "-");
        absl::StrAppend(&out, is_long ? " -l " : " -s ", name);
      }
      if (!option.choices.empty()) {
        absl::StrAppend(&out, " -x -a ", FishQuoted(absl::StrJoin(option.choices, " ")));
      } else if (!option.value.empty()) {
        out += " -r";
      }
      absl::StrAppend(&out, " -d ", FishQuoted(option.description), "\n");
    });
  }
  return out;
}

}  // namespace keymedic
