// SPDX-License-Identifier: Apache-2.0
#include "controller/selector.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace keymedic::controller {

enum class Field { kFinding, kMachine, kRole, kSeverity, kConnected, kLabel };

struct Selector::Node {
  enum class Kind { kAll, kTerm, kNot, kAnd, kOr } kind = Kind::kAll;
  Field field = Field::kLabel;
  std::string label;
  std::string value;
  bool unequal = false;
  size_t column = 1;
  std::shared_ptr<const Node> left, right;
};

namespace {

using Node = Selector::Node;
using NodePtr = std::shared_ptr<const Node>;

constexpr std::array<absl::string_view, 5> kFields = {"finding", "machine", "role", "severity",
                                                      "connected"};
constexpr std::array<absl::string_view, 2> kRoles = {"kms_client", "kms_host"};
constexpr std::array<absl::string_view, 4> kSeverities = {"info", "notice", "warning", "critical"};
constexpr int kMaxDepth = 100;
constexpr size_t kMaxLength = 4096;

// Optimal string alignment distance: a swap of neighbours counts once. Case is ignored.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  const auto same = [&](size_t i, size_t j) {
    return absl::ascii_tolower(a[i]) == absl::ascii_tolower(b[j]);
  };
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !same(i - 1, j - 1)});
      if (i > 1 && j > 1 && same(i - 1, j - 2) && same(i - 2, j - 1)) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

// The word of `known` that `word` probably stands for, or "".
absl::string_view Suggest(absl::string_view word, std::span<const absl::string_view> known) {
  absl::string_view best;
  size_t best_distance = word.size() > 4 ? 3 : 2;  // one slip in a short word, two in a long one
  for (absl::string_view candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

bool IsWordCharacter(char c) { return !absl::ascii_isspace(c) && !strchr("()=!\"'", c); }

struct Token {
  enum class Kind { kEnd, kWord, kQuoted, kEqual, kUnequal, kOpen, kClose } kind = Kind::kEnd;
  std::string text;
  size_t column = 1;
};

absl::Status ErrorAt(size_t column, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("selector, column ", column, ": ", what));
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view text) {
  std::vector<Token> tokens;
  size_t i = 0;
  auto simple = [&](Token::Kind kind, size_t length) {
    tokens.push_back({kind, std::string(text.substr(i, length)), i + 1});
    i += length;
  };
  while (i < text.size()) {
    const char c = text[i];
    if (absl::ascii_isspace(c)) {
      ++i;
    } else if (c == '(') {
      simple(Token::Kind::kOpen, 1);
    } else if (c == ')') {
      simple(Token::Kind::kClose, 1);
    } else if (c == '=') {
      simple(Token::Kind::kEqual, text.substr(i, 2) == "==" ? 2 : 1);
    } else if (text.substr(i, 2) == "!=") {
      simple(Token::Kind::kUnequal, 2);
    } else if (c == '"' || c == '\'') {
      const size_t end = text.find(c, i + 1);
      if (end == absl::string_view::npos)
        return ErrorAt(i + 1, "this quotation mark is never closed");
      tokens.push_back({Token::Kind::kQuoted, std::string(text.substr(i + 1, end - i - 1)), i + 1});
      i = end + 1;
    } else if (IsWordCharacter(c)) {
      size_t end = i;
      while (end < text.size() && IsWordCharacter(text[end])) ++end;
      simple(Token::Kind::kWord, end - i);
    } else {
      return ErrorAt(i + 1,
                     absl::StrCat("'", text.substr(i, 1), "' means nothing here; write = or !="));
    }
  }
  tokens.push_back({Token::Kind::kEnd, "", text.size() + 1});
  return tokens;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<NodePtr> Parse() {
    KM_ASSIGN_OR_RETURN(NodePtr node, Or(0));
    if (Peek().kind == Token::Kind::kEnd) return node;
    if (Peek().kind == Token::Kind::kClose) return ErrorAt(Peek().column, "')' closes nothing");
    return ErrorAt(
        Peek().column,
        absl::StrCat("'", Peek().text, "' follows a complete term; join terms with and, or"));
  }

 private:
  const Token& Peek() const { return tokens_[next_]; }
  const Token& Take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
  bool TakeWord(absl::string_view word) {
    if (Peek().kind != Token::Kind::kWord || !absl::EqualsIgnoreCase(Peek().text, word))
      return false;
    Take();
    return true;
  }

  absl::StatusOr<NodePtr> Or(int depth) {
    KM_ASSIGN_OR_RETURN(NodePtr left, And(depth));
    while (TakeWord("or")) {
      KM_ASSIGN_OR_RETURN(NodePtr right, And(depth));
      left = std::make_shared<Node>(Node{.kind = Node::Kind::kOr, .left = left, .right = right});
    }
    return left;
  }

  absl::StatusOr<NodePtr> And(int depth) {
    KM_ASSIGN_OR_RETURN(NodePtr left, Factor(depth));
    while (TakeWord("and")) {
      KM_ASSIGN_OR_RETURN(NodePtr right, Factor(depth));
      left = std::make_shared<Node>(Node{.kind = Node::Kind::kAnd, .left = left, .right = right});
    }
    return left;
  }

  absl::StatusOr<NodePtr> Factor(int depth) {
    if (depth > kMaxDepth) return ErrorAt(Peek().column, "nested too deeply");
    if (TakeWord("not")) {
      KM_ASSIGN_OR_RETURN(NodePtr inner, Factor(depth + 1));
      return std::make_shared<Node>(Node{.kind = Node::Kind::kNot, .left = inner});
    }
    if (Peek().kind == Token::Kind::kOpen) {
      const size_t column = Take().column;
      KM_ASSIGN_OR_RETURN(NodePtr inner, Or(depth + 1));
      if (Take().kind != Token::Kind::kClose) return ErrorAt(column, "this '(' is never closed");
      return inner;
    }
    return Term();
  }

  absl::StatusOr<NodePtr> Term() {
    const Token name = Take();
    if (name.kind == Token::Kind::kEnd) {
      return ErrorAt(name.column,
                     "ends where a term such as finding=CODE or site=berlin should stand");
    }
    if (name.kind != Token::Kind::kWord) {
      return ErrorAt(name.column, absl::StrCat("'", name.text, "' stands where a field should"));
    }
    const Token::Kind op = Peek().kind;
    if (op != Token::Kind::kEqual && op != Token::Kind::kUnequal) {
      if (absl::EqualsIgnoreCase(name.text, "all")) return std::make_shared<Node>();
      return ErrorAt(name.column,
                     absl::StrCat("'", name.text, "' needs = or != and a value behind it"));
    }
    Take();
    const Token value = Take();
    if (value.kind != Token::Kind::kWord && value.kind != Token::Kind::kQuoted) {
      return ErrorAt(value.column, absl::StrCat("a value for '", name.text, "' is missing"));
    }
    return MakeTerm(name, op == Token::Kind::kUnequal, value);
  }

  static absl::StatusOr<NodePtr> MakeTerm(const Token& name, bool unequal, const Token& value) {
    Node node{
        .kind = Node::Kind::kTerm, .value = value.text, .unequal = unequal, .column = name.column};
    const std::string field = absl::AsciiStrToLower(name.text);
    const auto known = std::find(kFields.begin(), kFields.end(), field);
    if (known != kFields.end()) {
      node.field = static_cast<Field>(known - kFields.begin());
      KM_RETURN_IF_ERROR(CheckValue(node, value));
    } else if (absl::StartsWith(field, "label.")) {
      node.label = name.text.substr(6);
      if (node.label.empty())
        return ErrorAt(name.column, "'label.' needs a label's name behind it");
    } else if (absl::string_view meant = Suggest(field, kFields); !meant.empty()) {
      return ErrorAt(name.column,
                     absl::StrCat("unknown field '", name.text, "'; did you mean '", meant,
                                  "'? For a label of that name write label.", name.text));
    } else {
      node.label = name.text;
    }
    return std::make_shared<Node>(std::move(node));
  }

  static absl::Status CheckValue(const Node& node, const Token& value) {
    static constexpr std::array<absl::string_view, 2> kBooleans = {"true", "false"};
    std::span<const absl::string_view> allowed;
    if (node.field == Field::kRole) allowed = kRoles;
    if (node.field == Field::kSeverity) allowed = kSeverities;
    if (node.field == Field::kConnected) allowed = kBooleans;
    if (node.value.empty()) return ErrorAt(value.column, "an empty value selects nothing");
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(),
                                     absl::AsciiStrToLower(node.value)) != allowed.end()) {
      return absl::OkStatus();
    }
    return ErrorAt(value.column,
                   absl::StrCat("'", node.value, "' is none of ", absl::StrJoin(allowed, ", ")));
  }

  std::vector<Token> tokens_;
  size_t next_ = 0;
};

// `*` stands for any run of characters; case is ignored.
bool MatchesWildcard(absl::string_view pattern, absl::string_view text) {
  size_t p = 0, t = 0, star = absl::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() &&
               absl::ascii_tolower(pattern[p]) == absl::ascii_tolower(text[t])) {
      ++p, ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool HasSeverity(const v1::Finding& finding, absl::string_view name) {
  const int severity = finding.severity();
  return severity >= 1 && severity <= static_cast<int>(kSeverities.size()) &&
         absl::EqualsIgnoreCase(kSeverities[severity - 1], name);
}

bool HasCode(const v1::Finding& finding, absl::string_view code) {
  return absl::EqualsIgnoreCase(finding.code(), code) ||
         absl::EqualsIgnoreCase(finding.cause_code(), code);
}

bool TermHolds(const Node& node, const FleetPort::MachineInfo& machine,
               const std::vector<v1::Finding>& findings) {
  auto any_finding = [&](auto has) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const v1::Finding& f) { return has(f, node.value); });
  };
  switch (node.field) {
    case Field::kFinding:
      return any_finding(HasCode);
    case Field::kSeverity:
      return any_finding(HasSeverity);
    case Field::kMachine:
      return MatchesWildcard(node.value, machine.display_name) ||
             MatchesWildcard(node.value, machine.id);
    case Field::kRole:
      return std::any_of(machine.roles.begin(), machine.roles.end(), [&](const std::string& role) {
        return absl::EqualsIgnoreCase(role, node.value);
      });
    case Field::kConnected:
      return machine.connected == absl::EqualsIgnoreCase(node.value, "true");
    case Field::kLabel: {
      const auto label = machine.labels.find(node.label);
      return label != machine.labels.end() && MatchesWildcard(node.value, label->second);
    }
  }
  return false;
}

bool Holds(const Node& node, const FleetPort::MachineInfo& machine,
           const std::vector<v1::Finding>& findings) {
  switch (node.kind) {
    case Node::Kind::kAll:
      return true;
    case Node::Kind::kTerm:
      return TermHolds(node, machine, findings) != node.unequal;
    case Node::Kind::kNot:
      return !Holds(*node.left, machine, findings);
    case Node::Kind::kAnd:
      return Holds(*node.left, machine, findings) && Holds(*node.right, machine, findings);
    case Node::Kind::kOr:
      return Holds(*node.left, machine, findings) || Holds(*node.right, machine, findings);
  }
  return false;
}

absl::Status CheckLabelsOf(const Node& node, const std::set<std::string>& known) {
  for (const NodePtr& part : {node.left, node.right}) {
    if (part) KM_RETURN_IF_ERROR(CheckLabelsOf(*part, known));
  }
  const bool speaks_of_label = node.kind == Node::Kind::kTerm && node.field == Field::kLabel;
  if (!speaks_of_label || known.contains(node.label)) return absl::OkStatus();
  const std::vector<absl::string_view> words(known.begin(), known.end());
  const absl::string_view meant = Suggest(node.label, words);
  return ErrorAt(node.column,
                 absl::StrCat("no machine carries a label '", node.label, "'; ",
                              meant.empty() ? "see the labels in keymedic machines list"
                                            : absl::StrCat("did you mean '", meant, "'?")));
}

bool NamesFinding(const Node& node, const v1::Finding& finding, bool negated) {
  if (node.kind == Node::Kind::kNot) return NamesFinding(*node.left, finding, !negated);
  if (node.left) {
    return NamesFinding(*node.left, finding, negated) ||
           NamesFinding(*node.right, finding, negated);
  }
  if (node.kind != Node::Kind::kTerm || negated != node.unequal) return false;
  return (node.field == Field::kFinding && HasCode(finding, node.value)) ||
         (node.field == Field::kSeverity && HasSeverity(finding, node.value));
}

}  // namespace

absl::StatusOr<Selector> Selector::Parse(absl::string_view text) {
  if (absl::StripAsciiWhitespace(text).empty()) {
    return absl::InvalidArgumentError(
        "the selector is empty, which never means everything; write 'all' for every machine, or a "
        "term such as finding=CODE or site=berlin");
  }
  if (text.size() > kMaxLength) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the selector has ", text.size(), " characters; at most ", kMaxLength, " are read"));
  }
  KM_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  KM_ASSIGN_OR_RETURN(NodePtr root, Parser(std::move(tokens)).Parse());
  return Selector(std::move(root));
}

bool Selector::Matches(const FleetPort::MachineInfo& machine,
                       const std::vector<v1::Finding>& findings_of_machine) const {
  return Holds(*root_, machine, findings_of_machine);
}

bool Selector::Names(const v1::Finding& finding) const {
  return NamesFinding(*root_, finding, false);
}

absl::Status Selector::CheckLabels(const std::set<std::string>& known) const {
  return CheckLabelsOf(*root_, known);
}

}  // namespace keymedic::controller
