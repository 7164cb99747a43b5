// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/command_tree.h"

namespace keymedic {
namespace {

// One line of text as roff shows it: nothing in it is a request or an escape.
std::string Escaped(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;  // else it is a hyphen, which nobody can paste
      case '`':
        out += "\\(ga";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return absl::StartsWith(out, ".") ? "\\&" + out : out;
}

std::string Bold(absl::string_view text) { return absl::StrCat("\\fB", Escaped(text), "\\fR"); }
std::string Italic(absl::string_view text) { return absl::StrCat("\\fI", Escaped(text), "\\fR"); }

std::string Paragraphs(const Command& command) {
  std::string out;
  for (const std::string& paragraph : command.paragraphs) {
    absl::StrAppend(&out, ".PP\n", Escaped(paragraph), "\n");
  }
  return out;
}

std::string Examples(const Command& command) {
  if (command.examples.empty()) return "";
  std::string out = ".PP\n.nf\n.RS 4\n";
  for (const std::string& example : command.examples) absl::StrAppend(&out, Escaped(example), "\n");
  return absl::StrCat(out, ".RE\n.fi\n");
}

// "keymedic findings explain [OPTIONS] CODE"
std::string Usage(const Command& command) {
  std::string out = Bold(command.path);
  if (command.options.size() > 1 || !command.inherited.empty())
    out += " [" + Italic("OPTIONS") + "]";
  for (const CommandOption& option : command.options) {
    if (!option.by_place) continue;
    const std::string name = Italic(option.names[0]) + (option.many ? "..." : "");
    absl::StrAppend(&out, " ", option.required ? name : absl::StrCat("[", name, "]"));
  }
  if (!command.commands.empty()) absl::StrAppend(&out, " ", Italic("COMMAND"), " ...");
  return out;
}

std::string Options(const Command& command, bool root) {
  std::string out;
  for (const CommandOption& option : command.options) {
    if (!root && option.names.back() == "--help") continue;  // said once
    std::string line =
        option.by_place ? Italic(option.names[0])
                        : absl::StrJoin(option.names, ", ", [](std::string* to, const auto& name) {
                            *to += Bold(name);
                          });
    if (!option.by_place && !option.value.empty()) {
      absl::StrAppend(&line, " ",
                      option.choices.empty() ? Italic(option.value)
                                             : Escaped(absl::StrJoin(option.choices, "|")));
    }
    if (option.by_place && option.description.empty()) continue;  // the usage shows it
    absl::StrAppend(&out, ".TP\n", line, "\n",
                    option.description.empty() ? "\\&" : Escaped(option.description), "\n");
  }
  return out;
}

}  // namespace

std::string ManualPage(const Command& root, int section, const std::string& version) {
  std::string page = absl::StrCat(
      ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by `", root.path, " manual`.\n.TH ",
      absl::AsciiStrToUpper(root.path), " ", section, " \"\" \"KeyMedic ", version,
      "\" \"KeyMedic\"\n.nh\n.ad l\n.SH NAME\n", Escaped(root.path), " \\- ",
      Escaped(absl::StripSuffix(root.about(), ".")), "\n.SH SYNOPSIS\n", Usage(root),
      "\n.SH DESCRIPTION\n", Paragraphs(root), ".SH OPTIONS\n", Options(root, /*root=*/true));
  if (!root.commands.empty()) absl::StrAppend(&page, ".SH COMMANDS\n");
  for (const Command* command : Flatten(root)) {
    if (command == &root) continue;
    absl::StrAppend(&page, ".SS ", Usage(*command), "\n", Paragraphs(*command),
                    Options(*command, false), Examples(*command));
  }
  if (!root.examples.empty()) absl::StrAppend(&page, ".SH EXAMPLES\n", Examples(root));
  return page;
}

}  // namespace keymedic
