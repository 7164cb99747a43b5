// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/wmi_session.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/windows/wide.h"

namespace keymedic::systems {
namespace {

using std::chrono::steady_clock;
using windows::Narrow;
using windows::Wide;

// An interface that is served in this process needs no security.
HRESULT SetBlanket(IUnknown* proxy) {
  const HRESULT result = CoSetProxyBlanket(proxy, RPC_C_AUTHN_WINNT, RPC_C_AUTHZ_NONE, nullptr,
                                           RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
                                           RPC_C_IMP_LEVEL_IMPERSONATE, nullptr, EOAC_NONE);
  return result == E_NOINTERFACE ? S_OK : result;
}

HRESULT NamesOf(IWbemClassObject& object, std::vector<std::wstring>& names) {
  SAFEARRAY* array = nullptr;
  const HRESULT result =
      object.GetNames(nullptr, WBEM_FLAG_ALWAYS | WBEM_FLAG_NONSYSTEM_ONLY, nullptr, &array);
  if (FAILED(result)) return result;
  for (const std::string& name : FromStringArray(array)) names.push_back(Wide(name));
  if (array != nullptr) SafeArrayDestroy(array);
  return S_OK;
}

// The place of an argument, as its class says; those that say none keep their order.
int64_t PlaceOf(IWbemClassObject& signature, const std::wstring& name) {
  ComPtr<IWbemQualifierSet> qualifiers;
  Variant id;
  if (FAILED(signature.GetPropertyQualifierSet(name.c_str(), qualifiers.Out())) ||
      FAILED(qualifiers->Get(L"ID", 0, id.Out(), nullptr))) {
    return INT32_MAX;
  }
  const WmiValue place = FromVariant(id.get(), CIM_SINT32);
  const auto* number = std::get_if<int64_t>(&place);
  return number == nullptr ? INT32_MAX : *number;
}

HRESULT ArgumentNames(IWbemClassObject& signature, std::vector<std::wstring>& names) {
  const HRESULT result = NamesOf(signature, names);
  std::map<std::wstring, int64_t> places;
  for (const std::wstring& name : names) places[name] = PlaceOf(signature, name);
  std::stable_sort(names.begin(), names.end(),
                   [&](const auto& a, const auto& b) { return places[a] < places[b]; });
  return result;
}

// As WMI wants it for that type: every number of 32 bits and fewer as a VT_I4.
void SetArgument(const WmiArgument& argument, CIMTYPE type, Variant& out) {
  if (const auto* text = std::get_if<std::string>(&argument)) return out.SetText(*text);
  const auto* flag = std::get_if<bool>(&argument);
  const uint32_t number = flag == nullptr ? std::get<uint32_t>(argument) : (*flag ? 1 : 0);
  switch (type) {
    case CIM_BOOLEAN:
      return out.SetFlag(number != 0);
    case CIM_STRING:
    case CIM_UINT64:
    case CIM_SINT64:
      return out.SetText(std::to_string(number));
    default:
      return out.SetNumber(static_cast<int32_t>(number));
  }
}

uint32_t ReturnValueOf(IWbemClassObject* result) {
  Variant value;
  CIMTYPE type = 0;
  if (result == nullptr || FAILED(result->Get(L"ReturnValue", 0, value.Out(), &type, nullptr))) {
    return 0;
  }
  const WmiValue returned = FromVariant(value.get(), type);
  const auto* number = std::get_if<int64_t>(&returned);
  return number == nullptr ? 0 : static_cast<uint32_t>(*number);
}

}  // namespace

HRESULT WmiSession::Open(const std::string& name_space) {
  if (services_) return S_OK;
  ComPtr<IWbemLocator> locator;
  HRESULT result = CoCreateInstance(CLSID_WbemLocator, nullptr, CLSCTX_INPROC_SERVER,
                                    IID_IWbemLocator, locator.OutVoid());
  if (FAILED(result)) return result;
  const Bstr path{absl::string_view(name_space)};
  ComPtr<IWbemServices> services;
  result = locator->ConnectServer(path.get(), nullptr, nullptr, nullptr,
                                  WBEM_FLAG_CONNECT_USE_MAX_WAIT, nullptr, nullptr, services.Out());
  if (SUCCEEDED(result)) result = SetBlanket(services.get());
  if (SUCCEEDED(result)) services_ = std::move(services);
  return result;
}

WmiAnswer WmiSession::Query(const WmiQuery& query, absl::Duration limit) {
  return fallback_.Query(
      query, [&](const WmiQuery& asked) { return Run(asked, limit); },
      [&](const std::string& class_name) { return ListColumns(class_name); });
}

HRESULT WmiSession::MakeContext(const WmiQuery& query, ComPtr<IWbemContext>& context) {
  if (query.context.empty()) return S_OK;
  HRESULT result = CoCreateInstance(CLSID_WbemContext, nullptr, CLSCTX_INPROC_SERVER,
                                    IID_IWbemContext, context.OutVoid());
  for (const auto& [name, text] : query.context) {
    Variant value;
    value.SetText(text);
    if (SUCCEEDED(result)) {
      result = context->SetValue(Wide(name).c_str(), 0, value.mutable_get());
    }
  }
  return result;
}

WmiAnswer WmiSession::Run(const WmiQuery& query, absl::Duration limit) {
  WmiAnswer answer;
  const auto failed = [&](HRESULT result) {
    answer.hresult = static_cast<uint32_t>(result);
    return answer;
  };
  ComPtr<IWbemContext> context;
  if (const HRESULT made = MakeContext(query, context); FAILED(made)) return failed(made);
  const Bstr language(std::wstring_view(L"WQL"));
  const Bstr text{absl::string_view(QueryText(query))};
  ComPtr<IEnumWbemClassObject> rows;
  HRESULT result = services_->ExecQuery(language.get(), text.get(),
                                        WBEM_FLAG_FORWARD_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY,
                                        context.get(), rows.Out());
  if (FAILED(result)) return failed(result);
  SetBlanket(rows.get());  // the rows come without it, too, where WMI is not told to be strict
  const auto end = steady_clock::now() + absl::ToChronoMilliseconds(limit);
  while (true) {
    ComPtr<IWbemClassObject> object;
    ULONG count = 0;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(end - steady_clock::now(), steady_clock::duration::zero()));
    result = rows->Next(static_cast<long>(left.count()), 1, object.Out(), &count);
    if (FAILED(result) || result == WBEM_S_TIMEDOUT) return failed(result);
    if (count == 0) return answer;
    result = ReadRow(*object.get(), query, answer.rows.emplace_back());
    if (FAILED(result)) return failed(result);
  }
}

HRESULT WmiSession::ReadRow(IWbemClassObject& object, const WmiQuery& query, WmiRow& row) {
  std::map<std::string, WmiValue> values;
  Variant value;
  CIMTYPE type = 0;
  for (const std::string& column : query.columns) {
    const HRESULT result = object.Get(Wide(column).c_str(), 0, value.Out(), &type, nullptr);
    if (result == static_cast<HRESULT>(WBEM_E_NOT_FOUND)) continue;
    if (FAILED(result)) return result;
    values[column] = FromVariant(value.get(), type);
  }
  std::string path;
  for (const wchar_t* name : {L"__RELPATH", L"__PATH"}) {
    if (!path.empty() || FAILED(object.Get(name, 0, value.Out(), &type, nullptr))) continue;
    if (value.get().vt == VT_BSTR) path = std::get<std::string>(FromVariant(value.get(), type));
  }
  row = WmiRow(std::move(values), std::move(path));
  return S_OK;
}

HRESULT WmiSession::GetClass(const std::string& class_name, ComPtr<IWbemClassObject>& definition) {
  const Bstr path{absl::string_view(class_name)};
  return services_->GetObject(path.get(), 0, nullptr, definition.Out(), nullptr);
}

WmiNames WmiSession::ListColumns(const std::string& class_name) {
  WmiNames names;
  ComPtr<IWbemClassObject> definition;
  std::vector<std::wstring> wide;
  HRESULT result = GetClass(class_name, definition);
  if (SUCCEEDED(result)) result = NamesOf(*definition.get(), wide);
  if (FAILED(result)) names.hresult = static_cast<uint32_t>(result);
  for (const std::wstring& name : wide) names.names.push_back(Narrow(name));
  return names;
}

HRESULT WmiSession::FillArguments(IWbemClassObject* signature, const WmiCall& call,
                                  CallResult& result, ComPtr<IWbemClassObject>& filled) {
  std::vector<std::wstring> names;
  if (signature != nullptr) {
    const HRESULT listed = ArgumentNames(*signature, names);
    if (FAILED(listed)) return listed;
  }
  result.takes = names.size();
  result.wrong_arguments = names.size() < call.arguments.size();
  if (names.empty() || result.wrong_arguments) return S_OK;
  HRESULT done = signature->SpawnInstance(0, filled.Out());
  for (size_t i = 0; i < call.arguments.size() && SUCCEEDED(done); ++i) {
    Variant old, value;
    CIMTYPE type = 0;
    done = signature->Get(names[i].c_str(), 0, old.Out(), &type, nullptr);
    SetArgument(call.arguments[i], type, value);
    if (SUCCEEDED(done)) done = filled->Put(names[i].c_str(), 0, value.mutable_get(), 0);
  }
  return done;
}

WmiSession::CallResult WmiSession::Call(const WmiCall& call) {
  CallResult result;
  ComPtr<IWbemClassObject> definition, signature, outputs, filled, answer;
  result.hresult = GetClass(call.class_name, definition);
  if (FAILED(result.hresult)) return result;
  const std::wstring method = Wide(call.method);
  const HRESULT found = definition->GetMethod(method.c_str(), 0, signature.Out(), outputs.Out());
  result.no_such_method = found == static_cast<HRESULT>(WBEM_E_NOT_FOUND);
  result.hresult = found;
  if (FAILED(found)) return result;
  result.hresult = FillArguments(signature.get(), call, result, filled);
  if (FAILED(result.hresult) || result.wrong_arguments) return result;
  const Bstr path{absl::string_view(call.path)};
  const Bstr name{std::wstring_view(method)};
  result.hresult = services_->ExecMethod(path.get(), name.get(), 0, nullptr, filled.get(),
                                         answer.Out(), nullptr);
  if (SUCCEEDED(result.hresult)) {
    result.return_value = ReturnValueOf(answer.get());
  } else if (WhoFailed(static_cast<uint32_t>(result.hresult)) == FailureOf::kAskAgain) {
    result.service_answers = SUCCEEDED(GetClass(call.class_name, definition));
  }
  return result;
}

}  // namespace keymedic::systems
