// SPDX-License-Identifier: Apache-2.0
#include "lab/client.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "kms/tables.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kEventRequest = 12288;
constexpr uint32_t kEventAnswer = 12289;
constexpr uint32_t kEventFailure = 8198;
constexpr uint32_t kFlagNotEnoughCount = 0x04000000;
constexpr uint32_t kHrServiceDisabled = 0x80070422;
constexpr uint32_t kHrKeyOfOtherEdition = 0xC004F069;

struct Candidate {
  std::string host;
  uint32_t port;
  bool discovered;
};

// "2012/12/04 07:06": a client pads.
std::string ClientTime(absl::Time time) {
  return absl::FormatTime("%Y/%m/%d %H:%M", time, absl::UTCTimeZone());
}

int64_t MinutesLeft(const ProductState& product, absl::Time now) {
  if (product.ends == absl::InfiniteFuture()) return 0;
  return absl::ToInt64Minutes(product.ends - now);
}

// By priority, and at random among equals.
void Shuffle(std::vector<Srv>& records, Random& random) {
  for (size_t i = records.size(); i > 1; --i)
    std::swap(records[i - 1], records[random.Uint64() % i]);
  std::stable_sort(records.begin(), records.end(),
                   [](const Srv& a, const Srv& b) { return a.priority < b.priority; });
}

class Attempt {
 public:
  Attempt(Landscape& landscape, Machine& machine, absl::Time now)
      : landscape_(landscape), machine_(machine), now_(now) {}

  uint32_t Run() {
    ProductState& product = machine_.product;
    if (machine_.service_disabled) return kHrServiceDisabled;
    if (!product.is_gvlk()) return ActivateAtMicrosoft();
    const kms::Gvlk* own = kms::GvlkForEdition(machine_.edition_id, machine_.build);
    if (own == nullptr || own->partial_key != product.partial_key) return kHrKeyOfOtherEdition;
    if (machine_.client.type == keymedic::v1::ACTIVATION_TYPE_DIRECTORY ||
        machine_.client.type == keymedic::v1::ACTIVATION_TYPE_TOKEN) {
      return kHrNoHostAnswered;  // this domain has no activation object, this machine no token
    }
    const std::vector<Candidate> candidates = Candidates();
    if (candidates.empty()) return kDnsNameDoesNotExist;
    uint32_t result = kHrNoHostAnswered;
    for (const Candidate& candidate : candidates) {
      const uint32_t error = Ask(candidate);
      if (error == 0) return 0;
      if (error != kHrRpcUnavailable) result = error;
    }
    return result;
  }

 private:
  uint32_t ActivateAtMicrosoft() {
    machine_.product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
    machine_.product.reason = 0;
    machine_.product.ends = absl::InfiniteFuture();
    return 0;
  }

  std::vector<Candidate> Candidates() {
    const ClientState& client = machine_.client;
    if (!client.registered_host.empty()) {
      const uint32_t port =
          client.registered_port == 0 ? kms::kDefaultPort : client.registered_port;
      return {{client.registered_host, port, false}};
    }
    std::vector<Candidate> out;
    if (client.host_caching && client.last_activation.has_value() && !client.found_host.empty())
      out.push_back({client.found_host, client.found_port, true});
    std::vector<Srv> records = landscape_.DiscoverHosts(machine_);
    Shuffle(records, machine_.random);
    for (const Srv& record : records) {
      if (!out.empty() && out[0].host == record.target && out[0].port == record.port) continue;
      out.push_back({record.target, record.port, true});
    }
    return out;
  }

  uint32_t Ask(const Candidate& candidate) {
    const Connection connection = landscape_.Connect(machine_, candidate.host, candidate.port);
    if (candidate.discovered) {
      machine_.client.found_host = candidate.host;
      machine_.client.found_port = candidate.port;
      machine_.client.host_address = connection.address;
    }
    if (connection.result != Reached::kKms) {
      LogRequest(candidate, kHrRpcUnavailable);
      return kHrRpcUnavailable;
    }
    Machine& host = *connection.host;
    const ProductState& product = machine_.product;
    const KmsAnswer answer = host.host->Process({.machine_name = machine_.fqdn(),
                                                 .client_machine_id = machine_.client.machine_id,
                                                 .client_time = machine_.Local(now_),
                                                 .is_virtual = machine_.is_virtual,
                                                 .status = product.status,
                                                 .minutes_left = MinutesLeft(product, now_),
                                                 .activation_id = product.activation_id,
                                                 .family = product.family,
                                                 .required_count = product.required_count},
                                                host.Local(now_));
    LogRequest(candidate, answer.error);
    if (answer.error != 0) return answer.error;
    const bool bound = answer.count >= product.required_count;
    LogAnswer(answer.count, bound);
    if (!bound) return kHrNotEnoughCount;
    Bind(connection, host.host->extended_pid);
    return 0;
  }

  void Bind(const Connection& connection, const std::string& host_pid) {
    machine_.client.host_address = connection.address;
    machine_.client.host_extended_pid = host_pid;
    machine_.client.last_activation = now_;
    machine_.product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
    machine_.product.reason = 0;
    machine_.product.ends = now_ + kValidity;
  }

  void LogRequest(const Candidate& candidate, uint32_t error) {
    const ProductState& product = machine_.product;
    machine_.application.Write(
        kEventRequest, machine_.Local(now_),
        {absl::StrFormat("0x%08X, 0x00000000, %s:%u, %s, %s, %d, %d, %d, %s, %u", error,
                         candidate.host, candidate.port, machine_.client.machine_id,
                         ClientTime(machine_.Local(now_)), machine_.is_virtual ? 1 : 0,
                         static_cast<int>(product.status) - 1, MinutesLeft(product, now_),
                         product.activation_id, product.required_count)});
  }

  void LogAnswer(uint32_t count, bool bound) {
    machine_.application.Write(
        kEventAnswer, machine_.Local(now_) + absl::Seconds(1),
        {absl::StrFormat(
            "0x00000000, 0x%08X, %d, 0, %u, %d, %d, %s", bound ? 0 : kFlagNotEnoughCount,
            bound ? 1 : 0, count, absl::ToInt64Minutes(kActivationInterval),
            absl::ToInt64Minutes(kRenewalInterval), ClientTime(machine_.Local(now_)))});
  }

  Landscape& landscape_;
  Machine& machine_;
  const absl::Time now_;
};

void LogFailure(Machine& machine, uint32_t error, absl::Time now) {
  machine.application.Write(
      kEventFailure, machine.Local(now) + absl::Seconds(2),
      {absl::StrFormat("hr=0x%08X", error),
       absl::StrFormat("RuleId=eeba1977-569e-4571-b639-7623d8bfecc0;Action=AutoActivate;AppId=%s;"
                       "SkuId=%s;NotificationInterval=1440;Trigger=TimerEvent",
                       kWindowsApplicationId, machine.product.activation_id)});
}

}  // namespace

uint32_t AttemptActivation(Landscape& landscape, Machine& machine, absl::Time now,
                           Trigger trigger) {
  RefreshProduct(machine.product, now);
  const uint32_t error = Attempt(landscape, machine, now).Run();
  if (error != 0 && trigger == Trigger::kTimer) LogFailure(machine, error, now);
  // Unanswered renewals are repeated as often as first activations.
  if (machine.product.is_gvlk() && machine.client.automatic)
    landscape.PlanAttempt(machine, now + (error == 0 ? kRenewalInterval : kActivationInterval));
  return error;
}

}  // namespace keymedic::lab
