// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/own_labels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace keymedic::kms::readers {
namespace {

constexpr size_t kNone = absl::string_view::npos;
constexpr size_t kMaxMessages = 4096;

struct MessageRow {
  absl::string_view key;  // in slmgr.ini
  absl::string_view english;
};

// The messages that carry evidence; the readers know their English.
constexpr MessageRow kMessages[] = {
    {"L_MsgServiceVersion", "Software licensing service version: "},
    {"L_MsgProductName", "Name: "},
    {"L_MsgProductDesc", "Description: "},
    {"L_MsgActID", "Activation ID: "},
    {"L_MsgAppID", "Application ID: "},
    {"L_MsgPID4", "Extended PID: "},
    {"L_MsgChannel", "Product Key Channel: "},
    {"L_MsgInstallationID", "Installation ID: "},
    {"L_MsgPartialPKey", "Partial Product Key: "},
    {"L_MsgErrorLicenseNotInUse", "This license is not in use."},
    {"L_MsgLicenseStatusUnlicensed_1", "License Status: Unlicensed"},
    {"L_MsgLicenseStatusLicensed_1", "License Status: Licensed"},
    {"L_MsgLicenseStatusVL_1", "Volume activation expiration: %MINUTE% minute(s) (%DAY% day(s))"},
    {"L_MsgLicenseStatusTBL_1",
     "Timebased activation expiration: %MINUTE% minute(s) (%DAY% day(s))"},
    {"L_MsgLicenseStatusAVMA_1",
     "Automatic VM activation expiration: %MINUTE% minute(s) (%DAY% day(s))"},
    {"L_MsgLicenseStatusInitialGrace_1", "License Status: Initial grace period"},
    {"L_MsgLicenseStatusAdditionalGrace_1",
     "License Status: Additional grace period (KMS license expired or hardware out of tolerance)"},
    {"L_MsgLicenseStatusNonGenuineGrace_1", "License Status: Non-genuine grace period."},
    {"L_MsgLicenseStatusNotification_1", "License Status: Notification"},
    {"L_MsgLicenseStatusExtendedGrace_1", "License Status: Extended grace period"},
    {"L_MsgNotificationErrorReasonNonGenuine", "Notification Reason: 0x%ERRCODE% (non-genuine)."},
    {"L_MsgNotificationErrorReasonExpiration",
     "Notification Reason: 0x%ERRCODE% (grace time expired)."},
    {"L_MsgNotificationErrorReasonOther", "Notification Reason: 0x%ERRCODE%."},
    {"L_MsgLicenseStatusTimeRemaining", "Time remaining: %MINUTE% minute(s) (%DAY% day(s))"},
    {"L_MsgLicenseStatusEvalEndData", "Evaluation End Date: "},
    {"L_MsgRemainingWindowsRearmCount", "Remaining Windows rearm count: %COUNT%"},
    {"L_MsgRemainingSkuRearmCount", "Remaining SKU rearm count: %COUNT%"},
    {"L_MsgRemainingAppRearmCount", "Remaining App rearm count: %COUNT%"},
    {"L_MsgCurrentTrustedTime", "Trusted time: "},
    {"L_MsgVLActivationTypeAll", "Configured Activation Type: All"},
    {"L_MsgVLActivationTypeAD", "Configured Activation Type: AD"},
    {"L_MsgVLActivationTypeKMS", "Configured Activation Type: KMS"},
    {"L_MsgVLActivationTypeToken", "Configured Activation Type: Token"},
    {"L_MsgVLMostRecentActivationInfo", "Most recent activation information:"},
    {"L_MsgKmsInfo", "Key Management Service client information"},
    {"L_MsgCmid", "Client Machine ID (CMID): "},
    {"L_MsgKmsLookupDomain", "Registered KMS SRV record lookup domain: "},
    {"L_MsgRegisteredKmsName", "Registered KMS machine name: "},
    {"L_MsgKmsFromDnsUnavailable", "DNS auto-discovery: KMS name not available"},
    {"L_MsgKmsFromDns", "KMS machine name from DNS: "},
    {"L_MsgKmsIpAddressUnavailable", "KMS machine IP address: not available"},
    {"L_MsgKmsIpAddress", "KMS machine IP address: "},
    {"L_MsgKmsPID4", "KMS machine extended PID: "},
    {"L_MsgActivationInterval", "Activation interval: %INTERVAL% minutes"},
    {"L_MsgRenewalInterval", "Renewal interval: %INTERVAL% minutes"},
    {"L_MsgKmsHostCachingEnabled", "KMS host caching is enabled"},
    {"L_MsgKmsHostCachingDisabled", "KMS host caching is disabled"},
    {"L_MsgKmsEnabled", "Key Management Service is enabled on this machine"},
    {"L_MsgKmsCurrentCount", "Current count: "},
    {"L_MsgKmsListeningOnPort", "Listening on Port: "},
    {"L_MsgKmsDnsPublishingEnabled", "DNS publishing enabled"},
    {"L_MsgKmsDnsPublishingDisabled", "DNS publishing disabled"},
    {"L_MsgKmsPriNormal", "KMS priority: Normal"},
    {"L_MsgKmsPriLow", "KMS priority: Low"},
    {"L_MsgKmsCumulativeRequestsFromClients",
     "Key Management Service cumulative requests received from clients"},
    {"L_MsgKmsTotalRequestsRecieved", "Total requests received: "},
    {"L_MsgKmsFailedRequestsReceived", "Failed requests received: "},
    {"L_MsgKmsRequestsWithStatusUnlicensed", "Requests with License Status Unlicensed: "},
    {"L_MsgKmsRequestsWithStatusLicensed", "Requests with License Status Licensed: "},
    {"L_MsgKmsRequestsWithStatusInitialGrace",
     "Requests with License Status Initial grace period: "},
    {"L_MsgKmsRequestsWithStatusLicenseExpiredOrHwidOot",
     "Requests with License Status License expired or Hardware out of tolerance: "},
    {"L_MsgKmsRequestsWithStatusNonGenuineGrace",
     "Requests with License Status Non-genuine grace period: "},
    {"L_MsgKmsRequestsWithStatusNotification", "Requests with License Status Notification: "},
    {"L_MsgADInfo", "AD Activation client information"},
    {"L_MsgADInfoAOName", "Activation Object name: "},
    {"L_MsgADInfoAODN", "AO DN: "},
    {"L_MsgADInfoExtendedPid", "AO extended PID: "},
    {"L_MsgADInfoActID", "AO activation ID: "},
    {"L_MsgLicenseStatusVL", "Volume activation will expire %ENDDATE%"},
    {"L_MsgLicenseStatusLicensed", "The machine is permanently activated."},
    {"L_MsgLicenseStatusInitialGrace", "Initial grace period ends %ENDDATE%"},
    {"L_MsgLicenseStatusAdditionalGrace", "Additional grace period ends %ENDDATE%"},
    {"L_MsgLicenseStatusNonGenuineGrace", "Non-genuine grace period ends %ENDDATE%"},
    {"L_MsgLicenseStatusNotification", "Windows is in Notification mode"},
    {"L_MsgLicenseStatusExtendedGrace", "Extended grace period ends %ENDDATE%"},
    {"L_MsgActivated", "Product activated successfully."},
    {"L_MsgErrorText_8", "Error: "},
};

absl::string_view EnglishOf(absl::string_view key) {
  for (const MessageRow& row : kMessages) {
    if (absl::EqualsIgnoreCase(row.key, key)) return row.english;
  }
  return "";
}

}  // namespace

OwnLabels::Message OwnLabels::Split(absl::string_view text) {
  Message message;
  message.words.emplace_back();
  for (size_t at = 0; at < text.size();) {
    const size_t open = text.find('%', at);
    const size_t close = open == kNone ? kNone : text.find('%', open + 1);
    if (close == kNone) {
      absl::StrAppend(&message.words.back(), text.substr(at));
      break;
    }
    absl::StrAppend(&message.words.back(), text.substr(at, open - at));
    message.values.emplace_back(text.substr(open, close + 1 - open));
    message.words.emplace_back();
    at = close + 1;
  }
  return message;
}

bool OwnLabels::Add(absl::string_view slmgr_ini) {
  Document document;
  Decode(slmgr_ini, document);
  bool any = false;
  for (const Line& line : document.lines) {
    const size_t equals = line.text.find('=');
    if (equals == kNone || messages_.size() >= kMaxMessages) continue;
    const absl::string_view english =
        EnglishOf(absl::StripAsciiWhitespace(line.text.substr(0, equals)));
    absl::string_view text = absl::StripAsciiWhitespace(line.text.substr(equals + 1));
    absl::ConsumePrefix(&text, "\"");
    absl::ConsumeSuffix(&text, "\"");
    Message message = Split(absl::StripAsciiWhitespace(text));
    if (english.empty() || message.words[0].empty()) continue;
    message.english = english;
    messages_.push_back(std::move(message));
    any = true;
  }
  std::stable_sort(messages_.begin(), messages_.end(), [](const Message& a, const Message& b) {
    return a.words[0].size() > b.words[0].size();
  });
  return any;
}

bool OwnLabels::Match(const Message& message, absl::string_view line, std::string& out) {
  if (!absl::ConsumePrefix(&line, message.words[0])) return false;
  std::string english(message.english);
  for (size_t i = 0; i < message.values.size(); ++i) {
    const absl::string_view next = message.words[i + 1];
    const size_t end = next.empty() ? line.size() : line.find(next);
    if (end == kNone) return false;
    english = absl::StrReplaceAll(english, {{message.values[i], line.substr(0, end)}});
    line.remove_prefix(std::min(end + next.size(), line.size()));
  }
  const bool takes_value = absl::EndsWith(message.english, ": ");
  if (!takes_value && !absl::StripAsciiWhitespace(line).empty()) return false;
  // "Name" of a label that ends in no colon would begin many lines.
  absl::StrAppend(&out, english, takes_value ? absl::StripAsciiWhitespace(line) : "");
  return true;
}

bool OwnLabels::TranslateLine(absl::string_view line, std::string& out) const {
  const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
  const absl::string_view text = line.substr(indent);
  if (text.empty()) return false;
  const size_t before = out.size();
  absl::StrAppend(&out, line.substr(0, indent));
  for (const Message& message : messages_) {
    if (message.words[0][0] == text[0] && Match(message, text, out)) return true;
  }
  out.resize(before);
  return false;
}

void OwnLabels::Translate(Document& document) const {
  if (messages_.empty()) return;
  const absl::string_view text = document.text;
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const absl::string_view line = absl::StripTrailingAsciiWhitespace(text.substr(at, end - at));
    if (line.size() > kMaxLineBytes || !TranslateLine(line, out)) {
      absl::StrAppend(&out, text.substr(at, end - at));
    }
    if (end < text.size()) out += '\n';
    at = end + 1;
  }
  SetText(std::move(out), document);
}

}  // namespace keymedic::kms::readers
