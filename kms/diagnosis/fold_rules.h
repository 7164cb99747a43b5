// SPDX-License-Identifier: Apache-2.0
//
// Which code may follow from which, and where the cause stands: one table, for fold.cc.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_FOLD_RULES_H_
#define KEYMEDIC_KMS_DIAGNOSIS_FOLD_RULES_H_

#include "absl/strings/string_view.h"

namespace keymedic::kms {

enum class Where {
  kSameMachine,
  kItsCure,    // the same machine, if what treats the cause treats this, too
  kItsHost,    // the KMS host that the machine asks
  kItsPath,    // a host that it could ask, if it reaches none and all that it tries have a cause
  kItsKey,     // its host, if no key of it covers what waits for it
  kShortHost,  // its host, if its count is under what this machine needs
  kZoneHost,   // a KMS host in the machine's DNS domain, if nobody is told of a record there
  kSameId,     // the first machine with the same client machine id
  kItsClones,  // the first of those machines that ask this host with one id
  kItsRecord,  // an SRV record that names the host that the machine asks
  kItsPool,    // a pool of hosts that this host belongs to
  kAwaited,    // the same machine, if enough clients would ask it but for that
  kLacked,     // the same machine, if its clones, parted, are what its count lacks
  kWrongPort,  // the same machine, if nobody who does not reach it asks where it listens
};

struct FoldRule {
  absl::string_view follower;
  Where where;
  absl::string_view cause;
};

// What nobody reaches a host for; the surest first.
inline constexpr absl::string_view kPathCauses[] = {
    "HOST_SERVICE_STOPPED", "HOST_FIREWALL_CLOSED", "HOST_PORT_MISMATCH",
    "HOST_NOT_LICENSED",    "HOST_UNREACHABLE",     "HOST_REQUEST_NOT_SEEN",
};

// In order: the first cause that is there is taken.
inline constexpr FoldRule kFoldRules[] = {
    {"CLIENT_DUPLICATE_CMID", Where::kSameId, "CLIENT_DUPLICATE_CMID"},
    {"CLIENT_DUPLICATE_CMID", Where::kItsClones, "CLIENT_DUPLICATE_CMID"},
    {"CLIENT_NO_REARM_LEFT", Where::kSameId, "CLIENT_DUPLICATE_CMID"},
    // Who may not ask a host was not refused by one.
    {"CLIENT_NEVER_ACTIVATED", Where::kSameMachine, "CLIENT_ACTIVATION_TYPE_LIMITED"},
    {"CLIENT_GRACE_EXPIRING", Where::kSameMachine, "CLIENT_ACTIVATION_TYPE_LIMITED"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_ACTIVATION_TYPE_LIMITED"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kSameMachine, "CLIENT_ACTIVATION_TYPE_LIMITED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kSameMachine, "CLIENT_DNS_NO_SERVER"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_SERVICE_STOPPED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_PORT_MISMATCH"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_NOT_LICENSED"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_UNREACHABLE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsPath, "HOST_REQUEST_NOT_SEEN"},
    {"CLIENT_HOST_UNREACHABLE", Where::kSameMachine, "CLIENT_HOST_OVERRIDE"},
    {"CLIENT_HOST_UNREACHABLE", Where::kItsRecord, "DNS_SRV_STALE"},
    // A setting that leads nowhere.
    {"CLIENT_HOST_UNSANCTIONED", Where::kSameMachine, "CLIENT_HOST_OVERRIDE"},
    {"CLIENT_HOST_UNSANCTIONED", Where::kItsRecord, "DNS_SRV_UNSANCTIONED"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_EDITION_CANNOT_HOST"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_KEY_MISMATCH"},
    {"CLIENT_HOST_KEY_MISMATCH", Where::kItsHost, "HOST_SERVICE_OUTDATED"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_STUCK"},
    {"CLIENT_COUNT_TOO_LOW", Where::kItsHost, "HOST_COUNT_ZERO"},
    {"CLIENT_MAK_UNTIL_COUNT", Where::kItsHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_DNS_NO_SRV", Where::kSameMachine, "CLIENT_LOOKUP_DOMAIN_WRONG"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_DNS_PUBLISH_FAILED"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_DNS_PUBLISHING_OFF"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_SERVICE_STOPPED"},
    {"CLIENT_DNS_NO_SRV", Where::kZoneHost, "HOST_SRV_MISSING"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsPath, "HOST_SERVICE_STOPPED"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsPath, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsPath, "HOST_PORT_MISMATCH"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsPath, "HOST_NOT_LICENSED"},
    {"CLIENT_NEVER_ACTIVATED", Where::kItsKey, "HOST_KEY_MISMATCH"},
    {"CLIENT_NEVER_ACTIVATED", Where::kShortHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_NEVER_ACTIVATED", Where::kShortHost, "HOST_COUNT_STUCK"},
    {"CLIENT_GRACE_EXPIRING", Where::kSameMachine, "CLIENT_NEVER_ACTIVATED"},
    {"CLIENT_GRACE_EXPIRING", Where::kSameMachine, "CLIENT_HARDWARE_CHANGED"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsPath, "HOST_SERVICE_STOPPED"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsPath, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsPath, "HOST_PORT_MISMATCH"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsPath, "HOST_NOT_LICENSED"},
    {"CLIENT_GRACE_EXPIRING", Where::kItsKey, "HOST_KEY_MISMATCH"},
    {"CLIENT_GRACE_EXPIRING", Where::kShortHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_GRACE_EXPIRING", Where::kShortHost, "HOST_COUNT_STUCK"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_NEVER_ACTIVATED"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_HARDWARE_CHANGED"},
    {"CLIENT_NOT_LICENSED", Where::kSameMachine, "CLIENT_GRACE_EXPIRING"},
    {"CLIENT_NOT_LICENSED", Where::kItsPath, "HOST_SERVICE_STOPPED"},
    {"CLIENT_NOT_LICENSED", Where::kItsPath, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_NOT_LICENSED", Where::kItsPath, "HOST_PORT_MISMATCH"},
    {"CLIENT_NOT_LICENSED", Where::kItsPath, "HOST_NOT_LICENSED"},
    {"CLIENT_NOT_LICENSED", Where::kItsKey, "HOST_KEY_MISMATCH"},
    {"CLIENT_NOT_LICENSED", Where::kShortHost, "HOST_COUNT_TOO_LOW"},
    {"CLIENT_NOT_LICENSED", Where::kShortHost, "HOST_COUNT_STUCK"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsPath, "HOST_SERVICE_STOPPED"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsPath, "HOST_FIREWALL_CLOSED"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsPath, "HOST_PORT_MISMATCH"},
    {"CLIENT_RENEWAL_OVERDUE", Where::kItsPath, "HOST_NOT_LICENSED"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_UNREACHABLE", Where::kWrongPort, "HOST_PORT_MISMATCH"},
    {"HOST_UNREACHABLE", Where::kSameMachine, "HOST_NOT_LICENSED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kWrongPort, "HOST_PORT_MISMATCH"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_NOT_LICENSED"},
    {"HOST_REQUEST_NOT_SEEN", Where::kSameMachine, "HOST_UNREACHABLE"},
    // On the port that it should listen on, the firewall may be open.
    {"HOST_FIREWALL_CLOSED", Where::kItsCure, "HOST_PORT_MISMATCH"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_SRV_MISSING", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_EDITION_CANNOT_HOST"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_SERVICE_OUTDATED"},
    {"HOST_NOT_LICENSED", Where::kSameMachine, "HOST_ACTIVATION_LIMIT"},
    {"HOST_REQUESTS_FAILING", Where::kSameMachine, "HOST_KEY_MISMATCH"},
    {"HOST_KEY_MISMATCH", Where::kSameMachine, "HOST_EDITION_CANNOT_HOST"},
    {"HOST_KEY_MISMATCH", Where::kSameMachine, "HOST_SERVICE_OUTDATED"},
    {"HOST_COUNT_STUCK", Where::kItsClones, "CLIENT_DUPLICATE_CMID"},
    // Enough different ids in the pool: those that are shared are not what it lacks.
    {"HOST_COUNT_TOO_LOW", Where::kItsPool, "HOST_COUNT_SPLIT"},
    {"HOST_COUNT_TOO_LOW", Where::kLacked, "HOST_COUNT_STUCK"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_NOT_LICENSED"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_UNREACHABLE"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_SRV_MISSING"},
    {"HOST_COUNT_TOO_LOW", Where::kAwaited, "HOST_KEY_MISMATCH"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_SERVICE_STOPPED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_FIREWALL_CLOSED"},
    {"HOST_COUNT_ZERO", Where::kWrongPort, "HOST_PORT_MISMATCH"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_NOT_LICENSED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISH_FAILED"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_DNS_PUBLISHING_OFF"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_UNREACHABLE"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_SRV_MISSING"},
    {"HOST_COUNT_ZERO", Where::kSameMachine, "HOST_KEY_MISMATCH"},
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_FOLD_RULES_H_
