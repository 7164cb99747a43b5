// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/slmgr_report.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/readers/shapes.h"
#include "kms/tables.h"

namespace keymedic::kms::readers {

std::optional<int64_t> SlmgrReport::Number(absl::string_view value, const Line& line,
                                           absl::string_view what) {
  if (IsUnknown(value)) return std::nullopt;
  std::string digits;
  for (char c : value) {
    if (c >= '0' && c <= '9') {
      digits += c;
    } else if (digits.empty() || absl::string_view("., '").find(c) == absl::string_view::npos) {
      break;
    }
  }
  int64_t number = 0;
  if (value[0] == '-' || !absl::SimpleAtoi(digits, &number) || number > 1'000'000'000) {
    Broken(line, absl::StrCat(what, " is not a number that can be"));
    return std::nullopt;
  }
  return number;
}

void SlmgrReport::SetProduct(Field field, absl::string_view value, const Line& line) {
  const bool unknown = IsUnknown(value);
  switch (field) {
    case Field::kVersion:
      if (const auto version = FindVersion(value)) {
        version_ = version;
      } else if (!unknown) {
        Broken(line, "the service version is none");
      }
      return;
    case Field::kName:
      if (!unknown) product_.set_name(std::string(value));
      return;
    case Field::kDescription: {
      has_product_ = true;
      product_.set_description(std::string(value));
      std::string channel = FindChannel(value);
      if (IsHostChannel(channel)) host();
      if (!channel.empty()) product_.set_channel(std::move(channel));
      return;
    }
    case Field::kActivationId:
    case Field::kApplicationId: {
      has_product_ = true;
      const auto guid = FindGuid(value);
      if (!guid) {
        if (!unknown) Broken(line, "not a GUID");
      } else if (field == Field::kActivationId) {
        product_.set_activation_id(*guid);
      } else {
        product_.set_application_id(*guid);
      }
      return;
    }
    case Field::kExtendedPid:
      if (!unknown) product_.set_extended_pid(std::string(value));
      return;
    case Field::kKeyChannel:
      if (!unknown) product_.set_key_channel(std::string(value));
      return;
    case Field::kPartialKey:
      has_product_ = true;
      place_ = Place::kStatus;
      if (const std::string key = absl::AsciiStrToUpper(value); IsPartialKey(key)) {
        product_.set_partial_key(key);
      } else if (!unknown) {
        Broken(line, "a partial product key has five characters");
      }
      return;
    case Field::kStatus:
      has_product_ = true;
      place_ = Place::kAfterStatus;
      if (const auto status = StatusOfWord(value)) {
        product_.set_status(*status);
      } else if (!unknown) {
        unknown_status_ = line;
      }
      return;
    case Field::kExpiration:
      if (IsNumber(value))
        minutes_ = FindNumber(value);
      else
        minutes_ = FindMinutes(value);
      if (!minutes_ && !unknown) Broken(line, "no minutes and days that agree");
      return;
    case Field::kReason: {
      bool broken = false;
      auto code = FindCode(value, &broken);
      if (!code && IsNumber(absl::StripPrefix(value, "-"))) code = ParseErrorCode(value);
      if (code) {
        product_.set_status_reason(*code);
      } else if (!unknown) {
        Broken(line, "not an error code");
      }
      return;
    }
    case Field::kEvaluationEnd:
      if (const auto at = ParseInstant(value)) {
        product_.mutable_evaluation_ends_at()->set_seconds(absl::ToUnixSeconds(*at));
      }
      return;
    case Field::kWindowsRearms:
    case Field::kProductRearms:
      if (const auto count = Number(value, line, "a rearm count")) {
        if (field == Field::kWindowsRearms)
          windows_rearms_ = *count;
        else
          product_.set_rearms_left(*count);
      }
      return;
    case Field::kTrustedTime:
      trusted_time_ = ParseInstant(value);
      if (!trusted_time_ && !unknown) Broken(line, "not a time");
      return;
    default:
      return;
  }
}

void SlmgrReport::SetHostName(Field field, absl::string_view value, const Line& line) {
  if (IsUnknown(value) && value.find(':') == absl::string_view::npos) {
    if (field == Field::kDiscoveredHost) client().set_registered_host("");
    return;
  }
  const auto address = ParseHostPort(value);
  if (!address) return Broken(line, "not a host and port");
  if (field == Field::kRegisteredHost) {
    if (!address->host.empty()) client().set_registered_host(address->host);
    if (address->port) client().set_registered_port(*address->port);
    return;
  }
  client().set_registered_host("");  // slmgr prints one of the two
  if (!address->host.empty()) client().set_discovered_host(address->host);
  if (address->port) client().set_discovered_port(*address->port);
}

void SlmgrReport::SetClient(Field field, absl::string_view value, const Line& line) {
  if (field != Field::kActivationType) place_ = Place::kDetails;
  switch (field) {
    case Field::kActivationType:
      if (const auto type = ActivationTypeOfWord(value)) client().set_activation_type(*type);
      return;
    case Field::kClientMachineId:
      client();
      if (const auto guid = FindGuid(value)) {
        client().set_client_machine_id(*guid);
      } else if (!IsUnknown(value)) {
        Broken(line, "a client machine id is a GUID");
      }
      return;
    case Field::kLookupDomain:
      if (!IsUnknown(value)) client().set_lookup_domain(Lower(value));
      return;
    case Field::kRegisteredHost:
    case Field::kDiscoveredHost:
      return SetHostName(field, value, line);
    case Field::kNoDiscoveredHost:
      client().set_registered_host("");
      client().set_discovered_host("");
      return;
    case Field::kHostAddress:
      if (const auto address = FindIpAddress(value)) client().set_host_address(*address);
      return;
    case Field::kHostExtendedPid:
      if (!IsUnknown(value)) client().set_host_extended_pid(std::string(value));
      return;
    case Field::kActivationInterval:
      if (const auto n = Number(value, line, "the activation interval")) {
        client().set_activation_interval_minutes(*n);
      }
      return;
    case Field::kRenewalInterval:
      if (const auto n = Number(value, line, "the renewal interval")) {
        client().set_renewal_interval_minutes(*n);
      }
      return;
    case Field::kActivationObject:
      client().set_last_activation_type(v1::ACTIVATION_TYPE_DIRECTORY);
      client().set_activation_object(IsUnknown(value) ? "" : std::string(value));
      return;
    default:
      return;
  }
}

void SlmgrReport::SetHost(Field field, absl::string_view value, const Line& line) {
  place_ = Place::kDetails;
  host().set_enabled(true);
  if (field == Field::kPriority) {
    host().set_low_priority(IsLowWord(value));
    return;
  }
  if (field == Field::kCount && (value == "-1" || value == "4294967295")) {
    next_number_ = Field::kPort;
    return host().set_current_count(-1);
  }
  const auto number = Number(value, line, "a number of the host");
  if (field < Field::kNotification) next_number_ = static_cast<Field>(static_cast<int>(field) + 1);
  if (!number) return;
  v1::KmsHostSection& h = host();
  switch (field) {
    case Field::kCount:
      return h.set_current_count(*number);
    case Field::kPort:
      if (*number > 65535) return Broken(line, "not a port");
      return h.set_listening_port(*number == 0 ? kDefaultPort : *number);
    case Field::kTotal:
      return h.set_total_requests(*number);
    case Field::kFailed:
      return h.set_failed_requests(*number);
    case Field::kUnlicensed:
      return h.set_requests_unlicensed(*number);
    case Field::kLicensed:
      return h.set_requests_licensed(*number);
    case Field::kInitialGrace:
      return h.set_requests_initial_grace(*number);
    case Field::kAdditionalGrace:
      return h.set_requests_additional_grace(*number);
    case Field::kNonGenuineGrace:
      return h.set_requests_non_genuine_grace(*number);
    case Field::kNotification:
      return h.set_requests_notification(*number);
    default:
      return;
  }
}

void SlmgrReport::Set(Field field, absl::string_view value, const Line& line) {
  any_ = true;
  if (field >= Field::kHostEnabled) return SetHost(field, value, line);
  if (field >= Field::kActivationType) return SetClient(field, value, line);
  SetProduct(field, value, line);
}

void SlmgrReport::TakeField(Field field, absl::string_view value, uint32_t line) {
  Set(field, value, {line, value});
}

void SlmgrReport::TakeSwitch(Field field, bool on) {
  any_ = true;
  if (field == Field::kHostCaching) client().set_host_caching(on);
  if (field == Field::kHostEnabled) host().set_enabled(on);
  if (field == Field::kDnsPublishing) host().set_dns_publishing(on);
  if (field == Field::kPriority) host().set_low_priority(on);
}

// A status word in a language that is not known still shows in what slmgr prints below it.
void SlmgrReport::InferStatus() {
  if (!unknown_status_) return;
  constexpr int64_t kLongestGrace = 45 * 24 * 60;
  const bool client_information =
      client_ && (client_->has_client_machine_id() || client_->has_host_extended_pid() ||
                  client_->has_activation_interval_minutes());
  if (client_information || (minutes_ && *minutes_ > kLongestGrace)) {
    product_.set_status(v1::LICENSE_STATUS_LICENSED);
  } else if (product_.has_status_reason()) {
    product_.set_status(v1::LICENSE_STATUS_NOTIFICATION);
  } else {
    Broken(*unknown_status_, "a license status in words that are not known");
  }
}

void SlmgrReport::FillOs(MachineState& state) const {
  v1::OsSection os;
  absl::string_view name = product_.name();
  const bool windows = absl::StartsWithIgnoreCase(name, "Windows");
  const size_t comma = name.find(", ");
  if (windows && !product_.is_addon() && comma != absl::string_view::npos) {
    const absl::string_view edition = name.substr(comma + 2);
    const size_t end = edition.find(' ');
    if (end != absl::string_view::npos) {
      os.set_edition_id(std::string(edition.substr(0, end)));
      os.set_is_server(absl::StartsWith(edition, "Server"));
    }
  }
  if (version_ && (windows || !product_.has_name())) {
    // The service's version is that of the system it came with.
    const size_t at = version_->find('.', version_->find('.') + 1) + 1;
    if (const auto build = FindNumber(absl::string_view(*version_).substr(at))) {
      os.set_build(*build);
    }
  } else if (absl::StartsWith(name, "Windows(R) 7")) {
    os.set_build(7601);
  }
  if (os.has_edition_id() || os.has_build()) state.os = std::move(os);
}

void SlmgrReport::Finish(uint32_t line) {
  if (!any_ || unused_) return;
  InferStatus();
  const std::string both = Lower(absl::StrCat(product_.name(), " ", product_.description()));
  if (HasAny(both, {"add-on", "addon", " esu"})) product_.set_is_addon(true);
  if (product_.channel() == "VOLUME_KMSCLIENT") client();
  if (product_.status() == v1::LICENSE_STATUS_LICENSED && !product_.has_expires_at() &&
      product_.has_channel() && product_.channel() != "VOLUME_KMSCLIENT") {
    product_.set_permanent(!minutes_.has_value());
  }
  const bool rival = has_product_ && !product_.is_addon() && sink_.HasRivalOf(product_);
  Piece found;
  found.taken_at = trusted_time_;
  FillOs(found.state);
  if (has_product_ || version_ || windows_rearms_) {
    v1::LicensingSection& licensing = found.state.licensing.emplace();
    if (version_) licensing.set_service_version(*version_);
    if (windows_rearms_) licensing.set_windows_rearms_left(*windows_rearms_);
    if (has_product_) {
      *licensing.add_products() = std::move(product_);
      found.minutes_left.push_back(minutes_.value_or(-1));
    }
  }
  const Role role = host_ ? Role::kHost : Role::kClient;
  found.state.client = std::move(client_);
  found.state.host = std::move(host_);
  if (rival && !sink_.IsReportedAgain(found)) sink_.NextMachine();
  Piece& piece = sink_.Add(role, line);
  piece.taken_at = found.taken_at;
  piece.state = std::move(found.state);
  piece.minutes_left = std::move(found.minutes_left);
}

}  // namespace keymedic::kms::readers
