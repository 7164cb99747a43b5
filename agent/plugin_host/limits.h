// SPDX-License-Identifier: Apache-2.0
//
// What the plugin host sets for itself. On POSIX the kernel keeps the limits: allocations fail,
// SIGXCPU ends the process. On Windows a thread looks ten times a second and ends the process with
// one of the codes below; that allocations fail before, is the agent's job object's doing
// (child_system.h).
#ifndef KEYMEDIC_AGENT_PLUGIN_HOST_LIMITS_H_
#define KEYMEDIC_AGENT_PLUGIN_HOST_LIMITS_H_

#include <cstdint>

namespace keymedic::agent {

// Exit codes, with the bit that Windows leaves to applications.
inline constexpr uint32_t kExitOverCpu = 0xE04B4D01;
inline constexpr uint32_t kExitOverMemory = 0xE04B4D02;

// 0: no limit. Nor is anything written about a crash to where it could be read, as it would hold
// secrets.
void LimitMemory(uint64_t megabytes);
// The process's limit is moved along, so that each call has `seconds` of its own. 0: no limit.
void LimitCpuOfNextCall(uint64_t seconds);

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_PLUGIN_HOST_LIMITS_H_
