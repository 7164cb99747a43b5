// SPDX-License-Identifier: Apache-2.0
#include "base/systemd.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace keymedic {
namespace {

constexpr absl::Duration kBeatWithoutWatchdog = absl::Seconds(30);

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Whether it arrives is nothing that a service could do anything about.
void Send(const std::string& socket_name, absl::Duration patience, const std::string& text) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_name.empty() || socket_name.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, socket_name.data(), socket_name.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // without a file
  const auto size = offsetof(sockaddr_un, sun_path) + socket_name.size();
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  // A listener that does not listen must not hold up what it is told of.
  const timeval limit = absl::ToTimeval(patience);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  (void)sendto(descriptor, text.data(), text.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
  close(descriptor);
}

}  // namespace

SystemdNotifier::Options SystemdNotifier::Options::FromEnvironment() {
  Options options;
  options.socket = std::string(Environment("NOTIFY_SOCKET"));
  int64_t microseconds = 0, process = 0;
  const bool for_another = absl::SimpleAtoi(Environment("WATCHDOG_PID"), &process) &&
                           process != static_cast<int64_t>(getpid());
  if (!for_another && absl::SimpleAtoi(Environment("WATCHDOG_USEC"), &microseconds) &&
      microseconds > 0) {
    options.watchdog = absl::Microseconds(microseconds);
  }
  return options;
}

class SystemdNotifier::Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(const Options& options)
      : socket_(options.socket),
        patience_(options.patience),
        beat_(options.watchdog == absl::InfiniteDuration() ? kBeatWithoutWatchdog
                                                           : options.watchdog / 2) {}

  void Watch(Watched watched) {
    if (socket_.empty()) return;
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    ++generation_;
    watched_.emplace(std::move(watched));
    Tell("READY=1\n");  // more than once does no harm
  }

  void Stop() {
    std::lock_guard lock(mutex_);
    if (!std::exchange(stopped_, true)) Send(socket_, patience_, "STOPPING=1\nSTATUS=stops");
    watched_.reset();
  }

 private:
  // The mutex is held, here and where a generation is compared.
  void Tell(absl::string_view first) {
    const std::string status = absl::StrReplaceAll(watched_->status(), {{"\n", " "}});
    Send(socket_, patience_, absl::StrCat(first, "WATCHDOG=1\nSTATUS=", status));
    watched_->executor.PostAfter(beat_, [weak = weak_from_this(), generation = generation_] {
      if (auto self = weak.lock()) self->Ask(generation);
    });
  }
  void Ask(uint64_t generation) {
    std::lock_guard lock(mutex_);
    if (generation != generation_ || !watched_) return;
    if (!watched_->through) return Tell("");
    watched_->through([weak = weak_from_this(), generation] {
      if (auto self = weak.lock()) self->Alive(generation);
    });
  }
  void Alive(uint64_t generation) {
    std::lock_guard lock(mutex_);
    if (generation == generation_ && watched_) Tell("");
  }

  const std::string socket_;
  const absl::Duration patience_;
  const absl::Duration beat_;
  std::mutex mutex_;
  std::optional<Watched> watched_;  // guarded by mutex_
  uint64_t generation_ = 0;         // guarded by mutex_; of what is watched
  bool stopped_ = false;            // guarded by mutex_
};

SystemdNotifier::SystemdNotifier(const Options& options) : core_(std::make_shared<Core>(options)) {}
SystemdNotifier::~SystemdNotifier() { core_->Stop(); }
void SystemdNotifier::Watch(Watched watched) { core_->Watch(std::move(watched)); }
void SystemdNotifier::Stop() { core_->Stop(); }

}  // namespace keymedic
