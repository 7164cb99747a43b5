// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/wmi.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/windows/wide.h"
#include "plugins/systems/windows/wmi_session.h"

namespace keymedic::systems {
namespace {

constexpr uint32_t kTimedOut = WBEM_S_TIMEDOUT;
constexpr uint32_t kClassNotRegistered = static_cast<uint32_t>(REGDB_E_CLASSNOTREG);

// The connection is gone, and may come back: a restarted WMI, for one.
bool IsLost(uint32_t hresult) {
  switch (hresult) {
    case 0x800706BA:  // RPC_S_SERVER_UNAVAILABLE
    case 0x800706BE:  // RPC_S_CALL_FAILED
    case 0x800706BF:  // RPC_S_CALL_FAILED_DNE
    case 0x80010108:  // RPC_E_DISCONNECTED
    case 0x80010007:  // RPC_E_SERVER_DIED
    case 0x80010012:  // RPC_E_SERVER_DIED_DNE
    case 0x800401FD:  // CO_E_OBJNOTCONNECTED
    case 0x80041015:  // WBEM_E_TRANSPORT_FAILURE
    case 0x80041033:  // WBEM_E_SHUTTING_DOWN
      return true;
    default:
      return false;
  }
}

absl::Status WmiError(const std::string& what, uint32_t hresult) {
  if (hresult == kTimedOut) {
    return absl::DeadlineExceededError(
        absl::StrCat(what, ": WMI began and sent no more; restart the service Winmgmt"));
  }
  const absl::Status status = windows::HresultError(what, hresult);
  const char* remedy = "";
  if (hresult == kClassNotRegistered) {
    return absl::UnimplementedError(absl::StrCat(status.message(),
                                                 "; this machine has no Windows Management "
                                                 "Instrumentation"));
  }
  if (absl::IsPermissionDenied(status)) {
    remedy = "; run the agent as LocalSystem or as an administrator";
  } else if (absl::IsUnimplemented(status)) {
    remedy = "; this Windows does not have it";
  } else if (IsLost(hresult)) {
    remedy = "; is the service Winmgmt running?";
  }
  return absl::Status(status.code(), absl::StrCat(status.message(), remedy));
}

class WmiConnection final : public Wmi {
 public:
  WmiConnection(std::shared_ptr<ComThread> thread, std::string name_space, WmiLimits limits)
      : thread_(std::move(thread)), name_space_(std::move(name_space)), limits_(limits) {}
  ~WmiConnection() override { Drop(); }

  absl::StatusOr<std::vector<WmiRow>> Query(const WmiQuery& query) override {
    const std::string what = absl::StrCat("WMI ", name_space_, ": ", QueryText(query));
    KM_ASSIGN_OR_RETURN(WmiAnswer answer, Ask(what, query));
    if (IsLost(answer.hresult)) {
      Drop();
      KM_ASSIGN_OR_RETURN(answer, Ask(what, query));
    }
    if (answer.hresult != 0) return WmiError(what, answer.hresult);
    return std::move(answer.rows);
  }

  absl::StatusOr<Hresult> Call(const WmiCall& call) override {
    const std::string what =
        absl::StrCat("WMI ", name_space_, ": ", call.class_name, ".", call.method);
    const auto session = Session();
    KM_ASSIGN_OR_RETURN(
        const WmiSession::CallResult result,
        thread_->Call(
            what, limits_.call,
            [session, call, name_space = name_space_]() -> absl::StatusOr<WmiSession::CallResult> {
              if (const HRESULT opened = session->Open(name_space); FAILED(opened)) {
                return WmiSession::CallResult{.hresult = opened};
              }
              return session->Call(call);
            },
            Late::kStillAtWork));
    return Judge(what, call, result);
  }

 private:
  absl::StatusOr<WmiAnswer> Ask(const std::string& what, const WmiQuery& query) {
    const auto session = Session();
    return thread_->Call(what, limits_.query + absl::Seconds(1),
                         [session, query, name_space = name_space_,
                          limit = limits_.query]() -> absl::StatusOr<WmiAnswer> {
                           if (const HRESULT opened = session->Open(name_space); FAILED(opened)) {
                             return WmiAnswer{.hresult = static_cast<uint32_t>(opened)};
                           }
                           return session->Query(query, limit);
                         });
  }

  absl::StatusOr<Hresult> Judge(const std::string& what, const WmiCall& call,
                                const WmiSession::CallResult& result) {
    if (result.no_such_method) {
      return absl::UnimplementedError(absl::StrCat(
          what,
          ": this Windows has no such method; it needs Windows 8.1, Server 2012 R2 or later"));
    }
    if (result.wrong_arguments) {
      return absl::UnimplementedError(absl::StrCat(what, ": takes ", result.takes,
                                                   " arguments on this Windows, not ",
                                                   call.arguments.size()));
    }
    const auto hresult = static_cast<uint32_t>(result.hresult);
    if (SUCCEEDED(result.hresult)) return result.return_value;
    if (IsLost(hresult) && !result.service_answers) Drop();
    const FailureOf whose = WhoFailed(hresult);
    if (whose == FailureOf::kService) return hresult;
    if (whose == FailureOf::kAskAgain && result.service_answers) return hresult;
    return WmiError(what, hresult);
  }

  // Of the thread that runs now. The session of one that was left behind stays with it for ever:
  // nobody else may release it.
  std::shared_ptr<WmiSession> Session() {
    if (generation_ != thread_->generation()) {
      new std::shared_ptr<WmiSession>(std::move(session_));
      session_ = nullptr;
      generation_ = thread_->generation();
    }
    if (session_ == nullptr) session_ = std::make_shared<WmiSession>();
    return session_;
  }
  // COM releases where COM is: on its thread.
  void Drop() {
    if (session_ == nullptr) return;
    if (generation_ != thread_->generation()) {
      Session();
      return;
    }
    thread_->Post([session = std::move(session_)]() mutable { session.reset(); });
    session_.reset();
  }

  const std::shared_ptr<ComThread> thread_;
  const std::string name_space_;
  const WmiLimits limits_;
  std::shared_ptr<WmiSession> session_;
  int generation_ = 0;
};

}  // namespace

std::unique_ptr<Wmi> MakeWmi(std::shared_ptr<ComThread> thread, std::string name_space,
                             WmiLimits limits) {
  return std::make_unique<WmiConnection>(std::move(thread), std::move(name_space), limits);
}

}  // namespace keymedic::systems
