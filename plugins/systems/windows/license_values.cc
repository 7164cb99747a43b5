// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/license_values.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace keymedic::systems {
namespace {

constexpr int64_t kMostStatuses = 1 << 20;
constexpr absl::Duration kWander = absl::Minutes(2);

}  // namespace

v1::LicenseStatus StatusOf(std::optional<int64_t> number) {
  if (!number.has_value() || *number < 0 || *number > kMostStatuses) {
    return v1::LICENSE_STATUS_UNSPECIFIED;
  }
  return static_cast<v1::LicenseStatus>(*number + 1);
}

std::optional<v1::ActivationType> ActivationTypeOf(std::optional<int64_t> number) {
  if (!number.has_value() || *number < 0 || *number > 3) return std::nullopt;
  return static_cast<v1::ActivationType>(*number + 1);
}

std::string ChannelOf(absl::string_view description) {
  absl::string_view text = absl::StripTrailingAsciiWhitespace(description);
  if (!absl::ConsumeSuffix(&text, " channel")) return "";
  const size_t before = text.find_last_of(" ,");
  if (before != absl::string_view::npos) text.remove_prefix(before + 1);
  if (absl::ConsumePrefix(&text, "VOLUME-")) return absl::StrCat("VOLUME_", text);  // seen
  return std::string(text);
}

bool IsKmsClientChannel(absl::string_view channel) {
  return absl::StartsWith(channel, "VOLUME_KMSCLIENT");
}

bool IsKmsHostChannel(absl::string_view channel) {
  return absl::StartsWith(channel, "VOLUME_KMS") && !IsKmsClientChannel(channel);
}

bool IsMakChannel(absl::string_view channel) { return absl::StrContains(channel, "MAK"); }

std::string PublishDomain(absl::string_view line) {
  return std::string(absl::StripAsciiWhitespace(line.substr(0, line.find(','))));
}

absl::Time ExpiryMemory::Remember(const std::string& product, absl::Time now,
                                  int64_t minutes_left) {
  const absl::Time end = now + absl::Minutes(minutes_left) + absl::Seconds(30);
  const absl::Time minute =
      absl::UnixEpoch() + absl::Floor(end - absl::UnixEpoch(), absl::Minutes(1));
  absl::Time& told = told_.try_emplace(product, minute).first->second;
  if (absl::AbsDuration(minute - told) > kWander) told = minute;
  return told;
}

}  // namespace keymedic::systems
