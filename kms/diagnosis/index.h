// SPDX-License-Identifier: Apache-2.0
//
// What an Estate knows besides the machines themselves: who shares a machine id, who is called
// what, what name servers say, who cannot reach whom, and the few facts about the whole pool of
// hosts that rules of single machines look at. Kept up to date by Upsert and Remove, so that no
// rule ever walks the estate.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_
#define KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "kms/diagnosis/diagnosis.h"

namespace keymedic::kms {

// Of machines: views of their keys in Index::machines.
using Ids = absl::btree_set<absl::string_view>;
using Tallies = absl::btree_map<std::string, uint32_t>;  // how many say so

// What machines see of one host, by the name or address that they use for it.
struct Target {
  Ids failing;                     // their probe of it fails
  Ids reaching;                    // their probe of it succeeds
  Ids listed_by;                   // an SRV record tells them of it
  Ids unresolved_by;               // they find no address for it
  Ids unanswered;                  // their newest request (event 12288) to it was not answered
  std::map<uint32_t, Ids> pinned;  // registered on them, by port
  std::map<uint32_t, uint32_t> srv_ports;  // port -> how many answers say so
  Tallies zones;                           // SRV name -> how many answers name this target there
  Tallies addresses;                       // that answers give for it -> how many do
  Ids users;                               // clients that use this host
  Ids told_short;                          // of those, whom it answered that its count is too low
  Ids activated;  // it was the last to activate them, but they use another one now
  // Families of client keys (kms/data/sku_ids.csv) that wait for this host -> how many products.
  Tallies waiting;

  bool empty() const;
};

// One DNS domain: what name servers say of its SRV name, and who belongs to it.
struct Zone {
  uint32_t served = 0;             // how many machines are told of records
  Ids unserved;                    // they are told that there is none
  Ids hosts;                       // KMS hosts that publish there: by their domain, or their list
  Ids mak_users;                   // machines on a MAK that would look for a host there
  std::map<int, uint32_t> counts;  // of its hosts, at most 25 -> how many have it

  bool asked() const { return served > 0 || !unserved.empty(); }  // and did name servers answer?
  bool empty() const;
};

// What rules of single machines want to know of all hosts together.
struct Pool {
  std::optional<int> best_count;  // the highest count of any host, at most 25; absent: none known
  int mak_users = 0;              // that a client key would add to it, at most 25
  bool directory = false;         // some machine is activated by the directory
  std::string only_host;          // id of the only host; empty: none or several

  bool operator==(const Pool&) const = default;
};

inline constexpr int64_t kSecondsOfDay = 86400;

struct Estate::Index {
  absl::node_hash_map<std::string, MachineState> machines;  // by id
  absl::flat_hash_map<std::string, Ids> by_cmid;            // lower case
  absl::flat_hash_map<std::string, Ids> by_name;            // as NamesOf gives them
  absl::flat_hash_map<std::string, Target> targets;
  Ids hosts;                                     // KMS hosts
  Ids directory_users;                           // activated by the directory
  Ids mak_users;                                 // on a MAK
  std::map<int, uint32_t> counts;                // of hosts, at most 25 -> how many have it
  Ids without_srv;                               // told that there is no SRV record
  std::map<int64_t, Ids> expiries;               // by the day until which they are licensed
  absl::flat_hash_map<std::string, Zone> zones;  // by domain, lower case
  // Extended PIDs as PidKey gives them: of whose host key, and of whose last activation.
  absl::flat_hash_map<std::string, Ids> host_pids, pid_users;
  // Addresses that answers give, and for which target -> how many answers do.
  absl::flat_hash_map<std::string, Tallies> aliases;
  // Hosts whose events show several names with one machine id, by each of these names, short.
  absl::flat_hash_map<std::string, Ids> named_clones;
  absl::flat_hash_map<std::string, Ids> rejecting;  // hosts that rejected it, by machine id
  Pool pool;
  // Targets that are full names, by their first label: a machine that does not tell its domain is
  // found by that.
  absl::flat_hash_map<std::string, absl::btree_set<std::string>> full_targets;

  // All that others see of this machine, under each of its names.
  std::vector<const Target*> TargetsOf(const MachineState& machine) const;
};

// The machine that a client means by this name: one that is called so, or the one whose address
// name servers give for it. Null if none or several fit.
const MachineState* FindHost(const Estate& estate, absl::string_view host);

// The client's newest attempt, unless it was activated after it: then it tells nothing any more.
const v1::ActivationAttempt* CurrentAttempt(const v1::KmsClientSection& client);
// The client's newest request that succeeded; null: none is known.
const v1::ActivationAttempt* LastSuccess(const v1::KmsClientSection& client);
// The host that the client uses: pinned, or of its current attempt, or found through DNS; empty:
// not known. The port may be 0: not known.
std::pair<absl::string_view, uint32_t> HostInUse(const v1::KmsClientSection& client);

// "_vlmcs._tcp.Contoso.example." -> "contoso.example".
std::string DomainOf(absl::string_view srv_name);
// The domains in which a client looks for a host: the one it is pinned to, or its own and its
// search list.
std::vector<std::string> DomainsOf(const MachineState& client);
// The domains in which a host is to be found.
std::vector<std::string> PublishedDomainsOf(const MachineState& host);
// The part of an extended PID that stays what it is as long as the host key does; empty: none.
std::string PidKey(absl::string_view extended_pid);
// The counts that a host must reach: for Windows on desktops; for Windows Server, Office, Project
// and Visio.
inline constexpr int kDesktopThreshold = 25;
inline constexpr int kServerThreshold = 5;
// No host remembers more clients than that, whoever asks.
inline constexpr int kCountCeiling = 2 * kDesktopThreshold;
// The count of a host; absent: not known, or impossible.
std::optional<int> CountOf(const v1::KmsHostSection& host);
// The count that a client asked for; 0: not known.
uint32_t RequiredBy(const v1::RequestSummary& request);
// The highest count among those that are known to ask; 0 if none is known.
int RequiredCount(const v1::KmsHostSection& host);
// The day on which the key of an extended PID was activated, in seconds; absent: not known.
std::optional<int64_t> PidDay(absl::string_view extended_pid);
// "PC-1.contoso.example" -> "pc-1".
std::string ShortName(absl::string_view name);

// Is it known to have no rearm left, with which it would get another machine id?
bool HasNoRearm(const MachineState& machine);

// Zeros stand for an id that is not there, or that somebody removed.
bool IsMachineId(absl::string_view id);

// Lower case, without the dot that may end a full name.
std::string HostKey(absl::string_view host);
// The names and addresses others may use for it, as keys: its name first, then its other name (the
// full one if its domain is known, or the short one), then addresses.
std::vector<std::string> NamesOf(const MachineState& machine);
// How to tell a client of this host: its full name, if that is known.
std::string FullNameOf(const MachineState& machine);

// Holds a host key, says that it serves, or was seen to.
bool IsKmsHost(const MachineState& machine);
// Were name servers asked, and do all of them say that there is no record?
bool IsToldNoSrv(const v1::NamesSection& names);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_INDEX_H_
