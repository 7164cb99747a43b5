// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/wql.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace keymedic::doubles {
namespace {

struct Token {
  enum Kind { kWord, kText, kSign, kEnd } kind = kEnd;
  std::string text;
};

class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) { Advance(); }

  const Token& now() const { return now_; }
  bool failed() const { return failed_; }
  Token Take() {
    Token taken = now_;
    Advance();
    return taken;
  }
  bool TakeWord(absl::string_view word) {
    if (now_.kind != Token::kWord || !absl::EqualsIgnoreCase(now_.text, word)) return false;
    Advance();
    return true;
  }
  bool TakeSign(absl::string_view sign) {
    if (now_.kind != Token::kSign || absl::string_view(now_.text) != sign) return false;
    Advance();
    return true;
  }

 private:
  void Advance() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    now_ = {};
    if (rest_.empty()) return;
    const char c = rest_[0];
    size_t size = 1;
    if (c == '\'' || c == '"') return AdvanceText(c);
    if (absl::ascii_isalnum(c) || c == '_' || c == '-') {
      while (size < rest_.size() && (absl::ascii_isalnum(rest_[size]) || rest_[size] == '_'))
        ++size;
      now_.kind = Token::kWord;
    } else {
      if (absl::StartsWith(rest_, "<>") || absl::StartsWith(rest_, "!=")) size = 2;
      now_.kind = Token::kSign;
    }
    now_.text = std::string(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }

  void AdvanceText(char quote) {
    now_.kind = Token::kText;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) return rest_.remove_prefix(i + 1);
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      now_.text += rest_[i];
    }
    failed_ = true;
    rest_ = {};
  }

  absl::string_view rest_;
  Token now_;
  bool failed_ = false;
};

bool TakeLiteral(Reader& reader, Value& literal) {
  const Token token = reader.Take();
  int64_t number = 0;
  if (token.kind == Token::kText) {
    literal = token.text;
  } else if (token.kind != Token::kWord) {
    return false;
  } else if (absl::EqualsIgnoreCase(token.text, "null")) {
    literal = std::monostate();
  } else if (absl::EqualsIgnoreCase(token.text, "true")) {
    literal = true;
  } else if (absl::EqualsIgnoreCase(token.text, "false")) {
    literal = false;
  } else if (absl::SimpleAtoi(token.text, &number)) {
    literal = number;
  } else {
    return false;
  }
  return true;
}

bool TakeCondition(Reader& reader, Query::Condition& condition) {
  const Token column = reader.Take();
  if (column.kind != Token::kWord) return false;
  condition.column = column.text;
  if (reader.TakeWord("IS")) {
    condition.equal = !reader.TakeWord("NOT");
    return reader.TakeWord("NULL");
  }
  condition.equal = reader.TakeSign("=");
  if (!condition.equal && !reader.TakeSign("<>") && !reader.TakeSign("!=")) return false;
  return TakeLiteral(reader, condition.literal);
}

bool Equal(const Value& value, const Value& literal) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* other = std::get_if<std::string>(&literal);
  if (text != nullptr && other != nullptr) return absl::EqualsIgnoreCase(*text, *other);
  if (const auto* flag = std::get_if<bool>(&value)) {
    if (const auto* number = std::get_if<int64_t>(&literal)) return *flag == (*number != 0);
  }
  return value == literal;
}

}  // namespace

bool ParseQuery(absl::string_view text, Query& query) {
  Reader reader(text);
  if (!reader.TakeWord("SELECT")) return false;
  if (!reader.TakeSign("*")) {
    do {
      const Token column = reader.Take();
      if (column.kind != Token::kWord) return false;
      query.columns.push_back(column.text);
    } while (reader.TakeSign(","));
  }
  if (!reader.TakeWord("FROM")) return false;
  query.class_name = reader.Take().text;
  if (reader.TakeWord("WHERE")) {
    do {
      if (!TakeCondition(reader, query.conditions.emplace_back())) return false;
    } while (reader.TakeWord("AND"));
  }
  return !reader.failed() && !query.class_name.empty() && reader.now().kind == Token::kEnd;
}

bool Fits(const Query& query, const Class& definition) {
  for (const std::string& column : query.columns) {
    const bool system = absl::StartsWith(column, "__");
    if (!system && definition.FindProperty(column) == nullptr) return false;
  }
  for (const Query::Condition& condition : query.conditions) {
    if (definition.FindProperty(condition.column) == nullptr) return false;
  }
  return true;
}

bool Matches(const Query& query, const Values& row) {
  for (const Query::Condition& condition : query.conditions) {
    const auto found = row.find(condition.column);
    const Value value = found == row.end() ? Value() : found->second;
    // Null is neither equal nor unequal to anything but null.
    const bool about_null = std::holds_alternative<std::monostate>(condition.literal);
    if (!about_null && std::holds_alternative<std::monostate>(value)) return false;
    if (Equal(value, condition.literal) != condition.equal) return false;
  }
  return true;
}

}  // namespace keymedic::doubles
