// SPDX-License-Identifier: Apache-2.0
//
// What the numbers and texts of the licensing classes mean. Pure; any thread.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSE_VALUES_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSE_VALUES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::systems {

// Windows' number plus one. A number that is not known is kept: the enumeration is open, so 7 goes
// out as 8 and whoever reads it sees a status that is neither licensed nor unspecified. Absent or
// negative: unspecified, for then nothing is known.
v1::LicenseStatus StatusOf(std::optional<int64_t> number);

// VLActivationTypeEnabled: 0 all, 1 directory, 2 KMS, 3 token. Others: not known.
std::optional<v1::ActivationType> ActivationTypeOf(std::optional<int64_t> number);

// "VOLUME_KMSCLIENT" of "Windows(R) Operating System, VOLUME_KMSCLIENT channel". Never translated.
std::string ChannelOf(absl::string_view description);
bool IsKmsClientChannel(absl::string_view channel);
bool IsKmsHostChannel(absl::string_view channel);
bool IsMakChannel(absl::string_view channel);

// "contoso.example" of the line "contoso.example, 0, 10" of DnsDomainPublishList.
std::string PublishDomain(absl::string_view line);

// Windows counts whole minutes down, and at another second than the clock does, so `now` plus the
// minutes left wanders within a minute or two. The instant that was told first is told again until
// a new one differs by more: a section must not change by itself.
class ExpiryMemory {
 public:
  absl::Time Remember(const std::string& product, absl::Time now, int64_t minutes_left);

 private:
  std::map<std::string, absl::Time> told_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_LICENSE_VALUES_H_
