// SPDX-License-Identifier: Apache-2.0
//
// The state of one simulated Windows machine. Plain data: what happens to it stands in client.h
// (activation), changes.h (what an administrator does) and faults.h.
// Not synchronised: the World's lock covers it.
#ifndef KEYMEDIC_LAB_MACHINE_H_
#define KEYMEDIC_LAB_MACHINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "keymedic/v1/section.pb.h"
#include "lab/kms_host.h"
#include "lab/log.h"

namespace keymedic::lab {

// The key that is installed, and how far it is activated.
struct ProductState {
  std::string activation_id;
  std::string channel;      // "VOLUME_KMSCLIENT"
  std::string key_channel;  // "Volume:GVLK"
  std::string partial_key;
  std::string family;  // of a GVLK's product; of a CSVLK its host family
  std::string extended_pid;
  uint32_t required_count = 0;
  keymedic::v1::LicenseStatus status = keymedic::v1::LICENSE_STATUS_INITIAL_GRACE;
  uint32_t reason = 0;
  bool genuine = true;
  uint32_t refusal = 0;  // what Microsoft answers to this key; 0: it activates it
  absl::Time ends = absl::InfiniteFuture();  // of the present status

  bool is_gvlk() const { return channel == "VOLUME_KMSCLIENT"; }
  bool is_csvlk() const { return key_channel == "Volume:CSVLK"; }
};

struct ClientState {
  std::string machine_id;
  std::string registered_host;
  uint32_t registered_port = 0;
  std::string lookup_domain;  // the only domain in which it looks; empty: its suffixes
  std::string found_host;     // the last one found through DNS
  uint32_t found_port = 0;
  bool remembers_found = false;  // it answered once, so it is asked first
  std::string host_address;
  std::string host_extended_pid;
  std::string activated_by;      // the machine behind that id, by name
  std::string directory_object;  // an activation object that its directory has for it; empty: none
  bool host_caching = true;
  keymedic::v1::ActivationType type = keymedic::v1::ACTIVATION_TYPE_ALL;
  std::optional<absl::Time> last_activation;
  bool by_directory = false;    // that was
  uint32_t last_error = 0;      // of the newest attempt
  std::string unanswered_host;  // whom its newest request was for, if nobody got it
  absl::Time unanswered_at;
  bool automatic = true;      // Windows tries by itself
  uint64_t attempt_turn = 0;  // the one scheduled attempt that counts; older ones are void
};

struct Machine {
  Machine(std::string machine_name, std::string dns_domain, uint64_t seed, size_t log_records)
      : name(std::move(machine_name)),
        domain(std::move(dns_domain)),
        random(seed),
        application(kApplicationChannel, name + "." + domain, log_records, 0) {}

  std::string fqdn() const { return name + "." + domain; }
  // What this machine's clock says.
  absl::Time Local(absl::Time now) const { return now + clock_error; }
  const keymedic::v1::FirewallRule* FindRule(absl::string_view id) const;

  std::string name;
  std::string domain;
  std::string site;
  int32_t utc_offset_minutes = 0;
  std::string address;
  std::vector<std::string> suffixes;  // the primary one first; never empty
  std::string edition_id;
  uint32_t build = 0;
  uint32_t revision = 0;
  bool is_server = false;
  bool is_virtual = false;
  absl::Duration clock_error;
  SeededRandom random;

  bool installed = false;  // false: not bought yet
  uint32_t rearms_left = 1001;
  bool rearm_pending = false;
  bool service_running = true;
  bool service_disabled = false;
  std::vector<keymedic::v1::FirewallRule> rules;
  std::string active_profile = "domain";  // of its firewall
  bool no_name_server = false;
  bool outbound_blocked = false;  // what it sends to a KMS port is dropped on the way
  bool foreign = false;           // somebody else's: a cloud's or a rogue host, without an agent

  std::map<std::string, uint64_t> effects;  // by the name that lab/v1/machine.proto gives them

  std::optional<absl::Time> agent_silent_since;
  std::string quarantined_plugin;

  ProductState product;
  ClientState client;
  std::unique_ptr<KmsHost> host;  // null: not a KMS host
  Log application;
};

// Why a product is not licensed.
inline constexpr uint32_t kReasonAdditionalGrace = 0x4004F00D;
inline constexpr uint32_t kReasonHardware = 0xC004F00F;
inline constexpr uint32_t kReasonNonGenuine = 0xC004F200;

inline constexpr char kLicensingService[] = "sppsvc";
inline constexpr char kKmsRule[] = "SPPSVC-In-TCP";
inline constexpr char kWindowsApplicationId[] = "55c92734-d682-4d71-983e-d6ec3f16059f";

// Activation ids and channels of host keys, by family; null if the family is not known.
struct HostKeyFamily {
  absl::string_view family, activation_id, channel;
};
const HostKeyFamily* FindHostKeyFamily(absl::string_view family);
std::string HostKeyFamilies();  // "Windows Server 2025, Windows Server 2022 ..."

// The last five characters of a made-up key.
std::string MakePartialKey(Random& random);
// In the shape of the real ones: build and day of the activation are readable in it.
std::string MakeExtendedPid(Random& random, uint32_t build, absl::Time activated);

// The product for which Windows is set up by its own client key, in its initial grace.
// An edition without a volume key comes with the manufacturer's key, licensed for good.
ProductState MakeClientProduct(Machine& machine, absl::Time now);
ProductState MakeGvlkProduct(Machine& machine, absl::string_view partial_key, absl::Time now);
ProductState MakeMakProduct(Machine& machine);
ProductState MakeRetailProduct(Machine& machine);
ProductState MakeOemProduct(Machine& machine);
ProductState MakeHostProduct(Machine& machine, const HostKeyFamily& family,
                             absl::string_view partial_key, absl::Time now);

// Where the product stands at `now`: Licensed ends in additional grace, grace in notification.
void RefreshProduct(ProductState& product, absl::Time now);

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_MACHINE_H_
