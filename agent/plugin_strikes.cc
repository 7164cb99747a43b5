// SPDX-License-Identifier: Apache-2.0
#include "agent/plugin_strikes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace keymedic::agent {
namespace {

constexpr char kCode[] = "AGENT_PLUGIN_QUARANTINED";

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

}  // namespace

absl::Status PluginStrikes::Check(const std::string& subject) {
  std::lock_guard<std::mutex> lock(mutex_);
  ReleaseDueLocked();
  const auto found = records_.find(subject);
  if (found == records_.end() || found->second.quarantine.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(found->second.quarantine);
}

void PluginStrikes::Strike(const std::string& subject, const std::string& reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  const absl::Time now = clock_.Now();
  std::deque<absl::Time>& strikes = records_[subject].strikes;
  while (!strikes.empty() && strikes.front() <= now - policy_.window) strikes.pop_front();
  strikes.push_back(now);
  if (static_cast<int>(strikes.size()) < policy_.strikes) {
    log::Warning("AGENT_PLUGIN_STRIKE", "plugin {}: strike {} of {}: {}", subject, strikes.size(),
                 policy_.strikes, reason);
    return;
  }
  QuarantineLocked(subject, absl::StrCat(strikes.size(), " strikes within ",
                                         absl::FormatDuration(policy_.window), " (limit ",
                                         policy_.strikes, "), the last: ", reason));
}

void PluginStrikes::Quarantine(const std::string& subject, const std::string& reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  QuarantineLocked(subject, reason);
}

std::map<std::string, std::string> PluginStrikes::Quarantined() {
  std::lock_guard<std::mutex> lock(mutex_);
  ReleaseDueLocked();
  std::map<std::string, std::string> result;
  for (const auto& [subject, record] : records_) {
    if (!record.quarantine.empty()) result[subject] = record.quarantine;
  }
  return result;
}

std::vector<v1::AgentNotice> PluginStrikes::TakeNotices() {
  std::lock_guard<std::mutex> lock(mutex_);
  ReleaseDueLocked();
  return std::exchange(notices_, {});
}

void PluginStrikes::QuarantineLocked(const std::string& subject, const std::string& reason) {
  Record& record = records_[subject];
  record.until = clock_.Now() + policy_.cool_down;
  record.quarantine =
      absl::StrCat("plugin ", subject, " is quarantined until ", Format(record.until), ": ", reason,
                   ". Update or remove the plugin; other plugins go on");
  AddNoticeLocked(subject, record.quarantine, /*resolved=*/false);
  log::Warning(kCode, "{}", record.quarantine);
}

void PluginStrikes::ReleaseDueLocked() {
  const absl::Time now = clock_.Now();
  for (auto it = records_.begin(); it != records_.end();) {
    if (it->second.quarantine.empty() || now < it->second.until) {
      ++it;
      continue;
    }
    const std::string message =
        absl::StrCat("plugin ", it->first, " is released from quarantine after ",
                     absl::FormatDuration(policy_.cool_down));
    AddNoticeLocked(it->first, message, /*resolved=*/true);
    log::Info("AGENT_PLUGIN_RELEASED", "{}", message);
    it = records_.erase(it);
  }
}

void PluginStrikes::AddNoticeLocked(const std::string& subject, const std::string& message,
                                    bool resolved) {
  v1::AgentNotice& notice = notices_.emplace_back();
  notice.set_code(kCode);
  notice.set_subject(subject);
  notice.set_message(message);
  notice.set_resolved(resolved);
}

}  // namespace keymedic::agent
