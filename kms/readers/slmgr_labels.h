// SPDX-License-Identifier: Apache-2.0
//
// The words of slmgr that are known, as data. They only help: what no label tells, slmgr.cc tells
// by the shape of the value and the order of the lines, which no language changes.
#ifndef KEYMEDIC_KMS_READERS_SLMGR_LABELS_H_
#define KEYMEDIC_KMS_READERS_SLMGR_LABELS_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::kms::readers {

enum class Field {
  kUnknown,
  kIgnored,
  kVersion,
  kName,
  kDescription,
  kActivationId,
  kApplicationId,
  kExtendedPid,
  kKeyChannel,
  kPartialKey,
  kStatus,
  kExpiration,
  kReason,
  kEvaluationEnd,
  kWindowsRearms,
  kProductRearms,
  kTrustedTime,
  kActivationType,
  kClientMachineId,
  kLookupDomain,
  kRegisteredHost,
  kDiscoveredHost,
  kNoDiscoveredHost,
  kHostAddress,
  kHostExtendedPid,
  kActivationInterval,
  kRenewalInterval,
  kHostCaching,
  kActivationObject,
  kHostEnabled,
  // The numbers of a host, in the order in which slmgr prints them.
  kCount,
  kPort,
  kTotal,
  kFailed,
  kUnlicensed,
  kLicensed,
  kInitialGrace,
  kAdditionalGrace,
  kNonGenuineGrace,
  kNotification,
  kDnsPublishing,
  kPriority,
};

// By LabelKey() of a label; kUnknown if it stands in no table.
Field FieldOfLabel(absl::string_view label_key);
// "Licensed", "Lizenziert", "已授权", "1" (as WMI counts).
std::optional<v1::LicenseStatus> StatusOfWord(absl::string_view word);
std::optional<v1::ActivationType> ActivationTypeOfWord(absl::string_view word);
// A line that ends in a word for enabled or disabled.
std::optional<bool> IsEnabledLine(absl::string_view line);
bool IsLowWord(absl::string_view word);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_SLMGR_LABELS_H_
