// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/text.h"

#include <algorithm>

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
  if (nul[1] * 10 > pairs * 4 && nul[0] * 20 < pairs) return Encoding::kUtf16Le;
  if (nul[0] * 10 > pairs * 4 && nul[1] * 20 < pairs) return Encoding::kUtf16Be;
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

std::string FromBytes(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    size_t plain = i;
    while (plain < bytes.size() && IsPlain(static_cast<unsigned char>(bytes[plain]))) ++plain;
    out.append(bytes.data() + i, plain - i);
    if (plain == bytes.size()) break;
    i = plain;
    uint32_t c = 0;
    size_t length = Utf8At(bytes, i, c);
    if (length == 0) {
      c = static_cast<unsigned char>(bytes[i]);
      length = 1;
    }
    AppendFolded(c, out);
    i += length;
  }
  return out;
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
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
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
  document.text = RedactProductKeys(encoding == Encoding::kBytes
                                        ? FromBytes(bytes)
                                        : FromUtf16(bytes, encoding == Encoding::kUtf16Be));
  SplitLines(document);
}

absl::string_view Excerpt(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (text[limit] & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace keymedic::kms::readers
