// SPDX-License-Identifier: Apache-2.0
//
// `keymedic-agent diagnose`: looks at this machine and asks its plugins what is wrong, without any
// controller. The agent itself knows nothing of what the findings mean.
#ifndef KEYMEDIC_AGENT_DIAGNOSE_H_
#define KEYMEDIC_AGENT_DIAGNOSE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/plugin_runner.h"
#include "keymedic/v1/bundle.pb.h"
#include "keymedic/v1/finding.pb.h"

namespace keymedic::agent {

struct LocalDiagnosis {
  v1::ListResponse plugins;           // also those that could not be loaded
  v1::DiagnoseRequest seen;           // what the findings were found in
  std::vector<v1::Finding> findings;  // most severe first
  std::vector<std::string> notes;     // what could not be asked, and why
};

// kUnavailable: not one plugin could look at this machine.
absl::StatusOr<LocalDiagnosis> DiagnoseLocally(PluginRunner& plugins, absl::Duration timeout);

// All of it, for somebody who cannot look at this machine.
v1::SupportBundle MakeBundle(const std::string& machine, LocalDiagnosis diagnosis, absl::Time now);

std::string FindingsAsText(const std::string& machine, const std::vector<v1::Finding>& findings);
// {"machine":…,"findings":[{"code","severity","subject","title","explanation","evidence":[…],
// "treatments":[…]}]}
std::string FindingsAsJson(const std::string& machine, const std::vector<v1::Finding>& findings);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_DIAGNOSE_H_
