// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/text.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/product_key.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kSample = 64u << 10;

enum class Encoding { kBytes, kUtf16Le, kUtf16Be };

Encoding EncodingOf(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xFF\xFE")) return Encoding::kUtf16Le;
  if (absl::StartsWith(bytes, "\xFE\xFF")) return Encoding::kUtf16Be;
  const absl::string_view sample = bytes.substr(0, kSample);
  size_t nul[2] = {0, 0};
  for (size_t i = 0; i < sample.size(); ++i) nul[i % 2] += sample[i] == '\0';
  const size_t pairs = sample.size() / 2;
  if (pairs < 4) return Encoding::kBytes;
  // Every second byte of what is not translated is zero, whatever the script around it.
  if (nul[1] * 5 > pairs && nul[0] * 20 < pairs) return Encoding::kUtf16Le;
  if (nul[0] * 5 > pairs && nul[1] * 20 < pairs) return Encoding::kUtf16Be;
  return Encoding::kBytes;
}

void AppendCodePoint(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// The readers look for ASCII punctuation, whatever the script around it.
void AppendFolded(uint32_t c, std::string& out) {
  switch (c) {
    case 0:
    case 0xFEFF:
    case 0x200E:
    case 0x200F:
      return;
    case 0x2018:
    case 0x2019:
    case 0x201B:
      out += '\'';
      return;
    case 0x201C:
    case 0x201D:
    case 0x201E:
      out += '"';
      return;
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212:
      out += '-';
      return;
    case 0x2026:
      out += "...";
      return;
    case 0x00A0:
    case 0x2007:
    case 0x202F:
    case 0x3000:
      out += ' ';
      return;
    case 0xFF1A:
      out += ':';
      return;
    case 0xFF08:
      out += '(';
      return;
    case 0xFF09:
      out += ')';
      return;
    case 0xFF0C:
      out += ',';
      return;
    default:
      AppendCodePoint(c, out);
  }
}

// Most of any text: ASCII, which stays as it is.
bool IsPlain(uint32_t c) { return c - 1 < 0x7F; }

// The code point at `i` and its length; 0 length for what is not UTF-8.
size_t Utf8At(absl::string_view s, size_t i, uint32_t& c) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = byte(i);
  size_t length = 0;
  if (lead < 0x80) {
    c = lead;
    return 1;
  } else if (lead >= 0xC2 && lead < 0xE0) {
    length = 2, c = lead & 0x1F;
  } else if (lead >= 0xE0 && lead < 0xF0) {
    length = 3, c = lead & 0x0F;
  } else if (lead >= 0xF0 && lead < 0xF5) {
    length = 4, c = lead & 0x07;
  } else {
    return 0;
  }
  if (s.size() - i < length) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
    c = c << 6 | (byte(i + k) & 0x3F);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  return overlong || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : length;
}

// The byte at `i` of a line in some code page: which one is not known, and only what the readers
// look for is told. Returns the bytes it took.
size_t AppendCodePageByte(absl::string_view bytes, size_t i, std::string& out) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(bytes[k]); };
  const bool two = i + 1 < bytes.size();
  // The full-width colon of 936 and 949, of 950, of 932.
  if (two &&
      ((byte(i) == 0xA3 && byte(i + 1) == 0xBA) || (byte(i) == 0xA1 && byte(i + 1) == 0x47) ||
       (byte(i) == 0x81 && byte(i + 1) == 0x46))) {
    out += ':';
    return 2;
  }
  if (two && byte(i) >= 0x80 && byte(i + 1) >= 0x80) {  // two letters, or the halves of one
    AppendFolded(byte(i), out);
    AppendFolded(byte(i + 1), out);
    return 2;
  }
  const bool alone = i == 0 || byte(i - 1) < 0x80;
  switch (alone ? byte(i) : 0) {
    case 0x91:  // typographic quotes and dashes of the Windows code pages
    case 0x92:
      out += '\'';
      return 1;
    case 0x93:
    case 0x94:
      out += '"';
      return 1;
    case 0x96:
    case 0x97:
      out += '-';
      return 1;
    case 0xFF:  // no-break space of the console code pages
      out += ' ';
      return 1;
    default:
      AppendFolded(byte(i), out);
      return 1;
  }
}

// The end of what is plain ASCII from `i` on.
size_t AsciiEnd(absl::string_view text, size_t i) {
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  for (uint64_t eight = 0; i + sizeof(eight) <= text.size(); i += sizeof(eight)) {
    std::memcpy(&eight, text.data() + i, sizeof(eight));
    if (((eight - kOnes) | eight) & kTops) break;  // one is zero or no ASCII
  }
  while (i < text.size() && static_cast<signed char>(text[i]) > 0) ++i;
  return i;
}

void AppendUtf8Line(absl::string_view line, std::string& out) {
  for (size_t i = 0; i < line.size();) {
    const size_t end = AsciiEnd(line, i);
    absl::StrAppend(&out, line.substr(i, end - i));
    if (end == line.size()) return;
    uint32_t c = 0;
    i = end + Utf8At(line, end, c);
    AppendFolded(c, out);
  }
}

bool IsUtf8(absl::string_view line) {
  uint32_t c = 0;
  for (size_t i = AsciiEnd(line, 0); i < line.size(); i = AsciiEnd(line, i)) {
    const size_t length = Utf8At(line, i, c);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

// Files grow out of several programs' output, so each line has an encoding of its own.
std::string FromBytes(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size() - 1) + 1;
    const absl::string_view line = bytes.substr(at, end - at);
    if (IsUtf8(line)) {
      AppendUtf8Line(line, out);
    } else {
      for (size_t i = 0; i < line.size();) i += AppendCodePageByte(line, i, out);
    }
    at = end;
  }
  return out;
}

bool IsPlain(char c) { return (c >= ' ' && c <= '~') || c == '\r' || c == '\n' || c == '\t'; }

// `>>` appends in another encoding than the file has: how many bytes from `i` on are ASCII, if so
// many that they cannot be text in UTF-16.
size_t PlainRun(absl::string_view bytes, size_t i) {
  constexpr size_t kTelling = 32;
  size_t end = i;
  while (end < bytes.size() && IsPlain(bytes[end])) ++end;
  return end - i >= kTelling ? (end - i) & ~size_t{1} : 0;
}

}  // namespace

std::string FromUtf16(absl::string_view bytes, bool big_endian) {
  std::string out;
  out.reserve(bytes.size() / 2);
  const auto unit = [&](size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<uint32_t>(big_endian ? a << 8 | b : b << 8 | a);
  };
  size_t looked = 0;  // below it, there is no plain run
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    if (i >= looked && IsPlain(bytes[i]) && IsPlain(bytes[i + 1])) {
      if (const size_t plain = PlainRun(bytes, i)) {
        absl::StrAppend(&out, bytes.substr(i, plain));
        i += plain - 2;
        continue;
      }
      while (looked < bytes.size() && (looked < i || IsPlain(bytes[looked]))) ++looked;
    }
    uint32_t c = unit(i);
    if (IsPlain(c)) {
      out += static_cast<char>(c);
      continue;
    }
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.size()) {
      const uint32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    AppendFolded(c >= 0xD800 && c < 0xE000 ? 0xFFFD : c, out);
  }
  return out;
}

namespace {

// A terminal's colours and cursor moves.
void StripEscapes(std::string& text) {
  if (text.find('\x1b') == std::string::npos) return;
  size_t to = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\x1b') {
      text[to++] = text[at];
      continue;
    }
    if (at + 1 >= text.size() || text[at + 1] != '[') continue;
    size_t end = at + 2;  // parameters, then one letter
    while (end < text.size() && text[end] >= 0x20 && text[end] < 0x40) ++end;
    at = end;
  }
  text.resize(to);
}

// A carriage return that no line feed follows ends a line, too.
void EndLines(std::string& text) {
  for (size_t at = text.find('\r'); at != std::string::npos; at = text.find('\r', at + 1)) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\n';
    if (next != '\n' && next != '\r') text[at] = '\n';
  }
}

void SplitLines(Document& document) {
  const absl::string_view text = document.text;
  uint32_t number = 1;
  for (size_t at = 0; at < text.size(); ++number) {
    if (document.lines.size() == kMaxLines) {
      document.cut = true;
      return;
    }
    size_t end = text.find('\n', at);
    if (end == absl::string_view::npos) end = text.size();
    absl::string_view line = Excerpt(text.substr(at, end - at), kMaxLineBytes);
    document.lines.push_back({number, absl::StripTrailingAsciiWhitespace(line)});
    at = end + 1;
  }
}

}  // namespace

std::string WhyNotText(absl::string_view bytes) {
  if (bytes.empty()) return "the file is empty";
  if (bytes.size() > kMaxBytes) {
    return absl::StrCat("the file has ", bytes.size() >> 20, " MB, more than the ", kMaxBytes >> 20,
                        " MB that are read: give only the part with the licensing evidence");
  }
  if (EncodingOf(bytes) != Encoding::kBytes) return "";
  const absl::string_view sample = bytes.substr(0, kSample);
  const size_t control = std::count_if(sample.begin(), sample.end(), [](char c) {
    return absl::ascii_iscntrl(c) && !absl::ascii_isspace(c) && c != '\x1b' && c != '\x1a';
  });
  if (control * 50 > sample.size()) return "the file is binary data, not text";
  if (absl::StripAsciiWhitespace(sample).empty() && absl::StripAsciiWhitespace(bytes).empty()) {
    return "the file is blank";
  }
  return "";
}

void Decode(absl::string_view bytes, Document& document) {
  const Encoding encoding = EncodingOf(bytes);
  std::string text = encoding == Encoding::kBytes
                         ? FromBytes(bytes)
                         : FromUtf16(bytes, encoding == Encoding::kUtf16Be);
  StripEscapes(text);
  EndLines(text);
  SetText(RedactProductKeys(std::move(text)), document);
}

void SetText(std::string text, Document& document) {
  document.lines.clear();
  document.text = std::move(text);
  SplitLines(document);
}

absl::string_view Excerpt(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (text[limit] & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace keymedic::kms::readers
