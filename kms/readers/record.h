// SPDX-License-Identifier: Apache-2.0
//
// One object as a tool listed it: properties by name, whatever the layout (Format-List, a table,
// CSV, JSON, wmic). The layouts are taken apart in record_layouts.cc and record_json.cc; what the
// properties mean stands in record.cc, once. Names of properties are translated in no language.
#ifndef KEYMEDIC_KMS_READERS_RECORD_H_
#define KEYMEDIC_KMS_READERS_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/readers/piece.h"

namespace keymedic::kms::readers {

struct Property {
  std::string key;  // as LabelKey makes it
  std::string value;
};

struct Record {
  uint32_t line = 0;
  std::vector<Property> properties;

  bool Has(absl::string_view key) const;
  absl::string_view Get(absl::string_view key) const;  // "" if it has none
};

enum class RecordKind {
  kNone,
  kLicense,  // SoftwareLicensingService, …Product, their Office twins, the OSLicense cmdlets
  kEvent,
  kDnsRecord,
};

// A property that only the licensing classes and cmdlets have.
bool IsLicenseProperty(absl::string_view key);
RecordKind KindOfRecord(const Record& record);
// False: nothing in it is evidence.
bool ReadRecord(const Record& record, Sink& sink);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_RECORD_H_
