// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/install_settings.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace keymedic::installer {
namespace {

constexpr int kDefaultPort = 7443;
constexpr size_t kMaxLength = 512;

std::string Stripped(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status WrongController(absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat("KEYMEDIC_CONTROLLER is \"", value,
                   "\": write HOST or HOST:PORT, an IPv6 address as [ADDRESS] or [ADDRESS]:PORT; "
                   "without a port it is ",
                   kDefaultPort));
}

bool IsHost(absl::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
}

bool IsAddress(absl::string_view address) {
  return address.find(':') != absl::string_view::npos &&
         std::all_of(address.begin(), address.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
         });
}

absl::StatusOr<std::string> WithPort(const std::string& controller) {
  const absl::string_view text = controller;
  size_t end = text.find(':');
  bool right = IsHost(text.substr(0, end));
  if (absl::StartsWith(text, "[")) {
    end = text.find(']');
    if (end == absl::string_view::npos) return WrongController(text);
    right = IsAddress(text.substr(1, end - 1));
    ++end;
  }
  if (!right) return WrongController(text);
  if (end >= text.size()) return absl::StrCat(text, ":", kDefaultPort);
  int port = 0;
  if (text[end] != ':' || !absl::SimpleAtoi(text.substr(end + 1), &port) || port < 1 ||
      port > 65535) {
    return WrongController(text);
  }
  return absl::StrCat(text.substr(0, end), ":", port);
}

absl::Status CheckToken(absl::string_view token) {
  const bool one_word = std::all_of(token.begin(), token.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.';
  });
  if (absl::StartsWith(token, "km1.") && one_word) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "KEYMEDIC_TOKEN is no join token: one begins with km1. and is a single word; the "
      "administrator of the controller makes one with: keymedic tokens create");
}

absl::Status CheckText(absl::string_view property, absl::string_view text) {
  if (text.size() <= kMaxLength && std::none_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_iscntrl(static_cast<unsigned char>(c));
      })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(property, " is longer than ", kMaxLength,
                                                 " bytes, or has a control character in it"));
}

std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string FirstLine(const InstallSettings& settings) {
  return absl::StrCat("# Made by the installer (", settings.mark, ").\n");
}

}  // namespace

bool DifferOnlyInMark(absl::string_view one, absl::string_view other) {
  const auto rest = [](absl::string_view text) {
    const size_t end = text.find('\n');
    return end == absl::string_view::npos ? absl::string_view() : text.substr(end);
  };
  return !rest(one).empty() && rest(one) == rest(other);
}

absl::StatusOr<InstallSettings> CheckSettings(const InstallSettings& given) {
  InstallSettings settings{Stripped(given.controller), Stripped(given.token), Stripped(given.group),
                           Stripped(given.name)};
  KM_RETURN_IF_ERROR(CheckText("KEYMEDIC_CONTROLLER", settings.controller));
  KM_RETURN_IF_ERROR(CheckText("KEYMEDIC_TOKEN", settings.token));
  KM_RETURN_IF_ERROR(CheckText("KEYMEDIC_GROUP", settings.group));
  KM_RETURN_IF_ERROR(CheckText("KEYMEDIC_NAME", settings.name));
  if (settings.controller.empty() != settings.token.empty()) {
    const bool token_alone = settings.controller.empty();
    return absl::InvalidArgumentError(absl::StrCat(
        token_alone ? "KEYMEDIC_TOKEN is given without KEYMEDIC_CONTROLLER"
                    : "KEYMEDIC_CONTROLLER is given without KEYMEDIC_TOKEN",
        ": to enrol the machine give both; to enrol it later with keymedic-agent enroll, neither"));
  }
  if (settings.controller.empty()) return settings;
  KM_RETURN_IF_ERROR(CheckToken(settings.token));
  KM_ASSIGN_OR_RETURN(settings.controller, WithPort(settings.controller));
  return settings;
}

std::string Pack(const InstallSettings& settings) {
  return absl::StrCat(settings.controller, "\t", settings.token, "\t", settings.group, "\t",
                      settings.name, "\t", settings.mark);
}

InstallSettings Unpack(absl::string_view packed) {
  std::vector<std::string> parts = absl::StrSplit(packed, '\t');
  parts.resize(5);
  return {parts[0], parts[1], parts[2], parts[3], parts[4]};
}

std::string EnrolmentFile(const InstallSettings& settings) {
  if (settings.token.empty()) return "";
  return absl::StrCat(FirstLine(settings), "controller = ", Quoted(settings.controller),
                      "\ntoken = ", Quoted(settings.token), "\n");
}

std::string AgentFile(const InstallSettings& settings) {
  if (settings.name.empty() && settings.group.empty()) return "";
  std::string text = FirstLine(settings);
  if (!settings.name.empty()) absl::StrAppend(&text, "name = ", Quoted(settings.name), "\n");
  if (!settings.group.empty()) {
    absl::StrAppend(&text, "\n[labels]\ngroup = ", Quoted(settings.group), "\n");
  }
  return text;
}

}  // namespace keymedic::installer
