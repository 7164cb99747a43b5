// SPDX-License-Identifier: Apache-2.0
#include "agent/child_process.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/plugin_host/plugin_handle.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace keymedic::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kLastLines = 5;
constexpr size_t kMaxLineBytes = 300;

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::vector<std::string>& arguments, uint64_t memory_limit_mb) {
  KM_ASSIGN_OR_RETURN(auto system, ChildSystem::Start(arguments, memory_limit_mb));
  return std::make_unique<ChildProcess>(std::move(system));
}

ChildProcess::~ChildProcess() {
  if (!ended_) End(absl::ZeroDuration());
}

void ChildProcess::Heard(absl::string_view errors) {
  for (const char c : errors) {
    if (c == '\r') continue;
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

absl::StatusOr<std::string> ChildProcess::Exchange(absl::string_view bytes,
                                                   absl::Duration timeout) {
  // How long a call may take is real time, whatever clock the agent lives by.
  const auto deadline =
      steady_clock::now() + absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24 * 365)));
  for (bool open = true;;) {
    if (bytes.empty() || !open) {
      std::string frame;
      KM_ASSIGN_OR_RETURN(const bool whole, decoder_.Next(frame));
      if (whole) return frame;
    }
    // Its last words may come together with its end.
    if (!open) return absl::UnavailableError("its output ended");
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return absl::DeadlineExceededError("no answer in time");
    std::string output;
    std::string errors;
    const auto pumped = system_->Pump(bytes, left, output, errors);
    decoder_.Append(output);
    Heard(errors);
    KM_RETURN_IF_ERROR(pumped.status());
    open = *pumped;
  }
}

ChildEnd ChildProcess::End(absl::Duration patience) {
  ended_ = true;
  system_->CloseInput();
  std::string errors;
  const auto give_up = steady_clock::now() + absl::ToChronoNanoseconds(patience);
  while (!system_->Ended() && steady_clock::now() < give_up) {
    system_->AwaitEnd(milliseconds(10), errors);
    Heard(std::exchange(errors, {}));
  }
  if (!system_->Ended()) system_->Kill();
  ChildEnd end = system_->HowItEnded(errors);
  Heard(errors);
  if (!partial_line_.empty()) last_lines_.push_back(PrintableText(partial_line_));
  if (!last_lines_.empty()) {
    absl::StrAppend(&end.how, "; its last output: ", absl::StrJoin(last_lines_, " | "));
  }
  return end;
}

}  // namespace keymedic::agent
