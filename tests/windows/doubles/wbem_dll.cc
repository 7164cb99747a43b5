// SPDX-License-Identifier: Apache-2.0
//
// wbem_double.dll: what stands behind the class identities that a throw-away prefix gives to it.
#include <netfw.h>
#include <objbase.h>
#include <wbemcli.h>

#include "tests/windows/doubles/com_object.h"
#include "tests/windows/doubles/firewall_policy.h"
#include "tests/windows/doubles/wmi_services.h"

namespace keymedic::doubles {
namespace {

using Make = IUnknown* (*)();

class Factory final : public ComObject<IClassFactory> {
 public:
  explicit Factory(Make make) : make_(make) {}
  HRESULT STDMETHODCALLTYPE CreateInstance(IUnknown* outer, REFIID iid, void** out) override {
    if (outer != nullptr) return CLASS_E_NOAGGREGATION;
    IUnknown* const made = make_();
    const HRESULT result = made->QueryInterface(iid, out);
    made->Release();
    return result;
  }
  HRESULT STDMETHODCALLTYPE LockServer(BOOL) override { return S_OK; }

 private:
  const Make make_;
};

struct Served {
  CLSID id;
  Make make;
};
const Served kServed[] = {
    {CLSID_WbemLocator, []() -> IUnknown* { return MakeLocator(); }},
    {__uuidof(NetFwPolicy2), []() -> IUnknown* { return MakeFirewallPolicy(); }},
    {__uuidof(NetFwRule), []() -> IUnknown* { return MakeFirewallRule(); }},
};

}  // namespace
}  // namespace keymedic::doubles

STDAPI DllGetClassObject(REFCLSID id, REFIID iid, void** out) {
  using namespace keymedic::doubles;
  for (const Served& served : kServed) {
    if (!IsEqualCLSID(id, served.id)) continue;
    auto* const factory = new Factory(served.make);
    const HRESULT result = factory->QueryInterface(iid, out);
    factory->Release();
    return result;
  }
  return CLASS_E_CLASSNOTAVAILABLE;
}

// It keeps its connection to the lab until the process ends.
STDAPI DllCanUnloadNow() { return S_FALSE; }
