// SPDX-License-Identifier: Apache-2.0
#include "lab/machine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kms/tables.h"

namespace keymedic::lab {
namespace {

using keymedic::v1::LICENSE_STATUS_ADDITIONAL_GRACE;
using keymedic::v1::LICENSE_STATUS_INITIAL_GRACE;
using keymedic::v1::LICENSE_STATUS_LICENSED;
using keymedic::v1::LICENSE_STATUS_NOTIFICATION;
using keymedic::v1::LICENSE_STATUS_UNLICENSED;

constexpr uint32_t kReasonInitialGrace = 0x4004F00C;
constexpr uint32_t kReasonGraceOver = 0xC004F009;
constexpr uint32_t kReasonNotActivated = 0xC004F034;

constexpr HostKeyFamily kHostKeyFamilies[] = {
    {"Windows Server 2025", "84e331f6-4279-48c4-ab10-b75139181351", "VOLUME_KMS_WS25"},
    {"Windows Server 2022", "661f7658-7035-4b4c-9f35-010682943ec2", "VOLUME_KMS_WS22"},
    {"Windows Server 2019", "2e7a9ad1-a849-4b56-babe-17d5a29fe4b4", "VOLUME_KMS_WS19"},
    {"Windows Server 2016", "d6992aac-29e7-452a-bf10-bbfb8ccabe59", "VOLUME_KMS_WS16"},
    {"Windows Server 2012 R2 With Win 10", "20e938bb-df44-45ee-bde1-4e4fe7477f37",
     "VOLUME_KMS_2012-R2_WIN10"},
    {"Windows Server 2012 R2", "dcb88f6f-b090-405b-850e-dabcccf3693f", "VOLUME_KMS_2012-R2"},
    {"Windows Server 2012", "7b37c913-252b-46be-ad80-b2b5ceade8af", "VOLUME_KMS_2012"},
};

ProductState MakePermanent(Machine& machine, absl::string_view channel,
                           absl::string_view key_channel) {
  ProductState product;
  product.activation_id = machine.random.Uuid();
  product.channel = std::string(channel);
  product.key_channel = std::string(key_channel);
  product.partial_key = MakePartialKey(machine.random);
  product.extended_pid = MakeExtendedPid(machine.random, machine.build, absl::UnixEpoch());
  product.status = LICENSE_STATUS_LICENSED;
  return product;
}

}  // namespace

const keymedic::v1::FirewallRule* Machine::FindRule(absl::string_view id) const {
  const auto it =
      std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return rule.id() == id; });
  return it == rules.end() ? nullptr : &*it;
}

const HostKeyFamily* FindHostKeyFamily(absl::string_view family) {
  for (const HostKeyFamily& row : kHostKeyFamilies) {
    if (row.family == family) return &row;
  }
  return nullptr;
}

std::string HostKeyFamilies() {
  return absl::StrJoin(kHostKeyFamilies, ", ", [](std::string* out, const HostKeyFamily& row) {
    absl::StrAppend(out, row.family);
  });
}

std::string MakePartialKey(Random& random) {
  constexpr absl::string_view kLetters = "BCDFGHJKMPQRTVWXY2346789";
  std::string out;
  for (int i = 0; i < 5; ++i) out += kLetters[random.Uint64() % kLetters.size()];
  return out;
}

std::string MakeExtendedPid(Random& random, uint32_t build, absl::Time activated) {
  const absl::CivilDay day = absl::ToCivilDay(activated, absl::UTCTimeZone());
  return absl::StrFormat("03612-%05d-%03d-%06d-03-1033-%d.0000-%03d%d", random.Uint64() % 90000,
                         random.Uint64() % 1000, random.Uint64() % 1000000, build,
                         absl::GetYearDay(day), day.year());
}

ProductState MakeGvlkProduct(Machine& machine, absl::string_view partial_key, absl::Time now) {
  ProductState product;
  const kms::Sku* sku = kms::FindSkuByGvlkPartial(partial_key);
  product.activation_id = sku == nullptr ? machine.random.Uuid() : std::string(sku->activation_id);
  product.family = sku == nullptr ? std::string() : std::string(sku->family);
  product.required_count = sku == nullptr ? 0 : sku->required_count;
  if (product.required_count == 0) product.required_count = machine.is_server ? 5 : 25;
  product.channel = "VOLUME_KMSCLIENT";
  product.key_channel = "Volume:GVLK";
  product.partial_key = std::string(partial_key);
  product.extended_pid = MakeExtendedPid(machine.random, machine.build, now);
  product.status = LICENSE_STATUS_INITIAL_GRACE;
  product.reason = kReasonInitialGrace;
  product.ends = now + kGrace;
  return product;
}

ProductState MakeClientProduct(Machine& machine, absl::Time now) {
  const kms::Gvlk* gvlk = kms::GvlkForEdition(machine.edition_id, machine.build);
  if (gvlk == nullptr) return MakeOemProduct(machine);
  return MakeGvlkProduct(machine, gvlk->partial_key, now);
}

ProductState MakeMakProduct(Machine& machine) {
  return MakePermanent(machine, "VOLUME_MAK", "Volume:MAK");
}

ProductState MakeRetailProduct(Machine& machine) {
  return MakePermanent(machine, "RETAIL", "Retail");
}

ProductState MakeOemProduct(Machine& machine) { return MakePermanent(machine, "OEM_DM", "OEM:DM"); }

ProductState MakeHostProduct(Machine& machine, const HostKeyFamily& family,
                             absl::string_view partial_key, absl::Time now) {
  ProductState product;
  product.activation_id = std::string(family.activation_id);
  product.family = std::string(family.family);
  product.channel = std::string(family.channel);
  product.key_channel = "Volume:CSVLK";
  product.partial_key = std::string(partial_key);
  product.extended_pid = MakeExtendedPid(machine.random, machine.build, now);
  product.status = LICENSE_STATUS_UNLICENSED;
  product.reason = kReasonNotActivated;
  return product;
}

void RefreshProduct(ProductState& product, absl::Time now) {
  while (product.ends <= now) {
    if (product.status == LICENSE_STATUS_LICENSED) {
      product.status = LICENSE_STATUS_ADDITIONAL_GRACE;
      product.reason = kReasonAdditionalGrace;
      product.ends += kGrace;
    } else {
      product.status = LICENSE_STATUS_NOTIFICATION;
      if (product.reason != kReasonHardware) product.reason = kReasonGraceOver;
      product.ends = absl::InfiniteFuture();
    }
  }
}

}  // namespace keymedic::lab
