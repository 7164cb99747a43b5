// SPDX-License-Identifier: Apache-2.0
#include "tests/windows/doubles/wmi_services.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "tests/windows/doubles/com_object.h"
#include "tests/windows/doubles/lab_machine.h"
#include "tests/windows/doubles/wmi_model.h"
#include "tests/windows/doubles/wmi_object.h"
#include "tests/windows/doubles/wql.h"

namespace keymedic::doubles {
namespace {

constexpr HRESULT kNotHere = static_cast<HRESULT>(WBEM_E_NOT_SUPPORTED);

class Services final : public ComObject<IWbemServices, IClientSecurity> {
 public:
  explicit Services(std::string name_space) : name_space_(std::move(name_space)) {}

  HRESULT STDMETHODCALLTYPE GetObject(const BSTR text, LONG, IWbemContext*, IWbemClassObject** out,
                                      IWbemCallResult**) override {
    Path path;
    if (!ParsePath(FromBstr(text), path)) return static_cast<HRESULT>(WBEM_E_INVALID_OBJECT_PATH);
    const Provider* provider = FindProvider(name_space_, path.class_name);
    if (provider == nullptr) return static_cast<HRESULT>(WBEM_E_NOT_FOUND);
    ObjectParts parts{.definition = provider->definition, .name_space = name_space_};
    parts.is_class = path.keys.empty();
    if (!parts.is_class) {
      const HRESULT found = FindRow(*provider, path.keys, parts.values);
      if (FAILED(found)) return found;
    }
    *out = MakeObject(std::move(parts));
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE ExecQuery(const BSTR language, const BSTR text, LONG flags,
                                      IWbemContext*, IEnumWbemClassObject** out) override {
    if (!absl::EqualsIgnoreCase(FromBstr(language), "WQL"))
      return static_cast<HRESULT>(WBEM_E_INVALID_QUERY_TYPE);
    if (HasFault("hang")) Sleep(INFINITE);
    if (HasFault("access-denied")) return static_cast<HRESULT>(WBEM_E_ACCESS_DENIED);
    Query query;
    if (!ParseQuery(FromBstr(text), query)) return static_cast<HRESULT>(WBEM_E_INVALID_QUERY);
    std::vector<ObjectParts> rows;
    const HRESULT result = Run(query, rows);
    // Who does not want to wait learns of it at the first row only.
    const bool later = (flags & WBEM_FLAG_RETURN_IMMEDIATELY) != 0;
    if (FAILED(result) && !later) return result;
    *out = MakeRows(std::move(rows), result);
    return WBEM_S_NO_ERROR;
  }

  HRESULT STDMETHODCALLTYPE ExecMethod(const BSTR text, const BSTR name, LONG, IWbemContext*,
                                       IWbemClassObject* in, IWbemClassObject** out,
                                       IWbemCallResult**) override {
    Path path;
    if (!ParsePath(FromBstr(text), path)) return static_cast<HRESULT>(WBEM_E_INVALID_OBJECT_PATH);
    const Provider* provider = FindProvider(name_space_, path.class_name);
    if (provider == nullptr) return static_cast<HRESULT>(WBEM_E_INVALID_CLASS);
    const Method* method = provider->definition->FindMethod(FromBstr(name));
    // Of the class itself there is nothing to call here: no method is static.
    if (method == nullptr || path.keys.empty()) return static_cast<HRESULT>(WBEM_E_INVALID_METHOD);
    Values row;
    HRESULT result = FindRow(*provider, path.keys, row);
    if (FAILED(result)) return result;
    const Values arguments = ValuesOf(in);
    if (!Complete(*method, arguments))
      return static_cast<HRESULT>(WBEM_E_INVALID_METHOD_PARAMETERS);
    result = provider->call(method->name, row, arguments);
    if (FAILED(result)) return result;
    if (out != nullptr) *out = MakeReturned(0);
    return WBEM_S_NO_ERROR;
  }

  // Served in this process, so that there is no proxy whose security could be set; asked to, real
  // WMI says yes.
  HRESULT STDMETHODCALLTYPE SetBlanket(IUnknown*, DWORD, DWORD, OLECHAR*, DWORD, DWORD, void*,
                                       DWORD) override {
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE QueryBlanket(IUnknown*, DWORD*, DWORD*, OLECHAR**, DWORD*, DWORD*,
                                         void**, DWORD*) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CopyProxy(IUnknown*, IUnknown**) override { return kNotHere; }

  // What nobody who is tested here calls.
  using Context = IWbemContext*;
  using Result = IWbemCallResult**;
  using Sink = IWbemObjectSink*;
  HRESULT STDMETHODCALLTYPE OpenNamespace(const BSTR, LONG, Context, IWbemServices**,
                                          Result) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CancelAsyncCall(Sink) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE QueryObjectSink(LONG, IWbemObjectSink**) override { return kNotHere; }
  HRESULT STDMETHODCALLTYPE GetObjectAsync(const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE PutClass(IWbemClassObject*, LONG, Context, Result) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE PutClassAsync(IWbemClassObject*, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE DeleteClass(const BSTR, LONG, Context, Result) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE DeleteClassAsync(const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CreateClassEnum(const BSTR, LONG, Context,
                                            IEnumWbemClassObject**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CreateClassEnumAsync(const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE PutInstance(IWbemClassObject*, LONG, Context, Result) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE PutInstanceAsync(IWbemClassObject*, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE DeleteInstance(const BSTR, LONG, Context, Result) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE DeleteInstanceAsync(const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CreateInstanceEnum(const BSTR, LONG, Context,
                                               IEnumWbemClassObject**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE CreateInstanceEnumAsync(const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE ExecQueryAsync(const BSTR, const BSTR, LONG, Context, Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE ExecNotificationQuery(const BSTR, const BSTR, LONG, Context,
                                                  IEnumWbemClassObject**) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE ExecNotificationQueryAsync(const BSTR, const BSTR, LONG, Context,
                                                       Sink) override {
    return kNotHere;
  }
  HRESULT STDMETHODCALLTYPE ExecMethodAsync(const BSTR, const BSTR, LONG, Context,
                                            IWbemClassObject*, Sink) override {
    return kNotHere;
  }

 private:
  static HRESULT FindRow(const Provider& provider, const Values& keys, Values& row) {
    std::vector<Values> rows;
    const HRESULT result = provider.rows(rows);
    if (FAILED(result)) return result;
    for (Values& candidate : rows) {
      bool same = true;
      for (const auto& [name, value] : keys) {
        const auto found = candidate.find(name);
        same = same && found != candidate.end() && found->second == value;
      }
      if (!same) continue;
      row = std::move(candidate);
      return WBEM_S_NO_ERROR;
    }
    return static_cast<HRESULT>(WBEM_E_NOT_FOUND);
  }

  static bool Complete(const Method& method, const Values& arguments) {
    for (const Property& parameter : method.in) {
      const auto given = arguments.find(parameter.name);
      if (given == arguments.end() || std::holds_alternative<std::monostate>(given->second))
        return false;
    }
    return true;
  }

  HRESULT Run(const Query& query, std::vector<ObjectParts>& out) const {
    const Provider* provider = FindProvider(name_space_, query.class_name);
    if (provider == nullptr) return static_cast<HRESULT>(WBEM_E_INVALID_CLASS);
    if (!Fits(query, *provider->definition)) return static_cast<HRESULT>(WBEM_E_INVALID_QUERY);
    std::vector<Values> rows;
    const HRESULT result = provider->rows(rows);
    if (FAILED(result)) return result;
    for (Values& row : rows) {
      if (!Matches(query, row)) continue;
      ObjectParts parts{.definition = provider->definition, .name_space = name_space_};
      parts.values = Project(query, *provider->definition, std::move(row));
      out.push_back(std::move(parts));
    }
    return WBEM_S_NO_ERROR;
  }

  static Values Project(const Query& query, const Class& definition, Values row) {
    for (const Property& property : definition.properties) row.try_emplace(property.name);
    if (query.columns.empty()) return row;
    Values selected;
    for (const std::string& column : query.columns) {
      const Property* property = definition.FindProperty(column);
      if (property != nullptr) selected[property->name] = row[property->name];
    }
    return selected;
  }

  const std::string name_space_;
};

class Locator final : public ComObject<IWbemLocator> {
 public:
  HRESULT STDMETHODCALLTYPE ConnectServer(const BSTR resource, const BSTR, const BSTR, const BSTR,
                                          LONG, const BSTR, IWbemContext*,
                                          IWbemServices** services) override {
    if (resource == nullptr || services == nullptr)
      return static_cast<HRESULT>(WBEM_E_INVALID_PARAMETER);
    if (HasFault("access-denied")) return E_ACCESSDENIED;
    const std::string name_space = absl::AsciiStrToUpper(FromBstr(resource));
    if (!HasNamespace(name_space)) return static_cast<HRESULT>(WBEM_E_INVALID_NAMESPACE);
    *services = new Services(name_space);
    return WBEM_S_NO_ERROR;
  }
};

}  // namespace

IWbemLocator* MakeLocator() { return new Locator; }

}  // namespace keymedic::doubles
