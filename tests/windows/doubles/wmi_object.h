// SPDX-License-Identifier: Apache-2.0
//
// What WMI hands out: classes, rows and the parameters of methods as IWbemClassObject, results of a
// query as IEnumWbemClassObject. Each is made holding one reference, for the caller.
//
// Threads: one at a time, which is all that the callers do.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_OBJECT_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_OBJECT_H_

#include <wbemcli.h>

#include <string>
#include <vector>

#include "tests/windows/doubles/wmi_model.h"

namespace keymedic::doubles {

struct ObjectParts {
  ClassPtr definition;
  std::string name_space;  // "ROOT\CIMV2"
  bool is_class = false;
  // Those that are missing were not selected; in a class, and in the parameters of a method that
  // are to be filled in, a missing one is null.
  Values values;
};
IWbemClassObject* MakeObject(ObjectParts parts);

// The values that were Put into an object of ours; empty for null.
Values ValuesOf(IWbemClassObject* object);

// The parameters that a method hands back.
IWbemClassObject* MakeReturned(int64_t return_value);

// `first_error`: what the first Next fails with, as WMI's does when it was told not to wait.
IEnumWbemClassObject* MakeRows(std::vector<ObjectParts> rows, HRESULT first_error);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_OBJECT_H_
