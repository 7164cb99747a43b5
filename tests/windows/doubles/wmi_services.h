// SPDX-License-Identifier: Apache-2.0
//
// The way into the double's WMI: a locator that connects to the namespaces which it has.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_SERVICES_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_SERVICES_H_

#include <wbemcli.h>

namespace keymedic::doubles {

IWbemLocator* MakeLocator();

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_SERVICES_H_
