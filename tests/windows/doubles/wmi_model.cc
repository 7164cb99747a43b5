// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/wmi_model.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/windows/doubles/com_object.h"

namespace keymedic::doubles {
namespace {

HRESULT ToTextArray(const std::vector<std::string>& texts, VARIANT* out) {
  SAFEARRAY* const array = SafeArrayCreateVector(VT_BSTR, 0, static_cast<ULONG>(texts.size()));
  if (array == nullptr) return WBEM_E_OUT_OF_MEMORY;
  for (LONG i = 0; i < static_cast<LONG>(texts.size()); ++i) {
    const BSTR text = ToBstr(texts[i]);
    SafeArrayPutElement(array, &i, text);
    SysFreeString(text);
  }
  out->vt = VT_ARRAY | VT_BSTR;
  out->parray = array;
  return WBEM_S_NO_ERROR;
}

void NumberToVariant(int64_t number, CIMTYPE type, VARIANT* out) {
  switch (type) {
    case CIM_UINT8:
      out->vt = VT_UI1;
      out->bVal = static_cast<BYTE>(number);
      break;
    case CIM_SINT64:
    case CIM_UINT64:
      out->vt = VT_BSTR;
      out->bstrVal = ToBstr(absl::StrCat(number));
      break;
    default:
      out->vt = VT_I4;
      out->lVal = static_cast<LONG>(number);
  }
}

bool NumberFromVariant(const VARIANT& variant, CIMTYPE type, int64_t* number) {
  VARIANT wide;
  VariantInit(&wide);
  if (FAILED(VariantChangeType(&wide, const_cast<VARIANT*>(&variant), 0, VT_I8))) return false;
  *number = type == CIM_UINT32 ? static_cast<uint32_t>(wide.llVal) : wide.llVal;
  return true;
}

template <typename Row>
auto* Find(Row& rows, absl::string_view name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) {
    return absl::EqualsIgnoreCase(row.name, name);
  });
  return found == rows.end() ? nullptr : &*found;
}

// `text` begins with a quotation mark; takes the text up to the next one away.
bool TakeQuoted(absl::string_view& text, std::string& value) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  return false;
}

}  // namespace

bool IgnoringCase::operator()(absl::string_view a, absl::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return absl::ascii_tolower(x) < absl::ascii_tolower(y);
  });
}

HRESULT ToVariant(const Value& value, CIMTYPE type, VARIANT* out) {
  VariantInit(out);
  if (const auto* flag = std::get_if<bool>(&value)) {
    out->vt = VT_BOOL;
    out->boolVal = *flag ? VARIANT_TRUE : VARIANT_FALSE;
  } else if (const auto* number = std::get_if<int64_t>(&value)) {
    NumberToVariant(*number, type, out);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out->vt = VT_BSTR;
    out->bstrVal = ToBstr(*text);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    return ToTextArray(*texts, out);
  } else {
    out->vt = VT_NULL;
  }
  return WBEM_S_NO_ERROR;
}

bool FromVariant(const VARIANT& variant, CIMTYPE type, Value* out) {
  *out = std::monostate();
  if (variant.vt == VT_NULL || variant.vt == VT_EMPTY) return true;
  int64_t number = 0;
  switch (type) {
    case CIM_STRING:
    case CIM_DATETIME:
      if (variant.vt != VT_BSTR) return false;
      *out = FromBstr(variant.bstrVal);
      return true;
    case CIM_BOOLEAN:
      if (variant.vt != VT_BOOL) return false;
      *out = variant.boolVal != VARIANT_FALSE;
      return true;
    default:
      if (!NumberFromVariant(variant, type, &number)) return false;
      *out = number;
      return true;
  }
}

const Property* Class::FindProperty(absl::string_view wanted) const {
  return Find(properties, wanted);
}

const Method* Class::FindMethod(absl::string_view wanted) const { return Find(methods, wanted); }

std::string RelativePath(const Class& definition, const Values& row) {
  std::vector<std::string> keys;
  for (const Property& property : definition.properties) {
    if (!property.key) continue;
    const auto found = row.find(property.name);
    if (found == row.end()) return {};
    const auto* text = std::get_if<std::string>(&found->second);
    if (text == nullptr) return {};
    keys.push_back(absl::StrCat(
        property.name, "=\"", absl::StrReplaceAll(*text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\""));
  }
  return absl::StrCat(definition.name, ".", absl::StrJoin(keys, ","));
}

bool ParsePath(absl::string_view text, Path& path) {
  const size_t quote = text.find('"');
  const size_t colon = text.substr(0, quote).rfind(':');
  if (colon != absl::string_view::npos) text.remove_prefix(colon + 1);
  const size_t dot = text.substr(0, text.find('"')).find('.');
  path.class_name = std::string(text.substr(0, dot));
  if (dot == absl::string_view::npos) {
    return !path.class_name.empty() && path.class_name.find_first_of("=\"@") == std::string::npos;
  }
  text.remove_prefix(dot + 1);
  while (!text.empty()) {
    const size_t equals = text.find("=\"");
    if (equals == absl::string_view::npos) return false;
    const std::string key(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value;
    if (!TakeQuoted(text, value)) return false;
    path.keys[key] = value;
    if (!text.empty() && text[0] != ',') return false;
    if (!text.empty()) text.remove_prefix(1);
  }
  return !path.keys.empty();
}

}  // namespace keymedic::doubles
