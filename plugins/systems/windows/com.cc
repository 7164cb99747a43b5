// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/com.h"

#include <wbemcli.h>

#include "absl/strings/str_cat.h"
#include "base/windows/wide.h"

namespace keymedic::systems {
namespace {

void Overwrite(BSTR text) {
  if (text != nullptr) SecureZeroMemory(text, SysStringByteLen(text));
}

std::string Text(BSTR text) {
  return text == nullptr ? std::string() : windows::Narrow({text, SysStringLen(text)});
}

// WMI hands a uint32 out as a VT_I4, a uint16 too.
int64_t Widen(int64_t number, long cim_type) {
  switch (cim_type) {
    case CIM_UINT8:
      return static_cast<uint8_t>(number);
    case CIM_UINT16:
      return static_cast<uint16_t>(number);
    case CIM_UINT32:
      return static_cast<uint32_t>(number);
    default:
      return number;
  }
}

WmiValue FromArray(const VARIANT& value) {
  if ((value.vt & VT_TYPEMASK) == VT_BSTR) return FromStringArray(value.parray);
  return std::monostate();  // no array of numbers is asked for
}

}  // namespace

Bstr::Bstr(absl::string_view utf8) : Bstr(std::wstring_view(windows::Wide(utf8))) {}

Bstr::~Bstr() {
  Overwrite(text_);
  SysFreeString(text_);
}

Variant::~Variant() {
  if (value_.vt == VT_BSTR) Overwrite(value_.bstrVal);
  VariantClear(&value_);
}

void Variant::SetText(absl::string_view utf8) {
  const std::wstring wide = windows::Wide(utf8);
  Out()->vt = VT_BSTR;
  value_.bstrVal = SysAllocStringLen(wide.data(), static_cast<UINT>(wide.size()));
}

void Variant::SetNumber(int32_t number) {
  Out()->vt = VT_I4;
  value_.lVal = number;
}

void Variant::SetFlag(bool flag) {
  Out()->vt = VT_BOOL;
  value_.boolVal = flag ? VARIANT_TRUE : VARIANT_FALSE;
}

WmiValue FromVariant(const VARIANT& value, long cim_type) {
  if ((value.vt & VT_ARRAY) != 0) return FromArray(value);
  switch (value.vt) {
    case VT_BOOL:
      return value.boolVal != VARIANT_FALSE;
    case VT_I1:
      return Widen(value.cVal, cim_type);
    case VT_UI1:
      return Widen(value.bVal, cim_type);
    case VT_I2:
      return Widen(value.iVal, cim_type);
    case VT_UI2:
      return Widen(value.uiVal, cim_type);
    case VT_I4:
    case VT_INT:
      return Widen(value.lVal, cim_type);
    case VT_UI4:
    case VT_UINT:
      return Widen(value.ulVal, cim_type);
    case VT_I8:
    case VT_UI8:
      return static_cast<int64_t>(value.llVal);
    case VT_BSTR:
      return Text(value.bstrVal);
    default:
      return std::monostate();
  }
}

std::vector<std::string> FromStringArray(SAFEARRAY* array) {
  std::vector<std::string> texts;
  BSTR* items = nullptr;
  long lower = 0, upper = -1;
  if (array == nullptr || SafeArrayGetDim(array) != 1 ||
      FAILED(SafeArrayGetLBound(array, 1, &lower)) ||
      FAILED(SafeArrayGetUBound(array, 1, &upper)) ||
      FAILED(SafeArrayAccessData(array, reinterpret_cast<void**>(&items)))) {
    return texts;
  }
  for (long i = 0; i <= upper - lower; ++i) texts.push_back(Text(items[i]));
  SafeArrayUnaccessData(array);
  return texts;
}

}  // namespace keymedic::systems
