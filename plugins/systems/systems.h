// SPDX-License-Identifier: Apache-2.0
//
// The seams to a machine. A role plugin sees a machine only through these interfaces, so the same
// plugin runs on Windows, in the lab and under test. They speak in the section messages of
// keymedic.v1: there is one vocabulary for state.
//
// Life cycle and threads: a Systems is made when its plugin is created, used from the plugin's one
// thread, and destroyed with it.
// Errors: kUnavailable when the machine's service does not answer (worth trying again),
// kNotFound when the thing does not exist here, kUnimplemented when this kind of machine has no
// such thing, kPermissionDenied, kInvalidArgument. A refusal by the licensing service is not an
// error of the seam: it comes back as its HRESULT. Every implementation passes the conformance
// suite in systems_conformance.h.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_H_

#include <google/protobuf/map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/product_key.h"
#include "keymedic/v1/event.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::systems {

// 0, or the HRESULT with which the licensing service refused (0xC004F069).
using Hresult = uint32_t;

// Licensing: SoftwareLicensingService and SoftwareLicensingProduct.
class LicensingSystem {
 public:
  virtual ~LicensingSystem() = default;

  // What the service knows now. Attempts, observations, publications and requests are left empty:
  // the plugins fill them from the event log.
  virtual absl::StatusOr<v1::LicensingSection> Licensing() = 0;
  virtual absl::StatusOr<v1::KmsClientSection> Client() = 0;
  virtual absl::StatusOr<v1::KmsHostSection> Host() = 0;  // kNotFound: not a KMS host

  virtual absl::StatusOr<Hresult> InstallKey(const ProductKey& key) = 0;
  // One attempt to activate the product, as `slmgr /ato` makes one. `activation_id` empty: Windows.
  virtual absl::StatusOr<Hresult> Activate(absl::string_view activation_id) = 0;
  virtual absl::StatusOr<Hresult> SetKmsHost(absl::string_view host, uint32_t port) = 0;
  virtual absl::StatusOr<Hresult> ClearKmsHost() = 0;
  virtual absl::StatusOr<Hresult> SetHostCaching(bool enabled) = 0;
  virtual absl::StatusOr<Hresult> SetActivationType(v1::ActivationType type) = 0;
  virtual absl::StatusOr<Hresult> SetListeningPort(uint32_t port) = 0;
  virtual absl::StatusOr<Hresult> SetDnsPublishing(bool enabled) = 0;
  // New client machine id after the next restart.
  virtual absl::StatusOr<Hresult> Rearm() = 0;
  // Was Rearm called since the machine started last? Nothing else shows it: until the restart the
  // old id stays.
  virtual absl::StatusOr<bool> RearmPending() = 0;
};

class EventLog {
 public:
  virtual ~EventLog() = default;
  struct Batch {
    std::vector<v1::EventRecord> events;  // oldest first, record id > after
    uint64_t last_record_id = 0;          // bookmark for the next read; `after` if nothing was read
  };
  // At most `limit` records behind the bookmark. If the log was cleared or has wrapped past the
  // bookmark, starts at the oldest record that is there.
  virtual absl::StatusOr<Batch> Read(absl::string_view channel, uint64_t after, size_t limit) = 0;
  // How large the channel may grow before it overwrites its oldest records.
  virtual absl::Status SetMaxBytes(absl::string_view channel, uint64_t bytes) = 0;
};

inline constexpr char kWindowsKmsRule[] = "SPPSVC-In-TCP";
inline constexpr char kOwnRulePrefix[] = "KeyMedic-";

class Firewall {
 public:
  virtual ~Firewall() = default;
  // The inbound rules that concern this TCP port: the rule of Windows for KMS and KeyMedic's own
  // always, others only if they name the port, and of blocks those that are enabled and meant for
  // every address. Rules are named by identities that are never translated.
  virtual absl::StatusOr<v1::FirewallSection> Read(uint32_t port) = 0;
  virtual absl::Status SetRuleEnabled(absl::string_view rule_id, bool enabled) = 0;
  virtual absl::Status AddInboundRule(const v1::FirewallRule& rule) = 0;
  virtual absl::Status RemoveRule(absl::string_view rule_id) = 0;
};

class Names {
 public:
  virtual ~Names() = default;
  virtual absl::StatusOr<std::vector<std::string>> SearchSuffixes() = 0;
  // Never an error for what a name server may say: the answer carries it.
  virtual v1::SrvAnswer LookupSrv(absl::string_view name) = 0;
};

class Services {
 public:
  virtual ~Services() = default;
  struct State {
    bool running = false;
    bool disabled = false;
  };
  virtual absl::StatusOr<State> Query(absl::string_view name) = 0;
  virtual absl::Status SetDisabled(absl::string_view name, bool disabled) = 0;
  virtual absl::Status Restart(absl::string_view name) = 0;
};

class EndpointProbe {
 public:
  virtual ~EndpointProbe() = default;
  // One connection, one RPC bind, no request: no event, no count. At most 5 s.
  virtual v1::Probe Bind(absl::string_view host, uint32_t port) = 0;
};

// The machine itself and its clock.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual absl::StatusOr<v1::OsSection> Os() = 0;  // with the skew, if a reference can be asked
  virtual absl::Status SynchroniseClock() = 0;
  virtual absl::Status Restart() = 0;
};

struct Systems {
  std::unique_ptr<Machine> machine;
  std::unique_ptr<LicensingSystem> licensing;
  std::unique_ptr<EventLog> events;
  std::unique_ptr<Firewall> firewall;
  std::unique_ptr<Names> names;
  std::unique_ptr<Services> services;
  std::unique_ptr<EndpointProbe> probe;
};

// `system` is PluginConfig.system:
//   "local"                       this machine. On an operating system without volume activation
//   the
//                                 licensing seams answer kUnimplemented with a sentence that says
//                                 so.
//   "lab:unix:/path#pc-017"       machine pc-017 of the lab that `keymedic lab serve` offers there.
//   "lab:tcp:127.0.0.1:41231#pc-017"  the same of one that listens at that loopback address.
//   "lab:inprocess:NAME#pc-017"   the same of a lab in this process (lab_in_process.h).
// `settings` is PluginConfig.settings; of it, "name_servers" ("127.0.0.1:5353,[::1]:53") says whom
// "local" asks for names instead of the machine's own name servers.
using Settings = google::protobuf::Map<std::string, std::string>;
absl::StatusOr<Systems> OpenSystems(absl::string_view system, const Settings& settings = {});

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_SYSTEMS_H_
