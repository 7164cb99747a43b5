// SPDX-License-Identifier: Apache-2.0
//
// What the controller has not yet said to be durable of the event logs. Offline is normal, so it is
// bounded: the oldest events go first, and are counted.
// With the events go the bookmarks of their channels, in one transaction: collection goes on after
// the last record that is durable here.
//
// Life cycle: tables are made by Open in the database that is passed in (shared with the journal).
// Threads: the database's, one at a time.
// Errors: kResourceExhausted when the disk is full: then nothing was written, bookmarks neither,
// and the same events are read again with the next round.
#ifndef KEYMEDIC_AGENT_OUTBOX_H_
#define KEYMEDIC_AGENT_OUTBOX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sqlite.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "keymedic/v1/event.pb.h"

namespace keymedic::agent {

class Outbox {
 public:
  // A stretch of the log, oldest first.
  struct Events {
    int64_t last_id = 0;  // to go on after, and to acknowledge
    std::vector<v1::EventRecord> records;
  };

  static absl::StatusOr<Outbox> Open(Database& database, uint64_t max_bytes);

  absl::Status Add(const google::protobuf::RepeatedPtrField<v1::EventRecord>& events,
                   const google::protobuf::RepeatedPtrField<v1::EventBookmark>& bookmarks);
  absl::StatusOr<std::vector<v1::EventBookmark>> Bookmarks();
  absl::StatusOr<Events> EventsAfter(int64_t id, int max_count, uint64_t max_bytes);
  absl::Status AcknowledgeEvents(int64_t last_id);
  // The controller holds `stored` durably: what it has already is not sent again, and a channel of
  // which it holds less than was ever sent (a new controller holds nothing) is read again from
  // there.
  absl::Status Reconcile(const google::protobuf::RepeatedPtrField<v1::EventBookmark>& stored);

  // Events lost and not yet reported; ReportedDropped takes off what was.
  absl::StatusOr<uint64_t> Dropped();
  absl::Status ReportedDropped(uint64_t count);

  absl::StatusOr<uint64_t> bytes();

 private:
  Outbox(Database& database, uint64_t max_bytes) : database_(&database), max_bytes_(max_bytes) {}

  absl::Status InsertEvents(const google::protobuf::RepeatedPtrField<v1::EventRecord>& events);
  absl::Status StoreBookmark(const v1::EventBookmark& bookmark);
  absl::StatusOr<bool> Holds(const std::string& channel);
  absl::Status DropOldest();
  absl::Status DeleteUpTo(int64_t last_id);

  Database* database_;
  uint64_t max_bytes_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_OUTBOX_H_
