// SPDX-License-Identifier: Apache-2.0
//
// The knowledge as data: rows of kms/data/*.csv, compiled in by cmake/embed_csv.cmake. Look-ups are
// by value and ignore case. All functions are pure and may be called from any thread; the rows live
// for ever.
#ifndef KEYMEDIC_KMS_TABLES_H_
#define KEYMEDIC_KMS_TABLES_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::kms {

// kms/data/gvlk.csv: Microsoft's published client setup keys (public; not a secret).
struct Gvlk {
  absl::string_view product, edition, key, partial_key, family;
};
std::span<const Gvlk> Gvlks();
const Gvlk* FindGvlkByPartial(absl::string_view partial_key);

// kms/data/sku_ids.csv: what an activation id stands for.
enum class SkuRole { kClient, kHost, kRetail, kNoVolumeKey };
struct Sku {
  absl::string_view activation_id, product, application_id, family, gvlk_partial;
  SkuRole role;
  uint32_t required_count;  // threshold of a client; 0 if unknown or not a client
};
const Sku* FindSku(absl::string_view activation_id);
const Sku* FindSkuByGvlkPartial(absl::string_view partial_key);

// kms/data/editions.csv: which client key belongs to an installed edition. `edition_id` is the
// registry's EditionID ("Enterprise", "ServerStandard"); `build` the Windows build.
// Null if the edition has no volume key or is not known; `has_volume_key` tells which.
struct Edition {
  absl::string_view edition_id, gvlk_partial, note;
  uint32_t first_build, last_build;
  bool has_volume_key, is_server;
};
const Edition* FindEdition(absl::string_view edition_id, uint32_t build);
// The client setup key for that edition, null if there is none.
const Gvlk* GvlkForEdition(absl::string_view edition_id, uint32_t build);

// kms/data/errors.csv.
struct ErrorRow {
  uint32_t code;
  absl::string_view symbol, meaning, action, applies_to, source, confidence;
};
std::span<const ErrorRow> ErrorRows();
const ErrorRow* FindError(uint32_t code);
// "0xC004F074", "c004f074", "3221549172", "-1073418124".
std::optional<uint32_t> ParseErrorCode(absl::string_view text);
std::string Hex(uint32_t code);                 // "0xC004F074"
absl::string_view ErrorMeaning(uint32_t code);  // "" if not known

// kms/data/findings.csv: the catalogue.
struct FindingRow {
  absl::string_view code;
  v1::Severity severity;
  absl::string_view title, explanation, looks_at, treatments, why_untreatable, reference;
};
std::span<const FindingRow> FindingRows();
const FindingRow* FindFinding(absl::string_view code);

// kms/data/treatments.csv: actions, in the order in which they are done on one machine.
struct TreatmentRow {
  absl::string_view action, plugin, title;
  uint32_t order;
  bool needs_approval;
  bool on_host;  // treats a KMS host, before its clients
  // Parameters, split by ';', with which the action does all that it does without them, and more.
  absl::string_view adds = {};
  // Within which its findings are gone: DNS is cached, a machine restarts. 0: at the next look.
  uint32_t verify_minutes = 0;
};
std::span<const TreatmentRow> TreatmentRows();
const TreatmentRow* FindTreatment(absl::string_view action);

// kms/data/constants.csv and the coverage table (which host key group serves which products).
inline constexpr uint32_t kDefaultPort = 1688;
// To which a host's log is enlarged: weeks of requests of a busy one.
inline constexpr uint64_t kAmpleLogBytes = uint64_t{64} << 20;
// kms/data/host_systems.csv: which Windows builds take a host key, and what they need for it.
struct HostSystem {
  absl::string_view host_family, update;  // `update`: what brings an older build there, in words
  uint32_t build;
  uint32_t revision;  // the first of that build that takes it; 0: every one does, or not known
};
// Null if the table does not know that key on that build.
const HostSystem* FindHostSystem(absl::string_view host_sku_family, uint32_t build);
// The oldest build that takes the key; 0: not known.
uint32_t OldestBuildFor(absl::string_view host_sku_family);
// kms/data/host_channels.csv: of "VOLUME_KMS_WS22", as descriptions say it; "" if not known.
absl::string_view HostFamilyOfChannel(absl::string_view channel);
bool IsHostFamilyCovered(absl::string_view host_sku_family);  // does the coverage table know it?
bool HostKeyCovers(absl::string_view host_sku_family, absl::string_view client_sku_family);
// Is this host name or address a cloud's own KMS endpoint? Its cloud, or "".
absl::string_view CloudOfHost(absl::string_view host_or_address);
// kms/data/cloud_paths.csv: what to do when a machine does not reach its cloud's endpoint.
absl::string_view CloudPathAdvice(absl::string_view cloud);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_TABLES_H_
