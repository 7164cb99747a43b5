// SPDX-License-Identifier: Apache-2.0
//
// Clients: the key, the edition, the machine id.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/diagnosis/evidence.h"

namespace keymedic::kms {
namespace {

bool HasNoVolumeEdition(const Facts& facts) {
  // An evaluation copy says by its key what it is, and becomes a volume edition.
  if (facts.primary == nullptr || facts.is_host || facts.channel == Channel::kKmsClient ||
      facts.channel == Channel::kEvaluation)
    return false;
  return (facts.sku != nullptr && facts.sku->role == SkuRole::kNoVolumeKey) ||
         (facts.edition != nullptr && !facts.edition->has_volume_key);
}

Found EditionNotVolume(const Facts& facts) {
  if (!facts.wants_kms() || !HasNoVolumeEdition(facts)) return std::nullopt;
  const bool by_edition = facts.edition != nullptr && !facts.edition->has_volume_key;
  FindingBuilder builder = About("CLIENT_EDITION_NOT_VOLUME", facts, facts.primary);
  builder.Saw(by_edition ? "os" : "licensing", by_edition ? "edition" : "activation_id",
              by_edition ? facts.edition_id() : std::string(facts.sku->product));
  return builder.Build();
}

// The last five characters of the client key that belongs in this product. What is installed is
// known by the edition or, of other products than Windows, by the activation id.
absl::string_view ExpectedPartial(const Facts& facts, const v1::Product& product) {
  if (&product == facts.primary && facts.edition != nullptr && !facts.edition->gvlk_partial.empty())
    return facts.edition->gvlk_partial;
  const Sku* sku = &product == facts.primary         ? facts.sku
                   : product.activation_id().empty() ? nullptr
                                                     : FindSku(product.activation_id());
  return sku == nullptr ? absl::string_view() : sku->gvlk_partial;
}

Found KeyWrongEdition(const Facts& facts) {
  const Gvlk* gvlk = nullptr;
  const v1::Product* wrong = FindProduct(facts, [&](const v1::Product& product) {
    if (product.partial_key().empty()) return false;
    const absl::string_view expected = ExpectedPartial(facts, product);
    if (expected.empty() || absl::EqualsIgnoreCase(expected, product.partial_key())) return false;
    gvlk = FindGvlkByPartial(product.partial_key());
    return gvlk != nullptr;
  });
  if (wrong == nullptr) return OnError("CLIENT_KEY_WRONG_EDITION", facts, &IsWrongKeyForEdition);
  FindingBuilder builder = About("CLIENT_KEY_WRONG_EDITION", facts, wrong);
  builder.Saw("key table", "key belongs to", absl::StrCat(gvlk->product, " ", gvlk->edition));
  if (const std::string edition = facts.edition_id(); !edition.empty())
    builder.Saw("os", "edition", edition);
  return AddAttempt(builder, facts).Build();
}

// The count that a host must reach before it activates this machine.
int ThresholdOf(const Facts& facts) {
  const bool server = (facts.machine.os.has_value() && facts.machine.os->is_server()) ||
                      (facts.edition != nullptr && facts.edition->is_server);
  return server ? kServerThreshold : kDesktopThreshold;
}

// The pool that this machine would belong to: the hosts of its domains, or else all.
struct OwnPool {
  std::optional<int> best_count;
  int mak_users = 0;
};

OwnPool PoolOf(const Facts& facts) {
  OwnPool own;
  for (const std::string& domain : DomainsOf(facts.machine)) {
    const auto zone = facts.index.zones.find(domain);
    if (zone == facts.index.zones.end() || zone->second.counts.empty()) continue;
    own.best_count = std::max(own.best_count.value_or(0), zone->second.counts.rbegin()->first);
    own.mak_users = std::max(own.mak_users, static_cast<int>(zone->second.mak_users.size()));
  }
  if (own.best_count.has_value()) return own;
  return {facts.index.pool.best_count, facts.index.pool.mak_users};
}

// A MAK is right for as long as the pool is known, and known to be under the threshold.
bool MayKeepMak(const Facts& facts) {
  if (facts.channel != Channel::kMak) return false;
  const OwnPool pool = PoolOf(facts);
  return pool.best_count.has_value() && *pool.best_count < ThresholdOf(facts);
}

Found MakUntilCount(const Facts& facts) {
  const v1::Product* product = ProductOffKms(facts);
  if (product == nullptr || !MayKeepMak(facts)) return std::nullopt;
  const OwnPool pool = PoolOf(facts);
  FindingBuilder builder = About("CLIENT_MAK_UNTIL_COUNT", facts, product);
  builder.NoTreatments().Saw("kms_host", "highest count",
                             absl::StrCat(*pool.best_count, " of ", ThresholdOf(facts)));
  if (*pool.best_count + pool.mak_users >= ThresholdOf(facts)) {
    builder.Treat("ensure_client_key")
        .Treat("activate")
        .Explain("With the machines that hold a MAK the pool would reach its threshold.");
  }
  return builder.Build();
}

Found KeyNotGvlk(const Facts& facts) {
  if (const v1::Product* product = ProductOffKms(facts)) {
    if (MayKeepMak(facts) || HasNoVolumeEdition(facts)) return std::nullopt;
    FindingBuilder builder = About("CLIENT_KEY_NOT_GVLK", facts, product);
    builder.Saw("licensing", "channel", std::string(ChannelText(*product)));
    if (facts.edition != nullptr && !facts.edition->has_volume_key) {
      builder.NoTreatments().Why(
          "an evaluation copy takes no client setup key: convert a server with DISM /Set-Edition "
          "and the client setup key, install the full edition on a desktop");
    }
    return AddAttempt(builder, facts).Build();
  }
  // The licence is not known, but the attempt says that a retail or digital key is in it.
  if (facts.primary != nullptr || facts.attempt_error != 0x803F7001 || facts.is_host ||
      !facts.wants_kms())
    return std::nullopt;
  FindingBuilder builder("CLIENT_KEY_NOT_GVLK", facts.machine);
  return AddAttempt(builder, facts).Build();
}

// The answer to a host key. Of a client key's product it would mean something else.
Found ActivationLimit(const Facts& facts) {
  if (facts.attempt_error != 0xC004C008 || facts.is_host || facts.primary != nullptr)
    return std::nullopt;
  const Sku* sku = FindSku(facts.attempt->activation_id());
  if (sku != nullptr && sku->role != SkuRole::kHost) return std::nullopt;
  FindingBuilder builder("HOST_ACTIVATION_LIMIT", facts.machine);
  return AddAttempt(builder, facts).Build();
}

constexpr size_t kNamesShown = 5;

// Those that have this machine's id; null: nobody else has.
const Ids* SharersOf(const Facts& facts) {
  if (!facts.machine.client.has_value()) return nullptr;
  const auto found =
      facts.index.by_cmid.find(absl::AsciiStrToLower(facts.machine.client->client_machine_id()));
  return found == facts.index.by_cmid.end() || found->second.size() < 2 ? nullptr : &found->second;
}

constexpr char kNoRearmWhy[] =
    "no rearm is left on it: install it anew from an image that was generalized with sysprep";

// The first of those that share an id keeps it and speaks of all; the others speak of the first.
Found DuplicateCmid(const Facts& facts) {
  const Ids* sharing = SharersOf(facts);
  if (sharing == nullptr) return std::nullopt;
  const std::string cmid = absl::AsciiStrToLower(facts.machine.client->client_machine_id());
  FindingBuilder builder("CLIENT_DUPLICATE_CMID", facts.machine);
  builder.NoTreatments().Why(kNoRearmWhy).Saw("kms_client", "client_machine_id", cmid);
  const auto part = [&](absl::string_view id, absl::string_view where) {
    if (HasNoRearm(*facts.estate.Find(id))) return;
    builder.Treat("reset_machine_id", {{"client_machine_id", cmid}}, where)
        .Treat("activate", {}, where);
  };
  if (*sharing->begin() != facts.machine.id) {
    builder.Saw("kms_client", "the same id on", facts.estate.Find(*sharing->begin())->name);
    part(facts.machine.id, "");
    return builder.Build();
  }
  size_t shown = 0;
  for (auto id = std::next(sharing->begin()); id != sharing->end(); ++id) {
    if (shown++ < kNamesShown)
      builder.Saw("kms_client", "the same id on", facts.estate.Find(*id)->name);
    part(*id, *id);
  }
  builder.Saw("kms_client", "machines that share it", absl::StrCat(sharing->size()));
  return builder.Build();
}

// The first keeps its id, so it needs none.
Found NoRearmLeft(const Facts& facts) {
  const Ids* sharing = SharersOf(facts);
  if (sharing == nullptr || *sharing->begin() == facts.machine.id || !HasNoRearm(facts.machine))
    return std::nullopt;
  return FindingBuilder("CLIENT_NO_REARM_LEFT", facts.machine)
      .Saw("licensing", "windows_rearms_left", "0")
      .Saw("kms_client", "the same id on", facts.estate.Find(*sharing->begin())->name)
      .Build();
}

constexpr Rule kRules[] = {
    {Stage::kFact, &DuplicateCmid},     {Stage::kFact, &NoRearmLeft},
    {Stage::kFact, &MakUntilCount},     {Stage::kFact, &ActivationLimit},
    {Stage::kCause, &EditionNotVolume}, {Stage::kCause, &KeyWrongEdition},
    {Stage::kCause, &KeyNotGvlk},
};

}  // namespace

std::span<const Rule> ClientKeyRules() { return kRules; }

}  // namespace keymedic::kms
