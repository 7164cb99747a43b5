// SPDX-License-Identifier: Apache-2.0
//
// Where a service of Windows writes: the Application event log under the source KeyMedic, with the
// numbers of event_ids.csv, and %ProgramData%\KeyMedic\agent.log (1 MB, three files) with every
// line, for support.
#ifndef KEYMEDIC_AGENT_SERVICE_LOG_H_
#define KEYMEDIC_AGENT_SERVICE_LOG_H_

namespace keymedic::agent {

// Once, before other threads log. What cannot be opened is told to the other.
void LogAsService();

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_SERVICE_LOG_H_
