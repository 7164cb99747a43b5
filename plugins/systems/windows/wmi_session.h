// SPDX-License-Identifier: Apache-2.0
//
// An open namespace, as COM gives it: used on the COM thread and nowhere else. Speaks in HRESULTs;
// wmi.cc makes statuses of them.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_SESSION_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_SESSION_H_

#include <wbemcli.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "plugins/systems/windows/com.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

class WmiSession {
 public:
  // Nothing if it is open.
  HRESULT Open(const std::string& name_space);

  WmiAnswer Query(const WmiQuery& query, absl::Duration limit);

  struct CallResult {
    HRESULT hresult = 0;
    uint32_t return_value = 0;
    bool no_such_method = false;
    size_t takes = 0;  // arguments; meaningful if others were given
    bool wrong_arguments = false;
    // After a failure of the method that may have been the connection's: the connection is well.
    bool service_answers = false;
  };
  CallResult Call(const WmiCall& call);

 private:
  WmiAnswer Run(const WmiQuery& query, absl::Duration limit);
  HRESULT MakeContext(const WmiQuery& query, ComPtr<IWbemContext>& context);
  HRESULT ReadRow(IWbemClassObject& object, const WmiQuery& query, WmiRow& row);
  WmiNames ListColumns(const std::string& class_name);
  HRESULT GetClass(const std::string& class_name, ComPtr<IWbemClassObject>& definition);
  // The instance of the in-signature with the arguments; null if the method takes none.
  HRESULT FillArguments(IWbemClassObject* signature, const WmiCall& call, CallResult& result,
                        ComPtr<IWbemClassObject>& filled);

  ComPtr<IWbemServices> services_;
  ColumnFallback fallback_;
};

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_WMI_SESSION_H_
