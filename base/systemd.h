// SPDX-License-Identifier: Apache-2.0
//
// What systemd is told of a service (sd_notify(3)): that it runs, what it does, that it is alive,
// that it stops. Where nobody listens, as in a terminal, nothing happens.
//
// The datagrams are written here, not by libsystemd: that library and the five that come with it
// (libgcrypt, liblzma, ...) cost an agent a megabyte of resident memory, 0.6 MB of it its own, for
// one sendto.
//
// Life cycle: Watch, again when the work becomes another, Stop, destroyed. Threads: any.
#ifndef KEYMEDIC_BASE_SYSTEMD_H_
#define KEYMEDIC_BASE_SYSTEMD_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/executor.h"

namespace keymedic {

// The part of a program that shows whether it is alive. What it uses lives until Stop.
struct Watched {
  Executor& executor;
  // Takes a sign of life to the place where the program's work is done, which passes it on by
  // calling it, later and on any thread. Work that hangs there stops it. Empty: the executor.
  std::function<void(std::function<void()> alive)> through;
  std::function<std::string()> status;  // a line for people
};

class SystemdNotifier {
 public:
  struct Options {
    std::string socket;                                  // NOTIFY_SOCKET; empty: nobody listens
    absl::Duration watchdog = absl::InfiniteDuration();  // within which a sign of life must come
    absl::Duration patience = absl::Seconds(1);          // with a listener that is too busy
    static Options FromEnvironment();
  };

  explicit SystemdNotifier(const Options& options);
  ~SystemdNotifier();

  // The service is ready from the first call on. Tells `status` now and at each sign of life, of
  // which one is sent in half of the watchdog's time, or each 30 s without one.
  void Watch(Watched watched);
  // The service ends. Nothing of what was watched is called any more once this has returned.
  void Stop();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_SYSTEMD_H_
