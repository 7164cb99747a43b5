// SPDX-License-Identifier: Apache-2.0
//
// What the agent is called on Windows; the installer uses the same names.
#ifndef KEYMEDIC_AGENT_SERVICE_NAME_H_
#define KEYMEDIC_AGENT_SERVICE_NAME_H_

namespace keymedic::agent {

inline constexpr wchar_t kServiceName[] = L"KeyMedicAgent";
inline constexpr wchar_t kEventSource[] = L"KeyMedic";

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_SERVICE_NAME_H_
