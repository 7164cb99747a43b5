// SPDX-License-Identifier: Apache-2.0
//
// Events as logs and people give them, for tests.
#ifndef KEYMEDIC_KMS_EVENTS_TESTING_H_
#define KEYMEDIC_KMS_EVENTS_TESTING_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/events.h"

namespace keymedic::kms {

inline constexpr char kCmid[] = "36f27b39-2fd5-440b-be67-a09996d27a38";
inline constexpr char kOtherCmid[] = "11111111-2222-3333-4444-555555555555";
inline constexpr char kSku[] = "68531fb9-5511-4989-97be-d11a0f55633f";
inline constexpr char kSpp[] = "Microsoft-Windows-Security-SPP";
inline constexpr int64_t kNoon = 1'760'000'000;

// As people paste it: no time, no record id.
inline v1::EventRecord Pasted(uint32_t id, std::vector<std::string> data) {
  v1::EventRecord event;
  event.set_event_id(id);
  event.set_provider(kSpp);
  for (std::string& text : data) event.add_data(std::move(text));
  return event;
}

// As a log gives it.
inline v1::EventRecord Logged(uint32_t id, int64_t seconds, std::string data) {
  static uint64_t record_id = 0;
  v1::EventRecord event = Pasted(id, {std::move(data)});
  event.set_channel("Application");
  event.set_record_id(++record_id);
  event.mutable_time()->set_seconds(seconds);
  return event;
}

inline std::string RequestText(std::string error, std::string host = "kms.contoso.example:1688",
                               std::string sku = kSku) {
  return absl::StrCat(error, ", 0x00000000, ", host, ", ", kCmid, ", 2025/10/09 08:53, 0, 2, 972, ",
                      sku, ", 25");
}

inline constexpr char kBound[] = "0x00000000, 0x00000000, 1, 0, 30, 120, 10080, 2025/10/09 08:53";
inline constexpr char kTooFew[] = "0x0, 0x4000008, 0, 0, 4, 120, 10080, 2025/10/09 08:53";

struct Client {
  v1::KmsClientSection client;
  v1::LicensingSection licensing;

  Client& Fold(const std::vector<v1::EventRecord>& events) {
    FoldClientEvents(events, client, licensing);
    return *this;
  }
  std::string Text() const { return client.DebugString() + licensing.DebugString(); }
  const v1::ActivationAttempt& newest() const { return client.attempts(0); }
};

inline v1::KmsHostSection FoldHost(const std::vector<v1::EventRecord>& events) {
  v1::KmsHostSection host;
  FoldHostEvents(events, host);
  return host;
}

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_EVENTS_TESTING_H_
