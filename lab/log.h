// SPDX-License-Identifier: Apache-2.0
//
// One event-log channel of a simulated machine: bounded; overwrites its oldest records unless it
// was told not to; record ids never repeat. Not synchronised: the World's lock covers it.
#ifndef KEYMEDIC_LAB_LOG_H_
#define KEYMEDIC_LAB_LOG_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "keymedic/v1/event.pb.h"

namespace keymedic::lab {

class Log {
 public:
  // Bounded by records, by bytes, or both; 0: not bounded so.
  Log(std::string channel, std::string computer, size_t max_records, uint64_t max_bytes)
      : channel_(std::move(channel)),
        computer_(std::move(computer)),
        max_records_(max_records),
        max_bytes_(max_bytes) {}

  void Write(uint32_t event_id, absl::Time at, std::vector<std::string> data);
  // At most `limit` records with an id above `after`, oldest first; from the oldest record on when
  // the log was emptied since `after` was read.
  std::vector<keymedic::v1::EventRecord> Read(uint64_t after, size_t limit) const;
  // As a new installation: empty, and counting from 1 again.
  void Reset();

  // A larger size also lets the log overwrite its oldest records again.
  void SetMaxBytes(uint64_t bytes);
  // From now on a full log drops what comes, until it is made larger.
  void StopOverwriting(uint64_t max_bytes);
  uint64_t max_bytes() const { return max_bytes_; }
  bool full() const { return full_; }
  bool overwritten() const { return overwritten_; }  // older records went to make room
  bool empty() const { return records_.empty(); }
  absl::Time oldest() const {
    return records_.empty() ? absl::InfiniteFuture() : records_.front().at;
  }

 private:
  struct Record {
    uint64_t id;
    uint32_t event_id;
    absl::Time at;
    std::vector<std::string> data;
    uint64_t bytes;
  };
  void Trim();

  std::string channel_;
  std::string computer_;
  size_t max_records_;
  uint64_t max_bytes_;
  std::deque<Record> records_;
  uint64_t next_id_ = 1;
  uint64_t bytes_ = 0;
  bool overwrite_ = true;
  bool full_ = false;  // a record was dropped
  bool overwritten_ = false;
};

inline constexpr char kApplicationChannel[] = "Application";
inline constexpr char kKmsChannel[] = "Key Management Service";

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_LOG_H_
