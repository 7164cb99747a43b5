// SPDX-License-Identifier: Apache-2.0
//
// The licensing classes by Microsoft's documentation: properties with their types, methods with the
// names of their arguments. `old`: without what Windows 7 lacks.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_LICENSING_CLASSES_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_LICENSING_CLASSES_H_

#include "tests/windows/doubles/wmi_model.h"

namespace keymedic::doubles {

ClassPtr ServiceClass(bool old);
ClassPtr ProductClass(bool old);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_LICENSING_CLASSES_H_
