// SPDX-License-Identifier: Apache-2.0
#include "plugins/roles/state.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "kms/tables.h"

namespace keymedic::roles {
namespace {

constexpr char kWindows[] = "55c92734-d682-4d71-983e-d6ec3f16059f";

// The description's channel is never translated.
std::string ChannelOf(const v1::Product& product) {
  return product.has_channel() ? product.channel() : product.description();
}

}  // namespace

v1::Section MakeSection(std::string name, const google::protobuf::Message& payload) {
  v1::Section section;
  section.set_name(std::move(name));
  section.set_type(payload.GetTypeName());
  section.set_payload(SerializeDeterministic(payload));
  section.set_sha256(Sha256(section.payload()));
  return section;
}

void RoundToMinute(google::protobuf::Timestamp& instant) {
  instant.set_seconds((instant.seconds() + 30) / 60 * 60);
  instant.clear_nanos();
}

const v1::Product* PrimaryProduct(const v1::LicensingSection& licensing) {
  for (const v1::Product& product : licensing.products()) {
    const bool windows =
        !product.has_application_id() || absl::EqualsIgnoreCase(product.application_id(), kWindows);
    if (windows && !product.partial_key().empty() && !product.is_addon()) return &product;
  }
  return nullptr;
}

bool IsKmsClient(const v1::Product& product) {
  return absl::StrContains(ChannelOf(product), "VOLUME_KMSCLIENT");
}

bool IsKmsHost(const v1::Product& product) {
  return absl::StrContains(ChannelOf(product), "VOLUME_KMS") && !IsKmsClient(product);
}

std::string Endpoint(const std::string& host, uint32_t port) {
  if (host.empty()) return "";
  return absl::StrCat(host, ":", port == 0 ? kms::kDefaultPort : port);
}

}  // namespace keymedic::roles
