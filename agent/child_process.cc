// SPDX-License-Identifier: Apache-2.0
#include "agent/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/plugin_host/plugin_handle.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

constexpr size_t kLastLines = 5;
constexpr size_t kMaxLineBytes = 300;

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

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::vector<std::string>& arguments) {
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  std::array<int, 2> in{-1, -1};
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  const absl::Cleanup close_child_ends = [&] {
    Close(in[0]);
    Close(out[1]);
    Close(err[1]);
  };
  KM_ASSIGN_OR_RETURN(in, MakePipe());
  child->in_ = in[1];
  KM_ASSIGN_OR_RETURN(out, MakePipe());
  child->out_ = out[0];
  KM_ASSIGN_OR_RETURN(err, MakePipe());
  child->err_ = err[0];
  for (const int fd : {child->in_, child->out_, child->err_}) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  if (const int error = Spawn(arguments, in[0], out[1], err[1], child->pid_); error != 0) {
    child->pid_ = -1;
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", arguments[0]));
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) End(absl::ZeroDuration());
  Close(in_);
  Close(out_);
  Close(err_);
}

bool ChildProcess::Reap(bool block) {
  if (pid_ <= 0) return true;
  pid_t result = 0;
  do {
    result = waitpid(pid_, &status_, block ? 0 : WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result == 0) return false;
  pid_ = -1;
  return true;
}

bool ChildProcess::Running() { return !Reap(/*block=*/false); }

void ChildProcess::ReadErrors() {
  std::array<char, 4096> buffer;
  // Bounded: a child that never stops talking must not keep us from the deadline.
  for (int reads = 0; reads < 16 && err_ >= 0; ++reads) {
    const ssize_t n = read(err_, buffer.data(), buffer.size());
    if (n == 0) return Close(err_);
    if (n < 0) return;
    for (const char c : absl::string_view(buffer.data(), static_cast<size_t>(n))) {
      if (c != '\n') {
        if (partial_line_.size() < kMaxLineBytes) partial_line_ += c;
        continue;
      }
      last_lines_.push_back(PrintableText(partial_line_));
      partial_line_.clear();
      if (last_lines_.size() > kLastLines) last_lines_.pop_front();
      log::Debug("AGENT_PLUGIN_OUTPUT", "plugin host says: {}", last_lines_.back());
    }
  }
}

absl::StatusOr<bool> ChildProcess::Pump(absl::string_view& bytes, int timeout_ms) {
  std::array<pollfd, 3> fds{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0},
                            pollfd{bytes.empty() ? -1 : in_, POLLOUT, 0}};
  if (poll(fds.data(), fds.size(), timeout_ms) < 0) {
    if (errno == EINTR) return true;
    return absl::ErrnoToStatus(errno, "cannot wait for the plugin host");
  }
  if (fds[1].revents != 0) ReadErrors();
  if (fds[2].revents != 0) {
    const ssize_t n = WriteWithoutSigpipe(in_, bytes);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) bytes = {};  // its output will end, too
  }
  if (fds[0].revents != 0) {
    std::array<char, 65536> buffer;
    const ssize_t n = read(out_, buffer.data(), buffer.size());
    if (n == 0) return false;
    if (n > 0) decoder_.Append(absl::string_view(buffer.data(), static_cast<size_t>(n)));
  }
  return true;
}

absl::StatusOr<std::string> ChildProcess::Exchange(absl::string_view bytes,
                                                   absl::Duration timeout) {
  // How long a call may take is real time, whatever clock the agent lives by.
  using std::chrono::steady_clock;
  const auto deadline =
      steady_clock::now() + absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24 * 365)));
  while (true) {
    if (bytes.empty()) {
      std::string frame;
      KM_ASSIGN_OR_RETURN(const bool whole, decoder_.Next(frame));
      if (whole) return frame;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return absl::DeadlineExceededError("no answer in time");
    const int wait = static_cast<int>(std::min<int64_t>(left.count(), 1 << 30));
    KM_ASSIGN_OR_RETURN(const bool open, Pump(bytes, wait));
    if (!open) return absl::UnavailableError("its output ended");
  }
}

std::string ChildProcess::End(absl::Duration patience) {
  Close(in_);
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
  while (!Reap(/*block=*/false) && std::chrono::steady_clock::now() < give_up) {
    pollfd errors{err_, POLLIN, 0};
    poll(&errors, 1, 10);
    ReadErrors();
  }
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);
    Reap(/*block=*/true);
  }
  ReadErrors();
  if (!partial_line_.empty()) last_lines_.push_back(PrintableText(partial_line_));
  return absl::StrCat(DescribeStatus(status_), last_lines_.empty() ? "" : "; its last output: ",
                      absl::StrJoin(last_lines_, " | "));
}

}  // namespace keymedic::agent
