// SPDX-License-Identifier: Apache-2.0
//
// From event-log records to state. Used by the plugins, on what a log gives, and by the capture
// readers, on what people paste: events are understood in one place.
#ifndef KEYMEDIC_KMS_EVENTS_H_
#define KEYMEDIC_KMS_EVENTS_H_

#include <span>

#include "keymedic/v1/event.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::kms {

// True for the providers and ids that mean something here; whole logs hold thousands of others.
bool IsLicensingEvent(const v1::EventRecord& event);

// Folds client-side records (12288, 12289, 8198, 8196, 8208, 8209, 12308, 12321 ...) into `client`
// and `licensing`. Newest wins; what is already there and older is kept up to the stated limits, so
// records may come in pieces. A payload with more or fewer fields than known gives what it has.
// A 12288 counts as not answered if it has a record id (it was read out of a log, where its answer
// would stand too) or comes beside other 12289s; clear the record id of what was pasted alone.
void FoldClientEvents(std::span<const v1::EventRecord> events, v1::KmsClientSection& client,
                      v1::LicensingSection& licensing);

// Folds host-side records (12290 by CMID, 12293, 12294) into `host`.
void FoldHostEvents(std::span<const v1::EventRecord> events, v1::KmsHostSection& host);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_EVENTS_H_
