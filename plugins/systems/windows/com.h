// SPDX-License-Identifier: Apache-2.0
//
// The little of COM that we need: who owns an interface, a string, a value.
//
// Threads: a thread has a ComApartment for as long as it uses COM; ours are all in the one
// multithreaded apartment. These types own what they hold and are used by one thread at a time.
#ifndef KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_H_
#define KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_H_

#include <oaidl.h>
#include <objbase.h>
#include <oleauto.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "plugins/systems/windows/wmi_value.h"

namespace keymedic::systems {

class ComApartment {
 public:
  ComApartment() : result_(CoInitializeEx(nullptr, COINIT_MULTITHREADED)) {}
  ComApartment(const ComApartment&) = delete;
  ComApartment& operator=(const ComApartment&) = delete;
  ~ComApartment() {
    if (SUCCEEDED(result_)) CoUninitialize();
  }
  HRESULT result() const { return result_; }

 private:
  const HRESULT result_;
};

template <typename Interface>
class ComPtr {
 public:
  ComPtr() = default;
  ComPtr(const ComPtr& other) : pointer_(other.pointer_) {
    if (pointer_ != nullptr) pointer_->AddRef();
  }
  ComPtr(ComPtr&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  ComPtr& operator=(ComPtr other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~ComPtr() {
    if (pointer_ != nullptr) pointer_->Release();
  }

  // For a function that hands out an interface; what was held is released before.
  Interface** Out() {
    *this = ComPtr();
    return &pointer_;
  }
  void** OutVoid() { return reinterpret_cast<void**>(Out()); }
  Interface* get() const { return pointer_; }
  Interface* operator->() const { return pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  Interface* pointer_ = nullptr;
};

class Bstr {
 public:
  explicit Bstr(std::wstring_view text)
      : text_(SysAllocStringLen(text.data(), static_cast<UINT>(text.size()))) {}
  explicit Bstr(absl::string_view utf8);
  Bstr(const Bstr&) = delete;
  Bstr& operator=(const Bstr&) = delete;
  ~Bstr();  // overwrites it: it may have been a product key
  BSTR get() const { return text_; }

 private:
  BSTR text_;
};

class Variant {
 public:
  Variant() { VariantInit(&value_); }
  Variant(const Variant&) = delete;
  Variant& operator=(const Variant&) = delete;
  ~Variant();  // overwrites a text
  VARIANT* Out() {
    VariantClear(&value_);
    return &value_;
  }
  const VARIANT& get() const { return value_; }
  VARIANT* mutable_get() { return &value_; }
  void SetText(absl::string_view utf8);
  void SetNumber(int32_t number);
  void SetFlag(bool flag);

 private:
  VARIANT value_;
};

// `cim_type` tells the signed from the unsigned; 0 if it is not known.
WmiValue FromVariant(const VARIANT& value, long cim_type);

// The strings of an array of BSTRs; empty if it is none.
std::vector<std::string> FromStringArray(SAFEARRAY* array);

}  // namespace keymedic::systems

#endif  // KEYMEDIC_PLUGINS_SYSTEMS_WINDOWS_COM_H_
