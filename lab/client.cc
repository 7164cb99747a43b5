// SPDX-License-Identifier: Apache-2.0
#include "lab/client.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "kms/tables.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kEventRequest = 12288;
constexpr uint32_t kEventAnswer = 12289;
constexpr uint32_t kEventFailure = 8198;
constexpr uint32_t kEventDirectory = 12308;
constexpr uint32_t kFlagNotEnoughCount = 0x04000000;
constexpr uint32_t kHrServiceDisabled = 0x80070422;

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

// The hosts to ask, in order; `records` are what DNS names.
std::vector<KnownHost> HostsToAsk(const Machine& machine, const std::vector<Srv>& records) {
  const ClientState& client = machine.client;
  if (!client.registered_host.empty()) {
    const uint32_t port = client.registered_port == 0 ? kms::kDefaultPort : client.registered_port;
    return {{client.registered_host, port, false}};
  }
  std::vector<KnownHost> out;
  if (client.host_caching && client.remembers_found)
    out.push_back({client.found_host, client.found_port, true});
  for (const Srv& record : records) {
    if (!out.empty() && out[0].name == record.target && out[0].port == record.port) continue;
    out.push_back({record.target, record.port, true});
  }
  return out;
}

}  // namespace

bool UsesDirectory(const Machine& machine) {
  return !machine.client.directory_object.empty() &&
         (machine.client.type == keymedic::v1::ACTIVATION_TYPE_ALL ||
          machine.client.type == keymedic::v1::ACTIVATION_TYPE_DIRECTORY);
}

namespace {

// What keeps a client from asking any host.
std::optional<Obstacle::Kind> OwnObstacle(const Machine& machine) {
  using Kind = Obstacle::Kind;
  const ProductState& product = machine.product;
  if (machine.service_disabled) return Kind::kServiceDisabled;
  if (!product.genuine) return Kind::kNotGenuine;
  if (!product.is_gvlk()) return Kind::kForeignKey;
  const kms::Gvlk* own = kms::GvlkForEdition(machine.edition_id, machine.build);
  if (own == nullptr || own->partial_key != product.partial_key) return Kind::kWrongEdition;
  if (UsesDirectory(machine)) return std::nullopt;
  if (machine.client.type == keymedic::v1::ACTIVATION_TYPE_DIRECTORY ||
      machine.client.type == keymedic::v1::ACTIVATION_TYPE_TOKEN) {
    return Kind::kTypeLimited;  // no activation object, no token
  }
  if (machine.no_name_server && machine.client.registered_host.empty()) return Kind::kNoNameServer;
  return std::nullopt;
}

uint32_t ErrorOf(Obstacle::Kind kind) {
  switch (kind) {
    case Obstacle::Kind::kServiceDisabled:
      return kHrServiceDisabled;
    case Obstacle::Kind::kNotGenuine:
      return kReasonNonGenuine;
    case Obstacle::Kind::kWrongEdition:
      return kHrKeyOfOtherEdition;
    case Obstacle::Kind::kNoNameServer:
      return kDnsNoServer;
    case Obstacle::Kind::kNoRecord:
      return kDnsNameDoesNotExist;
    default:
      return kHrNoHostAnswered;
  }
}

KmsRequest RequestOf(const Machine& machine, absl::Time now) {
  const ProductState& product = machine.product;
  return {.machine_name = machine.fqdn(),
          .client_machine_id = machine.client.machine_id,
          .client_time = machine.Local(now),
          .is_virtual = machine.is_virtual,
          .status = product.status,
          .minutes_left = MinutesLeft(product, now),
          .activation_id = product.activation_id,
          .family = product.family,
          .required_count = product.required_count};
}

class Attempt {
 public:
  Attempt(Landscape& landscape, Machine& machine, absl::Time now)
      : landscape_(landscape), machine_(machine), now_(now) {}

  uint32_t Run() {
    if (const auto own = OwnObstacle(machine_); own == Obstacle::Kind::kForeignKey) {
      return ActivateAtMicrosoft();
    } else if (own.has_value()) {
      return ErrorOf(*own);
    }
    if (UsesDirectory(machine_)) return ActivateInDirectory();
    std::vector<Srv> records;
    if (machine_.client.registered_host.empty()) {
      records = landscape_.DiscoverHosts(machine_);
      Shuffle(records, machine_.random);
    }
    const std::vector<KnownHost> hosts = HostsToAsk(machine_, records);
    if (hosts.empty()) return kDnsNameDoesNotExist;
    uint32_t result = kHrNoHostAnswered;
    for (const KnownHost& host : hosts) {
      const uint32_t error = Ask(host);
      // Who answers is the host from now on, also when its count is too low.
      if (error == 0 || error == kHrNotEnoughCount) return error;
      if (error != kHrRpcUnavailable) result = error;
    }
    return result;
  }

 private:
  uint32_t ActivateAtMicrosoft() {
    ProductState& product = machine_.product;
    if (product.refusal != 0) {
      product.reason = product.refusal;
      return product.refusal;
    }
    product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
    product.reason = 0;
    product.ends = absl::InfiniteFuture();
    return 0;
  }

  uint32_t ActivateInDirectory() {
    const std::string& object = machine_.client.directory_object;
    machine_.application.Write(
        kEventDirectory, machine_.Local(now_),
        {machine_.product.activation_id, object,
         absl::StrCat("CN=", object,
                      ",CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=",
                      absl::StrReplaceAll(machine_.domain, {{".", ",DC="}}))});
    machine_.client.by_directory = true;
    machine_.client.host_address.clear();
    machine_.client.host_extended_pid.clear();
    machine_.client.activated_by.clear();
    Licensed();
    return 0;
  }

  uint32_t Ask(const KnownHost& candidate) {
    const Connection connection = landscape_.Connect(machine_, candidate.name, candidate.port);
    if (candidate.discovered) {
      machine_.client.found_host = candidate.name;
      machine_.client.found_port = candidate.port;
      machine_.client.host_address = connection.address;
    }
    machine_.client.unanswered_host.clear();
    if (connection.result != Reached::kKms) {
      machine_.client.unanswered_host = candidate.name;
      machine_.client.unanswered_at = now_;
      LogRequest(candidate, kHrRpcUnavailable);
      return kHrRpcUnavailable;
    }
    Machine& host = *connection.host;
    const KmsAnswer answer = host.host->Process(RequestOf(machine_, now_), host.Local(now_));
    LogRequest(candidate, answer.error);
    if (answer.error != 0) return answer.error;
    const bool bound = answer.count >= machine_.product.required_count;
    LogAnswer(answer.count, bound);
    if (candidate.discovered) machine_.client.remembers_found = true;
    if (!bound) return kHrNotEnoughCount;
    Bind(connection);
    return 0;
  }

  void Bind(const Connection& connection) {
    machine_.client.host_address = connection.address;
    machine_.client.host_extended_pid = connection.host->host->extended_pid;
    machine_.client.activated_by = connection.host->name;
    machine_.client.by_directory = false;
    Licensed();
  }

  void Licensed() {
    machine_.client.last_activation = now_;
    machine_.product.status = keymedic::v1::LICENSE_STATUS_LICENSED;
    machine_.product.reason = 0;
    machine_.product.ends = now_ + kValidity;
  }

  void LogRequest(const KnownHost& candidate, uint32_t error) {
    const ProductState& product = machine_.product;
    machine_.application.Write(
        kEventRequest, machine_.Local(now_),
        {absl::StrFormat("0x%08X, 0x00000000, %s:%u, %s, %s, %d, %d, %d, %s, %u", error,
                         candidate.name, candidate.port, machine_.client.machine_id,
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

// What means nothing: no Internet for a genuine ticket, a token that nobody asked for.
void LogNoise(Machine& machine, absl::Time now) {
  constexpr double kSometimes = 0.05;
  if (machine.random.Uniform() >= kSometimes) return;
  const absl::Time at = machine.Local(now) - absl::Minutes(3);
  machine.application.Write(8200, at, {"hr=0x80072EE7", kWindowsApplicationId});
  machine.application.Write(8208, at, {"hr=0x80072EE7", kWindowsApplicationId});
  machine.application.Write(12321, at, {"0xC004F011"});
}

}  // namespace

uint32_t AttemptActivation(Landscape& landscape, Machine& machine, absl::Time now,
                           Trigger trigger) {
  RefreshProduct(machine.product, now);
  if (landscape.noise) LogNoise(machine, now);
  const uint32_t error = machine.client.last_error = Attempt(landscape, machine, now).Run();
  if (error != 0 && trigger == Trigger::kTimer) LogFailure(machine, error, now);
  // Unanswered renewals are repeated as often as first activations.
  if (machine.product.is_gvlk() && machine.client.automatic)
    landscape.PlanAttempt(machine, now + (error == 0 ? kRenewalInterval : kActivationInterval));
  return error;
}

std::vector<KnownHost> KnownHosts(const Landscape& landscape, const Machine& machine) {
  return HostsToAsk(machine, landscape.DiscoverHosts(machine));
}

std::vector<Obstacle> Rehearse(Landscape& landscape, const Machine& machine, absl::Time now) {
  using Kind = Obstacle::Kind;
  if (const auto own = OwnObstacle(machine); own.has_value()) return {{.kind = *own}};
  if (UsesDirectory(machine)) return {};
  std::vector<Obstacle> out;
  for (KnownHost& known : KnownHosts(landscape, machine)) {
    Obstacle obstacle{.kind = Kind::kNoContact, .host = std::move(known.name), .port = known.port};
    obstacle.connection = landscape.Connect(machine, obstacle.host, obstacle.port);
    if (obstacle.connection.result == Reached::kKms) {
      const Machine& host = *obstacle.connection.host;
      const KmsAnswer answer = host.host->Judge(RequestOf(machine, now), host.Local(now));
      if (answer.error == 0 && answer.count >= machine.product.required_count) return {};
      obstacle.kind = answer.error == 0          ? Kind::kCount
                      : answer.error == kHrClock ? Kind::kClock
                                                 : Kind::kKeyGroup;
      // The host that it remembers answers: it goes no further.
      const bool first = machine.client.remembers_found && machine.client.host_caching &&
                         known.discovered && obstacle.host == machine.client.found_host;
      if (first && obstacle.kind == Kind::kCount) return {std::move(obstacle)};
    }
    out.push_back(std::move(obstacle));
  }
  // Whom the host that it remembers does not help looks in DNS, and there is none.
  if (machine.client.registered_host.empty() && landscape.DiscoverHosts(machine).empty())
    out.push_back({.kind = Kind::kNoRecord});
  return out;
}

}  // namespace keymedic::lab
