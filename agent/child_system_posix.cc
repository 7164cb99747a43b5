// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/child_system.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

using std::chrono::milliseconds;

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// [0] read end, [1] write end; neither leaks into other children.
absl::StatusOr<std::array<int, 2>> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a pipe to the plugin host");
  }
  return ends;
}

// In the child: its standard streams, a clean signal state, a process group of its own.
int Spawn(const std::vector<std::string>& arguments, int in, int out, int err, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const absl::Cleanup cleanup = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
}

std::string DescribeStatus(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return absl::StrCat("signal ", signal, " (", strsignal(signal), ")",
                        signal == SIGXCPU ? ": the CPU limit of one call" : "");
  }
  return absl::StrCat("exit code ", WEXITSTATUS(status));
}

// A write to a dead child must be an error, not a signal; a library cannot set a process-wide
// handler for that.
ssize_t WriteWithoutSigpipe(int fd, absl::string_view bytes) {
  sigset_t sigpipe;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
  const ssize_t written = write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (written < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE)) {
    const timespec now{};
    sigtimedwait(&sigpipe, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

class PosixChild final : public ChildSystem {
 public:
  ~PosixChild() override {
    if (!Ended()) Kill();
    Close(in_);
    Close(out_);
    Close(err_);
  }

  absl::Status Start(const std::vector<std::string>& arguments);

  absl::StatusOr<bool> Pump(absl::string_view& bytes, milliseconds timeout, std::string& output,
                            std::string& errors) override;
  void AwaitEnd(milliseconds timeout, std::string& errors) override {
    pollfd entry{err_, POLLIN, 0};
    poll(&entry, 1, static_cast<int>(timeout.count()));
    ReadErrors(errors);
  }
  bool Ended() override { return Reap(/*block=*/false); }
  void CloseInput() override { Close(in_); }
  void Kill() override {
    kill(-pid_, SIGKILL);
    Reap(/*block=*/true);
  }
  ChildEnd HowItEnded(std::string& errors) override {
    ReadErrors(errors);
    return {DescribeStatus(status_)};
  }

 private:
  void ReadErrors(std::string& errors);
  bool Reap(bool block);

  pid_t pid_ = -1;  // -1: reaped
  int status_ = 0;  // as waitpid gave it
  int in_ = -1;     // its input, our end
  int out_ = -1;
  int err_ = -1;
};

absl::Status PosixChild::Start(const std::vector<std::string>& arguments) {
  std::array<int, 2> in{-1, -1};
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  const absl::Cleanup close_child_ends = [&] {
    Close(in[0]);
    Close(out[1]);
    Close(err[1]);
  };
  KM_ASSIGN_OR_RETURN(in, MakePipe());
  in_ = in[1];
  KM_ASSIGN_OR_RETURN(out, MakePipe());
  out_ = out[0];
  KM_ASSIGN_OR_RETURN(err, MakePipe());
  err_ = err[0];
  for (const int fd : {in_, out_, err_}) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (const int error = Spawn(arguments, in[0], out[1], err[1], pid_); error != 0) {
    pid_ = -1;
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", arguments[0]));
  }
  return absl::OkStatus();
}

bool PosixChild::Reap(bool block) {
  if (pid_ <= 0) return true;
  pid_t result = 0;
  do {
    result = waitpid(pid_, &status_, block ? 0 : WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result == 0) return false;
  pid_ = -1;
  return true;
}

void PosixChild::ReadErrors(std::string& errors) {
  std::array<char, 4096> buffer;
  // Bounded: a child that never stops talking must not keep us from the deadline.
  for (int reads = 0; reads < 16 && err_ >= 0; ++reads) {
    const ssize_t n = read(err_, buffer.data(), buffer.size());
    if (n == 0) return Close(err_);
    if (n < 0) return;
    errors.append(buffer.data(), static_cast<size_t>(n));
  }
}

absl::StatusOr<bool> PosixChild::Pump(absl::string_view& bytes, milliseconds timeout,
                                      std::string& output, std::string& errors) {
  std::array<pollfd, 3> fds{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0},
                            pollfd{bytes.empty() ? -1 : in_, POLLOUT, 0}};
  const int wait = static_cast<int>(std::min<int64_t>(timeout.count(), 1 << 30));
  if (poll(fds.data(), fds.size(), wait) < 0) {
    if (errno == EINTR) return true;
    return absl::ErrnoToStatus(errno, "cannot wait for the plugin host");
  }
  if (fds[1].revents != 0) ReadErrors(errors);
  if (fds[2].revents != 0) {
    const ssize_t n = WriteWithoutSigpipe(in_, bytes);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) bytes = {};  // its output will end, too
  }
  if (fds[0].revents != 0) {
    std::array<char, 65536> buffer;
    const ssize_t n = read(out_, buffer.data(), buffer.size());
    if (n == 0) return false;
    if (n > 0) output.append(buffer.data(), static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildSystem>> ChildSystem::Start(
    const std::vector<std::string>& arguments, uint64_t) {
  auto child = std::make_unique<PosixChild>();
  KM_RETURN_IF_ERROR(child->Start(arguments));
  return child;
}

}  // namespace keymedic::agent
