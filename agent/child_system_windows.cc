// SPDX-License-Identifier: Apache-2.0
#include <windows.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/child_system.h"
#include "agent/plugin_host/limits.h"
#include "agent/windows_process.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/windows/handle.h"
#include "base/windows/private_access.h"
#include "base/windows/wide.h"

namespace keymedic::agent {
namespace {

using std::chrono::milliseconds;
using windows::Handle;
using windows::Wide;
using windows::Win32Error;

constexpr DWORD kPipeBytes = 64 << 10;
// Itself, and one tool of Windows that has no API (w32tm.exe).
constexpr DWORD kMostProcesses = 2;
constexpr DWORD kLastBreathMs = 10'000;  // a driver may keep one that was ended
constexpr DWORD kLastWordsMs = 1000;     // for what a dead child wrote to come through

// Our end of a pipe to the child, for one transfer at a time. Only named pipes can be waited for.
class Pipe {
 public:
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() { Close(); }

  // Makes the pipe; gives the child's end, which it inherits.
  absl::StatusOr<Handle> Open(bool we_write);
  void Close() {
    if (pipe_ && pending_) {
      DWORD size = 0;
      CancelIoEx(pipe_.get(), &transfer_);
      GetOverlappedResult(pipe_.get(), &transfer_, &size, TRUE);  // lets go of the buffer
    }
    pending_ = false;
    pipe_.Close();
  }

  bool open() const { return static_cast<bool>(pipe_); }
  bool pending() const { return pending_; }
  HANDLE event() const { return event_.get(); }

  // Begins to read, or goes on. Closes itself at the end of the stream.
  void Read(std::string& into) {
    // Bounded: a child that never stops talking must not keep us from the deadline.
    for (int reads = 0; reads < 16 && open(); ++reads) {
      if (!pending_)
        Begin(::ReadFile(pipe_.get(), buffer_.data(), kPipeBytes, nullptr, &transfer_));
      DWORD size = 0;
      if (!Done(size)) return;
      into.append(buffer_.data(), size);
    }
  }
  // Begins to send the front of `bytes`, or goes on; takes off what was sent.
  void Write(absl::string_view& bytes) {
    while (open() && !bytes.empty()) {
      if (!pending_) {
        const size_t size = std::min<size_t>(bytes.size(), kPipeBytes);
        std::memcpy(buffer_.data(), bytes.data(), size);
        Begin(::WriteFile(pipe_.get(), buffer_.data(), static_cast<DWORD>(size), nullptr,
                          &transfer_));
      }
      DWORD size = 0;
      if (!Done(size)) return;
      bytes.remove_prefix(std::min<size_t>(size, bytes.size()));
    }
  }

 private:
  void Begin(BOOL done) {
    pending_ = done || GetLastError() == ERROR_IO_PENDING;
    if (!pending_) pipe_.Close();  // the other end is gone
  }
  bool Done(DWORD& size) {
    if (!pending_) return false;
    if (GetOverlappedResult(pipe_.get(), &transfer_, &size, FALSE)) {
      pending_ = false;
      return true;
    }
    if (GetLastError() == ERROR_IO_INCOMPLETE) return false;
    pending_ = false;
    pipe_.Close();
    return false;
  }

  Handle pipe_;
  Handle event_;
  OVERLAPPED transfer_{};
  bool pending_ = false;
  std::vector<char> buffer_;
};

absl::StatusOr<Handle> Pipe::Open(bool we_write) {
  // Nobody can guess the name, be there first, or come in from elsewhere.
  const std::wstring name =
      Wide(absl::StrCat("\\\\.\\pipe\\keymedic-plugin-host-", SystemRandom().Uuid()));
  windows::PrivateAccess access;
  pipe_ = Handle(CreateNamedPipeW(name.c_str(),
                                  (we_write ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND) |
                                      FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                                  PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1, kPipeBytes,
                                  kPipeBytes, 0, access.ok() ? access.attributes() : nullptr));
  event_ = Handle(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  SECURITY_ATTRIBUTES inherited{
      .nLength = sizeof(inherited), .lpSecurityDescriptor = nullptr, .bInheritHandle = TRUE};
  Handle theirs;
  if (pipe_ && event_) {
    theirs = Handle(CreateFileW(name.c_str(), we_write ? GENERIC_READ : GENERIC_WRITE, 0,
                                &inherited, OPEN_EXISTING, 0, nullptr));
  }
  if (!theirs) return Win32Error("cannot make a pipe to the plugin host", GetLastError());
  transfer_.hEvent = event_.get();
  buffer_.resize(kPipeBytes);
  return theirs;
}

// Ends its processes when the last handle to it is closed, so also when the agent dies.
absl::StatusOr<Handle> MakeJob(uint64_t memory_limit_mb) {
  Handle job(CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE |
                                            JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION |
                                            JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
  limits.BasicLimitInformation.ActiveProcessLimit = kMostProcesses;
  if (memory_limit_mb != 0) {
    limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
    limits.ProcessMemoryLimit = memory_limit_mb << 20;
  }
  if (!job || !SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits,
                                       sizeof(limits))) {
    return Win32Error("cannot make a job for the plugin host", GetLastError());
  }
  return job;
}

// The only handles that the child inherits, whatever else is open.
class HandleList {
 public:
  explicit HandleList(std::array<HANDLE, 3> handles) : handles_(handles) {
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    buffer_.resize(size);
    ok_ = InitializeProcThreadAttributeList(get(), 1, 0, &size);
    ok_ = ok_ && UpdateProcThreadAttribute(get(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                           handles_.data(), sizeof(handles_), nullptr, nullptr);
  }
  HandleList(const HandleList&) = delete;
  HandleList& operator=(const HandleList&) = delete;
  ~HandleList() {
    if (ok_) DeleteProcThreadAttributeList(get());
  }

  bool ok() const { return ok_; }
  LPPROC_THREAD_ATTRIBUTE_LIST get() {
    return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(buffer_.data());
  }

 private:
  std::array<HANDLE, 3> handles_;
  std::vector<char> buffer_;
  bool ok_ = false;
};

class WindowsChild final : public ChildSystem {
 public:
  ~WindowsChild() override {
    if (process_ && !Ended()) Kill();
  }

  absl::Status Start(const std::vector<std::string>& arguments, uint64_t memory_limit_mb);

  absl::StatusOr<bool> Pump(absl::string_view& bytes, milliseconds timeout, std::string& output,
                            std::string& errors) override;
  void AwaitEnd(milliseconds timeout, std::string& errors) override;
  bool Ended() override { return WaitForSingleObject(process_.get(), 0) == WAIT_OBJECT_0; }
  void CloseInput() override { in_.Close(); }
  void Kill() override {
    killed_ = true;
    if (!TerminateJobObject(job_.get(), 1)) TerminateProcess(process_.get(), 1);
    WaitForSingleObject(process_.get(), kLastBreathMs);
  }
  ChildEnd HowItEnded(std::string& errors) override;

 private:
  absl::Status Create(const std::vector<std::string>& arguments, std::array<HANDLE, 3> streams);

  Handle job_;
  Handle process_;
  Pipe in_;  // its input
  Pipe out_;
  Pipe err_;
  bool killed_ = false;
};

absl::Status WindowsChild::Start(const std::vector<std::string>& arguments,
                                 uint64_t memory_limit_mb) {
  KM_ASSIGN_OR_RETURN(job_, MakeJob(memory_limit_mb));
  KM_ASSIGN_OR_RETURN(const Handle in, in_.Open(/*we_write=*/true));
  KM_ASSIGN_OR_RETURN(const Handle out, out_.Open(/*we_write=*/false));
  KM_ASSIGN_OR_RETURN(const Handle err, err_.Open(/*we_write=*/false));
  return Create(arguments, {in.get(), out.get(), err.get()});
}

absl::Status WindowsChild::Create(const std::vector<std::string>& arguments,
                                  std::array<HANDLE, 3> streams) {
  HandleList inherited(streams);
  if (!inherited.ok()) return Win32Error("cannot list the child's handles", GetLastError());
  STARTUPINFOEXW startup{};
  startup.StartupInfo.cb = sizeof(startup);
  startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  startup.StartupInfo.hStdInput = streams[0];
  startup.StartupInfo.hStdOutput = streams[1];
  startup.StartupInfo.hStdError = streams[2];
  startup.lpAttributeList = inherited.get();
  // Without a console: none is needed, and its process would count against kMostProcesses.
  constexpr DWORD kFlags = DETACHED_PROCESS | CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT;
  PROCESS_INFORMATION made{};
  std::wstring line = Wide(WindowsCommandLine(arguments));
  if (!CreateProcessW(Wide(arguments[0]).c_str(), line.data(), nullptr, nullptr, TRUE, kFlags,
                      nullptr, nullptr, &startup.StartupInfo, &made)) {
    return Win32Error(absl::StrCat("cannot start ", arguments[0]), GetLastError());
  }
  process_ = Handle(made.hProcess);
  const Handle thread(made.hThread);
  if (!AssignProcessToJobObject(job_.get(), process_.get()) ||
      ResumeThread(thread.get()) == static_cast<DWORD>(-1)) {
    const DWORD error = GetLastError();
    TerminateProcess(process_.get(), 1);
    return Win32Error(absl::StrCat("cannot put ", arguments[0], " into a job"), error);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> WindowsChild::Pump(absl::string_view& bytes, milliseconds timeout,
                                        std::string& output, std::string& errors) {
  // Reads and writes begin before the wait; what is there already needs none.
  err_.Read(errors);
  out_.Read(output);
  in_.Write(bytes);
  if (!in_.open()) bytes = {};  // its output will end, too
  if (!out_.open()) return false;
  if (!output.empty() || !errors.empty()) return true;
  std::array<HANDLE, 3> events;
  DWORD count = 0;
  for (const Pipe* pipe : {&out_, &err_, &in_}) {
    if (pipe->open() && pipe->pending()) events[count++] = pipe->event();
  }
  const auto wait = static_cast<DWORD>(std::min<int64_t>(timeout.count(), 1 << 30));
  if (WaitForMultipleObjects(count, events.data(), FALSE, wait) == WAIT_FAILED) {
    return Win32Error("cannot wait for the plugin host", GetLastError());
  }
  return true;
}

void WindowsChild::AwaitEnd(milliseconds timeout, std::string& errors) {
  err_.Read(errors);
  const std::array<HANDLE, 2> events{process_.get(), err_.event()};
  WaitForMultipleObjects(err_.open() ? 2 : 1, events.data(), FALSE,
                         static_cast<DWORD>(timeout.count()));
}

ChildEnd WindowsChild::HowItEnded(std::string& errors) {
  // Nobody else holds the other end, so this one ends soon.
  for (err_.Read(errors); err_.open() && errors.size() < 1 << 20; err_.Read(errors)) {
    if (WaitForSingleObject(err_.event(), kLastWordsMs) != WAIT_OBJECT_0) break;
  }
  DWORD code = 0;
  GetExitCodeProcess(process_.get(), &code);
  if (killed_) return {"a kill by the agent"};
  return {DescribeExitCode(code), code == kExitOverMemory};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildSystem>> ChildSystem::Start(
    const std::vector<std::string>& arguments, uint64_t memory_limit_mb) {
  auto child = std::make_unique<WindowsChild>();
  KM_RETURN_IF_ERROR(child->Start(arguments, memory_limit_mb));
  return child;
}

}  // namespace keymedic::agent
