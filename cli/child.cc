// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"

extern char** environ;

namespace keymedic::cli {

Child::~Child() { Stop(); }

absl::Status Child::Start() {
  std::vector<char*> arguments;
  for (const std::string& word : options_.command)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  for (const auto& [name, value] : options_.environment)
    variables.push_back(absl::StrCat(name, "=", value));
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  const int log = open(options_.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", options_.log_file));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {  // only what is safe between fork and exec
    if (options_.dies_with_us) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(127);
    } else {
      setsid();  // a Ctrl-C at our terminal is not meant for it
    }
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    execve(arguments[0], arguments.data(), environment.data());
    _exit(127);
  }
  close(log);
  if (pid < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot start ", options_.command[0]));
  pid_ = pid;
  if (options_.pid_file.empty()) return absl::OkStatus();
  return WriteFileAtomically(options_.pid_file, absl::StrCat(pid, "\n"));
}

std::string Child::Ended() {
  if (pid_ < 0) return "it was not started";
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return "";
  pid_ = -1;
  if (WIFSIGNALED(status))
    return absl::StrCat("ended by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)),
                        ")");
  if (WEXITSTATUS(status) == 127)
    return absl::StrCat("could not be run: is ", options_.command[0], " there?");
  return absl::StrCat("ended with exit code ", WEXITSTATUS(status), "; see ", options_.log_file);
}

void Child::Stop(absl::Duration patience) {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + patience;
  while (Ended().empty()) {
    if (absl::Now() > deadline) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace keymedic::cli
