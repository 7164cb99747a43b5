// SPDX-License-Identifier: Apache-2.0
//
// The WMI of the double, without COM: classes with typed properties and methods, rows, and what a
// row is queried and asked. Names are compared without regard to case, as WMI does.
//
// Threads: definitions do not change once made; rows belong to who has them.
#ifndef KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_MODEL_H_
#define KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_MODEL_H_

#include <oaidl.h>
#include <wbemcli.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace keymedic::doubles {

// Null, a boolean, a number of any width, a text (also an instant), texts.
using Value = std::variant<std::monostate, bool, int64_t, std::string, std::vector<std::string>>;

struct IgnoringCase {
  using is_transparent = void;
  bool operator()(absl::string_view a, absl::string_view b) const;
};
using Values = std::map<std::string, Value, IgnoringCase>;

// As real WMI hands it out: numbers up to 32 bits as VT_I4, with 64 bits as text, a missing value
// as VT_NULL.
HRESULT ToVariant(const Value& value, CIMTYPE type, VARIANT* out);
// Anything that may stand for a value of that type; false if it may not.
bool FromVariant(const VARIANT& variant, CIMTYPE type, Value* out);

struct Property {
  std::string name;
  CIMTYPE type = CIM_STRING;
  bool key = false;
  int id = -1;  // the place of a method's argument; -1: is none
};

struct Method {
  std::string name;
  std::vector<Property> in;
};

struct Class {
  std::string name;
  std::vector<Property> properties;
  std::vector<Method> methods;

  const Property* FindProperty(absl::string_view name) const;
  const Method* FindMethod(absl::string_view name) const;
};
using ClassPtr = std::shared_ptr<const Class>;

// A class with what stands behind it.
struct Provider {
  ClassPtr definition;
  // Error: an HRESULT.
  std::function<HRESULT(std::vector<Values>& rows)> rows;
  // A method of the row with these keys. An HRESULT of the service behind it is what the call fails
  // with.
  std::function<HRESULT(const std::string& method, const Values& keys, const Values& arguments)>
      call;
};

// The classes of a namespace as this Windows has them, with the present fault; null: no such
// namespace.
const Provider* FindProvider(absl::string_view name_space, absl::string_view class_name);
bool HasNamespace(absl::string_view name_space);

// Class.Key="value",Other="value"; empty where a key is missing, as after a query that did not
// select it.
std::string RelativePath(const Class& definition, const Values& row);

struct Path {
  std::string class_name;
  Values keys;  // empty: the class itself
};
// Also with \\server\namespace: before it. False if it is none.
bool ParsePath(absl::string_view text, Path& path);

}  // namespace keymedic::doubles

#endif  // KEYMEDIC_TESTS_WINDOWS_DOUBLES_WMI_MODEL_H_
