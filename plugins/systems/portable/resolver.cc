// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/portable/resolver.h"

#include <ares.h>
#include <string.h>

#include <algorithm>
#include <list>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace keymedic::systems {
namespace {

constexpr int kDnsClassInternet = 1;
constexpr int kDnsTypeSrv = 33;
constexpr int kMostTargets = 16;  // of one answer that are resolved further

// One c-ares channel: made for one look-up, with everything that look-up asks.
class Channel {
 public:
  static absl::StatusOr<Channel> Open(const ResolverOptions& options, int flags) {
    ares_options wanted{};
    wanted.flags = flags;
    wanted.timeout = static_cast<int>(absl::ToInt64Milliseconds(options.timeout));
    wanted.tries = options.tries;
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
    // Addresses are searched for whatever the flag says, so there is nothing to search in.
    if ((flags & ARES_FLAG_NOSEARCH) != 0) given |= ARES_OPT_DOMAINS;
    ares_channel handle = nullptr;
    StartSockets();
    int made = ares_library_init(ARES_LIB_INIT_ALL);
    if (made == ARES_SUCCESS) made = ares_init_options(&handle, &wanted, given);
    if (made != ARES_SUCCESS) {
      return absl::UnavailableError(
          absl::StrCat("cannot read this machine's name server settings: ", ares_strerror(made)));
    }
    Channel channel(handle);
    if (!options.servers.empty()) {
      const int set = ares_set_servers_ports_csv(handle, options.servers.c_str());
      if (set != ARES_SUCCESS) {
        return absl::InvalidArgumentError(
            absl::StrCat("name servers '", options.servers, "': ", ares_strerror(set)));
      }
    }
    return channel;
  }

  Channel(Channel&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Channel& operator=(Channel&&) = delete;
  ~Channel() {
    if (handle_ != nullptr) ares_destroy(handle_);
  }

  ares_channel get() const { return handle_; }

  // Until `pending` is zero. Past the deadline every open question ends with ARES_ECANCELLED.
  void Run(const int& pending, absl::Time deadline) const {
    while (pending > 0) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) {
        ares_cancel(handle_);
        return;
      }
      timeval limit = absl::ToTimeval(left);
      timeval next{};
      const timeval* wait = ares_timeout(handle_, &limit, &next);
      Serve(absl::DurationFromTimeval(*wait) + absl::Milliseconds(1));
    }
  }

  // True if no server is configured: c-ares then falls back to the loopback address.
  bool NoServerConfigured() const {
    ares_addr_port_node* servers = nullptr;
    if (ares_get_servers_ports(handle_, &servers) != ARES_SUCCESS) return false;
    const bool none = servers == nullptr || (servers->next == nullptr &&
                                             servers->family == AF_INET && servers->udp_port == 0 &&
                                             servers->addr.addr4.s_addr == htonl(INADDR_LOOPBACK));
    if (servers != nullptr) ares_free_data(servers);
    return none;
  }

 private:
  explicit Channel(ares_channel handle) : handle_(handle) {}

  void Serve(absl::Duration wait) const {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int wanted = ares_getsock(handle_, sockets, ARES_GETSOCK_MAXNUM);
    std::vector<Watched> watched;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool read = ARES_GETSOCK_READABLE(wanted, i);
      const bool write = ARES_GETSOCK_WRITABLE(wanted, i);
      if (read || write) watched.push_back({.socket = sockets[i], .read = read, .write = write});
    }
    if (!WaitForSockets(watched, wait)) {
      ares_process_fd(handle_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      return;
    }
    for (const Watched& w : watched) {
      const bool read = w.read || w.failed;
      if (!read && !w.write) continue;
      ares_process_fd(handle_, read ? w.socket : ARES_SOCKET_BAD,
                      w.write ? w.socket : ARES_SOCKET_BAD);
    }
  }

  ares_channel handle_;
};

uint32_t WindowsCode(int status, const Channel& channel) {
  switch (status) {
    case ARES_SUCCESS:
      return 0;
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
      return kDnsNameDoesNotExist;
    case ARES_ENODATA:
      return kDnsNoRecords;
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP:
    case ARES_EFORMERR:
      return kDnsServerFailure;
    case ARES_EREFUSED:
      return kDnsRefused;
    case ARES_EBADNAME:
    case ARES_EBADSTR:
      return kDnsInvalidName;
    case ARES_EBADRESP:
      return kDnsBadPacket;
    case ARES_ECONNREFUSED:
      return channel.NoServerConfigured() ? kDnsNoServers : kDnsTimeout;
    default:
      return kDnsTimeout;
  }
}

struct SrvQuestion {
  int pending = 1;
  int status = ARES_SUCCESS;
  std::vector<v1::SrvRecord> records;
};

void OnSrv(void* argument, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  auto& question = *static_cast<SrvQuestion*>(argument);
  --question.pending;
  question.status = status;
  if (status != ARES_SUCCESS) return;
  ares_srv_reply* replies = nullptr;
  question.status = ares_parse_srv_reply(bytes, size, &replies);
  for (const ares_srv_reply* reply = replies; reply != nullptr; reply = reply->next) {
    v1::SrvRecord record;
    record.set_target(std::string(absl::StripSuffix(reply->host, ".")));
    record.set_port(reply->port);
    record.set_priority(reply->priority);
    record.set_weight(reply->weight);
    question.records.push_back(std::move(record));
  }
  if (replies != nullptr) ares_free_data(replies);
}

struct AddressQuestion {
  int* pending = nullptr;
  int status = ARES_SUCCESS;
  std::vector<Address> addresses;
};

void OnAddresses(void* argument, int status, int /*timeouts*/, ares_addrinfo* result) {
  auto& question = *static_cast<AddressQuestion*>(argument);
  --*question.pending;
  question.status = status;
  for (const ares_addrinfo_node* node = result == nullptr ? nullptr : result->nodes;
       node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    Address address;
    memcpy(&address.storage, node->ai_addr, node->ai_addrlen);
    address.size = node->ai_addrlen;
    char text[INET6_ADDRSTRLEN] = "";
    const void* raw =
        node->ai_family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(node->ai_addr)->sin_addr)
            : &reinterpret_cast<sockaddr_in6*>(node->ai_addr)->sin6_addr;
    inet_ntop(node->ai_family, raw, text, sizeof(text));
    address.text = text;
    question.addresses.push_back(std::move(address));
  }
  if (result != nullptr) ares_freeaddrinfo(result);
}

void AskAddresses(const Channel& channel, const std::string& host, uint16_t port,
                  AddressQuestion& question) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NUMERICSERV;
  ++*question.pending;
  ares_getaddrinfo(channel.get(), host.c_str(), absl::StrCat(port).c_str(), &hints, OnAddresses,
                   &question);
}

void ResolveTargets(const Channel& channel, absl::Time deadline,
                    std::vector<v1::SrvRecord>& records) {
  int pending = 0;
  std::list<std::pair<v1::SrvRecord*, AddressQuestion>> questions;
  for (v1::SrvRecord& record : records) {
    if (questions.size() == kMostTargets) break;
    if (record.target().empty()) continue;
    auto& [target, question] = questions.emplace_back(&record, AddressQuestion{});
    question.pending = &pending;
    AskAddresses(channel, target->target(), static_cast<uint16_t>(target->port()), question);
  }
  channel.Run(pending, deadline);
  for (auto& [record, question] : questions) {
    const uint32_t error = WindowsCode(question.status, channel);
    // A server that failed says nothing about the target: it stays "not known".
    if (error != 0 && error != kDnsNameDoesNotExist && error != kDnsNoRecords) continue;
    record->set_resolved(true);
    std::vector<std::string> texts;
    for (const Address& address : question.addresses) texts.push_back(address.text);
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    record->mutable_addresses()->Assign(texts.begin(), texts.end());
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Resolver::SearchSuffixes() const {
  KM_ASSIGN_OR_RETURN(const Channel channel, Channel::Open(options_, 0));
  ares_options present{};
  int mask = 0;
  const int saved = ares_save_options(channel.get(), &present, &mask);
  if (saved != ARES_SUCCESS) {
    return absl::UnavailableError(
        absl::StrCat("cannot read the DNS search list: ", ares_strerror(saved)));
  }
  std::vector<std::string> suffixes;
  for (int i = 0; i < present.ndomains; ++i) {
    const absl::string_view suffix = absl::StripSuffix(present.domains[i], ".");
    if (!suffix.empty()) suffixes.emplace_back(suffix);
  }
  ares_destroy_options(&present);
  return suffixes;
}

namespace {

void AskSrv(const Channel& channel, const std::string& name, absl::Time deadline,
            SrvQuestion& question) {
  ares_query(channel.get(), name.c_str(), kDnsClassInternet, kDnsTypeSrv, OnSrv, &question);
  channel.Run(question.pending, deadline);
}

}  // namespace

v1::SrvAnswer Resolver::LookupSrv(absl::string_view name) const {
  v1::SrvAnswer answer;
  answer.set_name(std::string(name));
  const absl::Time deadline = absl::Now() + options_.limit;
  // Targets are complete names: the search list must not invent others from them.
  auto channel = Channel::Open(options_, ARES_FLAG_NOSEARCH);
  if (!channel.ok()) {
    answer.set_error(kDnsNoServers);
    return answer;
  }
  SrvQuestion question;
  AskSrv(*channel, answer.name(), deadline, question);
  if (question.status == ARES_ECONNREFUSED) {
    // Every server failed or refused, and c-ares forgets which: one more question tells.
    if (const auto plain = Channel::Open(options_, ARES_FLAG_NOCHECKRESP); plain.ok()) {
      question = SrvQuestion();
      AskSrv(*plain, answer.name(), deadline, question);
    }
  }
  if (question.status == ARES_SUCCESS && question.records.empty()) question.status = ARES_ENODATA;
  answer.set_error(WindowsCode(question.status, *channel));
  if (answer.error() != 0) return answer;

  std::sort(question.records.begin(), question.records.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(a.priority(), b.weight(), a.target(), a.port()) <
           std::make_tuple(b.priority(), a.weight(), b.target(), b.port());
  });
  ResolveTargets(*channel, deadline, question.records);
  for (v1::SrvRecord& record : question.records) *answer.add_records() = std::move(record);
  return answer;
}

AddressAnswer Resolver::LookupAddresses(absl::string_view host, uint16_t port,
                                        absl::Duration limit) const {
  AddressAnswer answer;
  const absl::Time deadline = absl::Now() + std::min(limit, options_.limit);
  auto channel = Channel::Open(options_, 0);
  if (!channel.ok()) {
    answer.error = kDnsNoServers;
    return answer;
  }
  int pending = 0;
  AddressQuestion question;
  question.pending = &pending;
  AskAddresses(*channel, std::string(host), port, question);
  channel->Run(pending, deadline);
  answer.error = WindowsCode(question.status, *channel);
  answer.addresses = std::move(question.addresses);
  return answer;
}

}  // namespace keymedic::systems
