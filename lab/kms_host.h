// SPDX-License-Identifier: Apache-2.0
//
// The serving side of a simulated KMS host: the request table, its counters and what it answers.
// Not synchronised: the World's lock covers it.
#ifndef KEYMEDIC_LAB_KMS_HOST_H_
#define KEYMEDIC_LAB_KMS_HOST_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "keymedic/v1/section.pb.h"
#include "lab/log.h"

namespace keymedic::lab {

inline constexpr absl::Duration kCountMemory = absl::Hours(30 * 24);
inline constexpr absl::Duration kMaxClockDifference = absl::Hours(4);
inline constexpr absl::Duration kActivationInterval = absl::Minutes(120);
inline constexpr absl::Duration kRenewalInterval = absl::Minutes(10080);
inline constexpr absl::Duration kValidity = absl::Hours(180 * 24);
inline constexpr absl::Duration kGrace = absl::Hours(30 * 24);

// HRESULTs of the licensing service and of RPC.
inline constexpr uint32_t kHrKeyGroupOnHost = 0xC004F015;
inline constexpr uint32_t kHrKeyGroupOnClient = 0xC004F042;
inline constexpr uint32_t kHrClock = 0xC004F06C;
inline constexpr uint32_t kHrNotEnoughCount = 0xC004F038;
inline constexpr uint32_t kHrNoHostAnswered = 0xC004F074;
inline constexpr uint32_t kHrRpcUnavailable = 0x800706BA;
inline constexpr uint32_t kHrKeyOfOtherEdition = 0xC004F069;
inline constexpr uint32_t kHrKeyUsedUp = 0xC004C008;

// What a client sends.
struct KmsRequest {
  std::string machine_name;
  std::string client_machine_id;
  absl::Time client_time;
  bool is_virtual = false;
  keymedic::v1::LicenseStatus status = keymedic::v1::LICENSE_STATUS_UNSPECIFIED;
  int64_t minutes_left = 0;
  std::string activation_id;
  std::string family;
  uint32_t required_count = 0;
};

struct KmsAnswer {
  uint32_t error = 0;   // as the client sees it
  uint32_t logged = 0;  // as the host's event 12290 has it
  uint32_t count = 0;
};

// May a host of that Windows build and revision serve clients of this family, whatever its key? The
// newer ones are understood from some update on.
bool KnowsFamily(uint32_t build, uint32_t revision, absl::string_view client_family);

class KmsHost {
 public:
  KmsHost(std::string computer, uint64_t log_bytes)
      : log(kKmsChannel, std::move(computer), 0, log_bytes) {}

  // `host_time` is what this host's clock says. Writes event 12290.
  KmsAnswer Process(const KmsRequest& request, absl::Time host_time);
  // What Process would answer.
  KmsAnswer Judge(const KmsRequest& request, absl::Time host_time) const;
  // Distinct client machine ids within 30 days, at most twice the highest policy seen.
  uint32_t Count(absl::Time host_time);
  // As a newly installed host.
  void Forget();

  std::string csvlk_family;
  std::string extended_pid;
  std::vector<std::string> publish_domains;
  uint32_t listening_port = 1688;  // configured
  uint32_t bound_port = 1688;      // in use since the service started
  uint32_t build = 0;              // of its Windows
  uint32_t revision = 0;
  bool dns_publishing = true;
  uint32_t priority = 0;
  std::optional<uint32_t> misread_count;         // what its licensing service tells instead
  bool is_emulator = false;                      // says what clients want to hear, and logs nothing
  std::map<std::string, uint32_t> publications;  // the newest result in each domain; 0: done
  Log log;

  struct Counters {
    uint64_t total = 0;
    uint64_t failed = 0;
    std::array<uint64_t, 8> by_status{};  // index: v1::LicenseStatus
  };
  const Counters& counters() const { return counters_; }
  uint32_t highest_policy() const { return highest_policy_; }

  // The newest request of a machine, by its name.
  struct Asked {
    std::string client_machine_id;
    absl::Time at;
    uint32_t logged = 0;  // 0: it was counted
    uint32_t required_count = 0;
    std::string family;
  };
  const std::map<std::string, Asked>& asked() const { return asked_; }

 private:
  void Expire(absl::Time host_time);
  void Remember(const KmsRequest& request, absl::Time host_time);

  std::map<std::string, absl::Time> last_contact_;  // by client machine id
  std::map<std::string, Asked> asked_;
  uint32_t highest_policy_ = 0;
  Counters counters_;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_KMS_HOST_H_
