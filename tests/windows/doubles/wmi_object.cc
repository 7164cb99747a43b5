// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/wmi_object.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/windows/doubles/com_object.h"
#include "tests/windows/doubles/lab_machine.h"

namespace keymedic::doubles {
namespace {

constexpr HRESULT kNotHere = static_cast<HRESULT>(WBEM_E_NOT_SUPPORTED);
constexpr HRESULT kNotFound = static_cast<HRESULT>(WBEM_E_NOT_FOUND);

ClassPtr ParametersOf(std::vector<Property> properties) {
  auto definition = std::make_shared<Class>();
  definition->name = "__PARAMETERS";
  definition->properties = std::move(properties);
  return definition;
}

ClassPtr ReturnedParameters() {
  return ParametersOf({{.name = "ReturnValue", .type = CIM_UINT32}});
}

HRESULT ToNames(const std::vector<std::string>& names, SAFEARRAY** out) {
  VARIANT array;
  const HRESULT result = ToVariant(names, CIM_STRING, &array);
  *out = FAILED(result) ? nullptr : array.parray;
  return result;
}

// The qualifiers of one property: its type, whether it is a key, the place of an argument.
class Qualifiers final : public ComObject<IWbemQualifierSet> {
 public:
  explicit Qualifiers(const Property& property) {
    values_["CIMTYPE"] = std::string("any");
    if (property.key) values_["key"] = true;
    if (property.id >= 0) {
      values_["ID"] = static_cast<int64_t>(property.id);
      values_["in"] = true;
    }
  }
  HRESULT STDMETHODCALLTYPE Get(LPCWSTR name, LONG, VARIANT* value, LONG* flavor) override {
    const auto found = values_.find(FromBstr(name));
    if (found == values_.end()) return kNotFound;
    if (flavor != nullptr) *flavor = 0;
    return value == nullptr ? S_OK : ToVariant(found->second, CIM_SINT32, value);
  }
  HRESULT STDMETHODCALLTYPE Put(LPCWSTR, VARIANT*, LONG) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Delete(LPCWSTR) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE GetNames(LONG, SAFEARRAY** names) override {
    std::vector<std::string> all;
    for (const auto& [name, value] : values_) all.push_back(name);
    return ToNames(all, names);
  }
  HRESULT STDMETHODCALLTYPE BeginEnumeration(LONG) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Next(LONG, BSTR*, VARIANT*, LONG*) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE EndEnumeration() override { return kNotHere; }

 private:
  Values values_;
};

// {E7D35CFA-348B-485E-B524-252725D697CA} is Wine's and Windows' interface for class objects; this
// one is ours, to know our own objects again.
constexpr GUID kOurs = {
    0x6b8e3f52, 0x9d10, 0x4b6e, {0x8a, 0x52, 0x4b, 0x4d, 0x44, 0x42, 0x4c, 0x45}};

class Object final : public ComObject<IWbemClassObject> {
 public:
  explicit Object(ObjectParts parts) : parts_(std::move(parts)) {}
  const Values& values() const { return parts_.values; }

  HRESULT STDMETHODCALLTYPE Get(LPCWSTR name, LONG, VARIANT* value, CIMTYPE* type,
                                LONG* flavor) override {
    if (name == nullptr) return WBEM_E_INVALID_PARAMETER;
    const std::string wanted = FromBstr(name);
    if (flavor != nullptr) *flavor = 0;
    if (absl::StartsWith(wanted, "__")) return GetSystem(wanted, value, type);
    const Property* property = parts_.definition->FindProperty(wanted);
    const auto found = parts_.values.find(wanted);
    const bool here = found != parts_.values.end();
    if (property == nullptr || (!here && !parts_.is_class)) return kNotFound;
    if (type != nullptr) *type = property->type;
    if (value == nullptr) return WBEM_S_NO_ERROR;
    return ToVariant(here ? found->second : Value(), property->type, value);
  }

  HRESULT STDMETHODCALLTYPE Put(LPCWSTR name, LONG, VARIANT* value, CIMTYPE) override {
    if (name == nullptr) return WBEM_E_INVALID_PARAMETER;
    const Property* property = parts_.definition->FindProperty(FromBstr(name));
    if (property == nullptr) return kNotFound;
    Value plain;
    if (value != nullptr && !FromVariant(*value, property->type, &plain))
      return static_cast<HRESULT>(WBEM_E_TYPE_MISMATCH);
    parts_.values[property->name] = std::move(plain);
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE GetNames(LPCWSTR, LONG flags, VARIANT*, SAFEARRAY** names) override {
    if (names == nullptr) return WBEM_E_INVALID_PARAMETER;
    std::vector<std::string> all;
    const LONG origin = flags & WBEM_MASK_CONDITION_ORIGIN;
    if (origin != WBEM_FLAG_NONSYSTEM_ONLY && origin != WBEM_FLAG_LOCAL_ONLY)
      all = {"__CLASS", "__RELPATH", "__PATH"};
    for (const Property& property : parts_.definition->properties) {
      const bool here = parts_.is_class || parts_.values.contains(property.name);
      if (origin != WBEM_FLAG_SYSTEM_ONLY && here) all.push_back(property.name);
    }
    return ToNames(all, names);
  }

  HRESULT STDMETHODCALLTYPE GetPropertyQualifierSet(LPCWSTR name,
                                                    IWbemQualifierSet** out) override {
    const Property* property = parts_.definition->FindProperty(FromBstr(name));
    if (property == nullptr) return kNotFound;
    *out = new Qualifiers(*property);
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE Clone(IWbemClassObject** copy) override {
    *copy = new Object(parts_);
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE SpawnInstance(LONG, IWbemClassObject** instance) override {
    if (!parts_.is_class) return static_cast<HRESULT>(WBEM_E_INVALID_OPERATION);
    ObjectParts parts = parts_;
    parts.is_class = false;
    for (const Property& property : parts.definition->properties)
      parts.values.try_emplace(property.name);
    *instance = new Object(std::move(parts));
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE GetMethod(LPCWSTR name, LONG, IWbemClassObject** in,
                                      IWbemClassObject** out) override {
    if (!parts_.is_class) return static_cast<HRESULT>(WBEM_E_ILLEGAL_OPERATION);
    const Method* method = parts_.definition->FindMethod(FromBstr(name));
    if (method == nullptr) return kNotFound;
    const std::string& space = parts_.name_space;
    if (in != nullptr) {
      *in = method->in.empty() ? nullptr
                               : MakeObject({.definition = ParametersOf(method->in),
                                             .name_space = space,
                                             .is_class = true});
    }
    if (out != nullptr) {
      *out =
          MakeObject({.definition = ReturnedParameters(), .name_space = space, .is_class = true});
    }
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE InheritsFrom(LPCWSTR ancestor) override {
    return absl::EqualsIgnoreCase(FromBstr(ancestor), parts_.definition->name) ? WBEM_S_NO_ERROR
                                                                               : WBEM_S_FALSE;
  }

  // What nobody who is tested here calls.
  HRESULT STDMETHODCALLTYPE GetQualifierSet(IWbemQualifierSet**) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Delete(LPCWSTR) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE BeginEnumeration(LONG) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Next(LONG, BSTR*, VARIANT*, CIMTYPE*, LONG*) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE EndEnumeration() override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE GetObjectText(LONG, BSTR*) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE SpawnDerivedClass(LONG, IWbemClassObject**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CompareTo(LONG, IWbemClassObject*) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE GetPropertyOrigin(LPCWSTR, BSTR*) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE PutMethod(LPCWSTR, LONG, IWbemClassObject*,
                                      IWbemClassObject*) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE DeleteMethod(LPCWSTR) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE BeginMethodEnumeration(LONG) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE NextMethod(LONG, BSTR*, IWbemClassObject**,
                                       IWbemClassObject**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE EndMethodEnumeration() override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE GetMethodQualifierSet(LPCWSTR, IWbemQualifierSet**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE GetMethodOrigin(LPCWSTR, BSTR*) override { return kNotHere; }

 private:
  void* OfferMore(REFIID iid) override { return IsEqualIID(iid, kOurs) ? this : nullptr; }

  HRESULT GetSystem(const std::string& name, VARIANT* value, CIMTYPE* type) const {
    const std::string& class_name = parts_.definition->name;
    const std::string relative =
        parts_.is_class ? class_name : RelativePath(*parts_.definition, parts_.values);
    Value plain;  // null: as WMI says of a row whose keys were not selected that it has no path
    if (absl::EqualsIgnoreCase(name, "__CLASS")) {
      plain = class_name;
    } else if (absl::EqualsIgnoreCase(name, "__RELPATH")) {
      if (!relative.empty()) plain = relative;
    } else if (absl::EqualsIgnoreCase(name, "__PATH")) {
      if (!relative.empty()) plain = absl::StrCat("\\\\.\\", parts_.name_space, ":", relative);
    } else if (absl::EqualsIgnoreCase(name, "__NAMESPACE")) {
      plain = parts_.name_space;
    } else {
      return kNotFound;
    }
    if (type != nullptr) *type = CIM_STRING;
    return value == nullptr ? S_OK : ToVariant(plain, CIM_STRING, value);
  }

  ObjectParts parts_;
};

class Rows final : public ComObject<IEnumWbemClassObject, IClientSecurity> {
 public:
  Rows(std::vector<ObjectParts> rows, HRESULT first_error)
      : rows_(std::move(rows)), error_(first_error) {}

  HRESULT STDMETHODCALLTYPE Next(LONG timeout, ULONG count, IWbemClassObject** objects,
                                 ULONG* returned) override {
    if (objects == nullptr || returned == nullptr) return WBEM_E_INVALID_PARAMETER;
    *returned = 0;
    if (HasFault("no-answer")) return WBEM_S_TIMEDOUT;
    if (FAILED(error_)) return error_;
    while (*returned < count && next_ < rows_.size())
      objects[(*returned)++] = MakeObject(rows_[next_++]);
    return *returned == count ? WBEM_S_NO_ERROR : WBEM_S_FALSE;
  }
  HRESULT STDMETHODCALLTYPE Reset() override {
    return static_cast<HRESULT>(WBEM_E_INVALID_OPERATION);
  }
  HRESULT STDMETHODCALLTYPE NextAsync(ULONG, IWbemObjectSink*) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Clone(IEnumWbemClassObject**) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE Skip(LONG, ULONG) override { return kNotHere; }

  HRESULT STDMETHODCALLTYPE QueryBlanket(IUnknown*, DWORD*, DWORD*, OLECHAR**, DWORD*, DWORD*,
                                         void**, DWORD*) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE SetBlanket(IUnknown*, DWORD, DWORD, OLECHAR*, DWORD, DWORD, void*,
                                       DWORD) override {
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE CopyProxy(IUnknown*, IUnknown**) override { return kNotHere; }

 private:
  const std::vector<ObjectParts> rows_;
  const HRESULT error_;
  size_t next_ = 0;
};

}  // namespace

IWbemClassObject* MakeObject(ObjectParts parts) { return new Object(std::move(parts)); }

Values ValuesOf(IWbemClassObject* object) {
  Object* ours = nullptr;
  if (object == nullptr || FAILED(object->QueryInterface(kOurs, reinterpret_cast<void**>(&ours))))
    return {};
  Values values = ours->values();
  ours->Release();
  return values;
}

IWbemClassObject* MakeReturned(int64_t return_value) {
  Values values;
  values["ReturnValue"] = return_value;
  return MakeObject({.definition = ReturnedParameters(), .values = std::move(values)});
}

IEnumWbemClassObject* MakeRows(std::vector<ObjectParts> rows, HRESULT first_error) {
  return new Rows(std::move(rows), first_error);
}

}  // namespace keymedic::doubles
