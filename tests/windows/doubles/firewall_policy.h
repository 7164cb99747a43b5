// SPDX-License-Identifier: Apache-2.0
//
// INetFwPolicy2, INetFwRules and INetFwRule, as far as adding and removing a rule goes. A rule that
// is added is one of the lab machine from then on.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_FIREWALL_POLICY_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_FIREWALL_POLICY_H_

#include <netfw.h>

namespace keymedic::doubles {

INetFwPolicy2* MakeFirewallPolicy();
INetFwRule* MakeFirewallRule();

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_FIREWALL_POLICY_H_
