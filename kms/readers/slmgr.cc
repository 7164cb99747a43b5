// SPDX-License-Identifier: Apache-2.0
//
// slmgr prints its lines in one order in every language:
//   version · name · description · ids · partial key · status · time left or reason · rearms ·
//   client: CMID, host, address, extended PID, intervals, caching
//   host:   count, port, publishing, priority, eight request counters
// So a line is understood by its label if that is known, else by the shape of its value at its
// place.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/readers/headings.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "kms/readers/slmgr_report.h"

namespace keymedic::kms::readers {
namespace {

// Labels that a report may begin with.
bool MayBegin(Field field) {
  switch (field) {
    case Field::kUnknown:
    case Field::kIgnored:
    case Field::kName:
    case Field::kDescription:
    case Field::kTrustedTime:
      return false;
    default:
      return true;
  }
}

bool IsDescription(const Labelled& labelled, Field field) {
  const size_t comma = labelled.value.rfind(',');
  if (comma == absl::string_view::npos) {
    return field == Field::kDescription && !FindChannel(labelled.value).empty();
  }
  // A comma without a space stands in lists too.
  const size_t spaced = labelled.value.rfind(", ");
  const size_t at = spaced != absl::string_view::npos ? spaced : comma;
  return !FindChannel(labelled.value.substr(at + 1)).empty();
}

}  // namespace

ReportLine::ReportLine(absl::string_view line) : labelled(SplitLabel(line)) {
  if (!labelled) return;
  field = FieldOfLabel(TableKey(labelled->label).view());
  description = !MayBegin(field) && IsDescription(*labelled, field);
}

bool ReportLine::IsOwn() const {
  if (field == Field::kUnknown || field == Field::kName || field == Field::kDescription) {
    return false;
  }
  return !labelled->value.empty() && !IsComment(labelled->label) &&
         !absl::StartsWith(labelled->value, "---");  // ospp.vbs: "LICENSE STATUS:  ---LICENSED---"
}

bool IsHostEnabled(absl::string_view line) {
  return absl::StrContains(line, "Key Management Service is enabled on this machine");
}

bool IsExpiryMessage(absl::string_view line) {
  return HasAny(line, {"The machine is permanently activated", "activation will expire",
                       "is in Notification mode", "grace period ends"});
}

void SlmgrReport::Before(const Line& line) {
  const auto labelled = SplitLabel(line.text);
  if (!labelled) return;
  if (const auto version = FindVersion(labelled->value)) {
    version_ = version;
  } else if (!IsUnknown(labelled->value)) {
    product_.set_name(std::string(labelled->value));
  }
}

void SlmgrReport::Take(const Line& line, const ReportLine& known) {
  const absl::string_view text = absl::StripAsciiWhitespace(line.text);
  if (text.empty()) {
    if (place_ == Place::kAfterStatus && (client_ || host_)) place_ = Place::kDetails;
    return;
  }
  const std::optional<Labelled>& labelled = known.labelled;
  if (!labelled || labelled->value.empty()) {
    SetPlainLine(line);
    return;
  }
  if (!known.IsOwn() && IsExpiryMessage(text)) return SetExpiryMessage(line);
  Field field = known.description ? Field::kDescription : known.field;
  if (field == Field::kUnknown) field = FieldByShape(labelled->label, labelled->value);
  if (field == Field::kUnknown) {
    ++strangers_;
    return;
  }
  strangers_ = 0;
  if (field == Field::kIgnored) return;
  Set(field, labelled->value, line);
}

Field SlmgrReport::FieldByShape(absl::string_view label, absl::string_view value) {
  const bool is_host = host_.has_value();
  if (FindExtendedPid(value)) {
    return place_ == Place::kHeader ? Field::kExtendedPid : Field::kHostExtendedPid;
  }
  if (const auto guid = FindGuid(value)) {
    if (place_ != Place::kHeader) return Field::kClientMachineId;
    const bool application = absl::StartsWith(*guid, "55c92734-") ||
                             absl::StrContains(*guid, "-a989-479d-af46-f275c6370663");
    return application ? Field::kApplicationId : Field::kActivationId;
  }
  switch (place_) {
    case Place::kHeader:
      if (IsKeyChannel(value)) return Field::kKeyChannel;
      if (has_product_ && IsPartialKey(value)) return Field::kPartialKey;
      return FindVersion(value) ? Field::kVersion : Field::kUnknown;
    case Place::kStatus:
      return Field::kStatus;
    case Place::kAfterStatus:
      if (FindCode(value)) return Field::kReason;
      if (!minutes_ && !IsNumber(value) && FindMinutes(value)) return Field::kExpiration;
      if (ActivationTypeOfWord(value)) return Field::kActivationType;
      if (is_host && IsNumber(value) && client_ == std::nullopt &&
          !HasAny(label, {"Windows", "SKU", "App"})) {
        return next_number_;
      }
      if (IsNumber(value)) {
        return absl::StrContains(label, "Windows") ? Field::kWindowsRearms : Field::kProductRearms;
      }
      if (absl::StrContains(value, ":") && ParseInstant(value)) return Field::kTrustedTime;
      break;
    case Place::kDetails:
      if (is_host && IsNumber(value)) return next_number_;
      if (is_host && absl::StrContains(label, "KMS")) return Field::kPriority;
      break;
  }
  if (is_host || place_ == Place::kHeader) return Field::kUnknown;
  if (FindIpAddress(value)) return Field::kHostAddress;
  const auto address = ParseHostPort(value);
  if (address && address->port) {
    return absl::StrContains(label, "DNS") ? Field::kDiscoveredHost : Field::kRegisteredHost;
  }
  if (client_ && FindNumber(value) && !IsNumber(value) && value[0] >= '0' && value[0] <= '9') {
    return client_->has_activation_interval_minutes() ? Field::kRenewalInterval
                                                      : Field::kActivationInterval;
  }
  if (absl::StrContains(label, "SRV") && ParseHostPort(value)) return Field::kLookupDomain;
  if (absl::StrContains(label, "DNS")) return Field::kNoDiscoveredHost;
  return Field::kUnknown;
}

void SlmgrReport::SetPlainLine(const Line& line) {
  const absl::string_view text = line.text;
  if (IsExpiryMessage(text)) return SetExpiryMessage(line);
  if (absl::StrContains(text, "This license is not in use")) {
    any_ = unused_ = true;
    return;
  }
  // What is said to be enabled has its English name in every language.
  const auto enabled = HasAny(text, {"KMS", "DNS"}) ? IsEnabledLine(text) : std::nullopt;
  if (IsHostEnabled(text)) {
    any_ = true;
    place_ = Place::kDetails;
    host().set_enabled(true);
  } else if (enabled && host_ && absl::StrContains(text, "DNS")) {
    host().set_dns_publishing(*enabled);
  } else if (enabled && !host_ && absl::StrContains(text, "KMS") && has_product_) {
    client().set_host_caching(*enabled);
  } else if (enabled && absl::StrContains(text, "KMS host caching")) {
    any_ = true;
    client().set_host_caching(*enabled);
  } else if (!HasAny(text, {"activation information", "client information", "Key Management",
                            "Please use slmgr.vbs", "KMS"})) {
    if (place_ == Place::kAfterStatus) place_ = Place::kDetails;  // a heading in their language
    ++strangers_;
    return;
  } else if (place_ == Place::kAfterStatus) {
    place_ = Place::kDetails;
  }
  strangers_ = 0;
}

void SlmgrReport::SetExpiryMessage(const Line& line) {
  any_ = has_product_ = true;
  place_ = Place::kAfterStatus;
  if (absl::StrContains(line.text, "permanently activated")) {
    product_.set_status(v1::LICENSE_STATUS_LICENSED);
    product_.set_permanent(true);
  } else if (absl::StrContains(line.text, "activation will expire")) {
    product_.set_status(v1::LICENSE_STATUS_LICENSED);
  } else if (const auto status = StatusOfWord(line.text)) {
    product_.set_status(*status);
  }
  const auto digit =
      std::find_if(line.text.begin(), line.text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (const auto end = ParseInstant(line.text.substr(digit - line.text.begin()))) {
    product_.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(*end));
  }
}

namespace {

// Is this line what comes after the report?
bool IsBehind(const SlmgrReport& report, absl::string_view text, const ReportLine& line,
              const ReportLine& next) {
  if (!line.IsOwn() &&
      (IsBreak(text) || StartsEvent(text) || StartsOspp(text) || StartsNames(text))) {
    return true;
  }
  if (report.any() && line.field == Field::kVersion) return true;
  if (!report.has_description()) return false;
  return line.description || (line.labelled && next.description) ||
         (line.field == Field::kName && report.has_name());
}

}  // namespace

bool StartsSlmgr(absl::string_view line) {
  if (IsHostEnabled(line) || IsExpiryMessage(line)) return true;
  const ReportLine known(line);
  return known.description || MayBegin(known.field);
}

size_t ReadSlmgr(const Lines& lines, size_t floor, size_t at, Sink& sink) {
  constexpr size_t kLinesAbove = 4;
  constexpr int kStrangers = 6;
  SlmgrReport reader(sink);
  ReportLine known(lines[at].text);
  if (known.description) {
    for (size_t i = at - std::min({at, at - floor, kLinesAbove}); i < at; ++i) {
      reader.Before(lines[i]);
    }
  }
  size_t i = at;
  for (; i < lines.size() && reader.strangers() < kStrangers; ++i) {
    const ReportLine next(i + 1 < lines.size() ? lines[i + 1].text : "");
    if (i > at && IsBehind(reader, lines[i].text, known, next)) break;
    reader.Take(lines[i], known);
    known = next;
  }
  reader.Finish(lines[at].number);
  return reader.any() ? i - at : 0;
}

}  // namespace keymedic::kms::readers
