// SPDX-License-Identifier: Apache-2.0
//
// What each COM object of the doubles needs: a count of references and the interfaces that it has.
// Objects are made with new and hold one reference, which belongs to who made them.
//
// Threads: the count is atomic; the rest is each object's own matter.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_COM_OBJECT_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_COM_OBJECT_H_

#include <objbase.h>
#include <oleauto.h>

#include <atomic>
#include <string>

#include "absl/strings/string_view.h"
#include "base/windows/wide.h"

namespace keymedic::doubles {

// The first interface answers for IUnknown, too.
template <typename First, typename... Others>
class ComObject : public First, public Others... {
 public:
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override {
    if (out == nullptr) return E_POINTER;
    *out = nullptr;
    if (IsEqualIID(iid, IID_IUnknown)) *out = static_cast<First*>(this);
    Offer<First>(iid, out);
    (Offer<Others>(iid, out), ...);
    if (*out == nullptr) *out = OfferMore(iid);
    if (*out == nullptr) return E_NOINTERFACE;
    AddRef();
    return S_OK;
  }
  ULONG STDMETHODCALLTYPE AddRef() override { return ++references_; }
  ULONG STDMETHODCALLTYPE Release() override {
    const ULONG left = --references_;
    if (left == 0) delete this;
    return left;
  }

 protected:
  virtual ~ComObject() = default;
  // For the interfaces that the given ones inherit from.
  virtual void* OfferMore(REFIID iid) { return nullptr; }

 private:
  template <typename Interface>
  void Offer(REFIID iid, void** out) {
    if (IsEqualIID(iid, __uuidof(Interface))) *out = static_cast<Interface*>(this);
  }
  std::atomic<ULONG> references_ = 1;
};

inline std::string FromBstr(const wchar_t* text) {
  return text == nullptr ? std::string() : windows::Narrow(text);
}
inline BSTR ToBstr(absl::string_view utf8) {
  const std::wstring wide = windows::Wide(utf8);
  return SysAllocStringLen(wide.data(), static_cast<UINT>(wide.size()));
}

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_COM_OBJECT_H_
