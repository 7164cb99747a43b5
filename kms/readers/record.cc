// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/record.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "kms/readers/event_draft.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "kms/readers/slmgr_report.h"
#include "kms/tables.h"

namespace keymedic::kms::readers {
namespace {

struct PropertyRow {
  absl::string_view key;
  Field field;
  bool telling;  // others have no property of that name
};

// In the order in which a report takes them: what tells the role comes first.
constexpr PropertyRow kProperties[] = {
    {"version", Field::kVersion, false},
    {"name", Field::kName, false},
    {"description", Field::kDescription, false},
    {"id", Field::kActivationId, false},
    {"activationid", Field::kActivationId, false},
    {"applicationid", Field::kApplicationId, false},
    {"productkeyid", Field::kExtendedPid, false},
    {"extendedpid", Field::kExtendedPid, false},
    {"productkeychannel", Field::kKeyChannel, true},
    {"partialproductkey", Field::kPartialKey, true},
    {"licensestatus", Field::kStatus, true},
    {"licensestatusreason", Field::kReason, true},
    {"graceperiodremaining", Field::kExpiration, true},
    {"evaluationenddate", Field::kEvaluationEnd, true},
    {"remainingwindowsrearmcount", Field::kWindowsRearms, true},
    {"remainingskurearmcount", Field::kProductRearms, true},
    {"trustedtime", Field::kTrustedTime, false},
    {"vlactivationtypeenabled", Field::kActivationType, true},
    {"clientmachineid", Field::kClientMachineId, true},
    {"keymanagementservicelookupdomain", Field::kLookupDomain, true},
    {"discoveredkeymanagementservicemachineipaddress", Field::kHostAddress, true},
    {"keymanagementserviceproductkeyid", Field::kHostExtendedPid, true},
    {"vlactivationinterval", Field::kActivationInterval, true},
    {"vlrenewalinterval", Field::kRenewalInterval, true},
    {"adactivationobjectname", Field::kActivationObject, true},
    {"keymanagementservicecurrentcount", Field::kCount, true},
    {"keymanagementservicelisteningport", Field::kPort, true},
    {"keymanagementservicetotalrequests", Field::kTotal, true},
    {"keymanagementservicefailedrequests", Field::kFailed, true},
    {"keymanagementserviceunlicensedrequests", Field::kUnlicensed, true},
    {"keymanagementservicelicensedrequests", Field::kLicensed, true},
    {"keymanagementserviceoobgracerequests", Field::kInitialGrace, true},
    {"keymanagementserviceootgracerequests", Field::kAdditionalGrace, true},
    {"keymanagementservicenongenuinegracerequests", Field::kNonGenuineGrace, true},
    {"keymanagementservicenotificationrequests", Field::kNotification, true},
    {"keymanagementservicemachine", Field::kRegisteredHost, true},
    {"discoveredkeymanagementservicemachinename", Field::kDiscoveredHost, true},
    {"keymanagementservicehostcaching", Field::kHostCaching, true},
    {"keymanagementservicednspublishing", Field::kDnsPublishing, true},
    {"keymanagementservicelowpriority", Field::kPriority, true},
    {"iskeymanagementservicemachine", Field::kHostEnabled, true},
    {"requiredclientcount", Field::kIgnored, true},
    {"licensefamily", Field::kIgnored, true},
    {"licenseisaddon", Field::kIgnored, true},
    {"keymanagementserviceport", Field::kIgnored, true},
    {"discoveredkeymanagementservicemachineport", Field::kIgnored, true},
};

// What stands for "there is none" where WMI and the cmdlets have no value.
bool IsNothing(absl::string_view value) {
  if (IsUnknown(value) || value == "4294967295") return true;
  for (absl::string_view word : {"Not Set", "Unlimited", "No Limit", "null", "$null", "{}"}) {
    if (absl::EqualsIgnoreCase(value, word)) return true;
  }
  return false;
}

std::optional<bool> BoolOf(absl::string_view value) {
  if (value == "1" || absl::EqualsIgnoreCase(value, "true")) return true;
  if (value == "0" || absl::EqualsIgnoreCase(value, "false")) return false;
  return std::nullopt;
}

bool IsHostField(Field field) {
  return field >= Field::kHostEnabled && field != Field::kHostCaching;
}

// "Windows(R) Operat...": the table had no room for more.
bool IsCut(absl::string_view value) { return absl::EndsWith(value, "..."); }

// A tool on another machine names the one that it asked.
std::string ComputerOf(const Record& record) {
  for (absl::string_view key : {"pscomputername", "server", "node", "machinename", "computername",
                                "computer", "systemname"}) {
    const auto host = ParseHostPort(record.Get(key));
    if (!host || host->host.empty() || host->host == "localhost" || host->host == ".") continue;
    return host->host;
  }
  return "";
}

class LicenseRecord {
 public:
  LicenseRecord(const Record& record, Sink& sink) : record_(record), report_(sink) {}
  void Read();

 private:
  bool IsHost() const;
  void Take(const PropertyRow& row);
  void TakeHostName(Field field, absl::string_view name, absl::string_view port_key);

  const Record& record_;
  SlmgrReport report_;
};

// The counters stand beside every product; on a client they mean nothing.
bool LicenseRecord::IsHost() const {
  if (const auto is = BoolOf(record_.Get("iskeymanagementservicemachine"))) return *is;
  const std::string channel = FindChannel(record_.Get("description"));
  if (!channel.empty()) return IsHostChannel(channel);
  const absl::string_view count = record_.Get("keymanagementservicecurrentcount");
  return IsNumber(count) && !IsNothing(count);
}

void LicenseRecord::TakeHostName(Field field, absl::string_view name, absl::string_view port_key) {
  const bool of_service = record_.Has("clientmachineid");
  if (IsNothing(name)) {
    // Of a product, it only says that the product has no host of its own.
    const bool set = field == Field::kDiscoveredHost || of_service;
    if (set && name.empty() && field == Field::kRegisteredHost) report_.NotPinned();
    return;
  }
  std::string address(name);
  const absl::string_view port = record_.Get(port_key);
  if (IsNumber(port) && port != "0" && !IsNothing(port)) absl::StrAppend(&address, ":", port);
  report_.TakeField(field, address, record_.line);
}

void LicenseRecord::Take(const PropertyRow& row) {
  absl::string_view value = record_.Get(row.key);
  if (IsCut(value) && row.field != Field::kName) return;
  switch (row.field) {
    case Field::kIgnored:
      return;
    case Field::kRegisteredHost:
      return TakeHostName(row.field, value, "keymanagementserviceport");
    case Field::kDiscoveredHost:
      return TakeHostName(row.field, value, "discoveredkeymanagementservicemachineport");
    case Field::kHostCaching:
    case Field::kDnsPublishing:
    case Field::kPriority:
    case Field::kHostEnabled:
      if (const auto on = BoolOf(value)) report_.TakeSwitch(row.field, *on);
      return;
    case Field::kActivationType:
      // 0: all, 1: directory, 2: KMS, 3: token.
      if (value.size() == 1 && value[0] >= '0' && value[0] <= '3') {
        report_.TakeActivationType(static_cast<v1::ActivationType>(value[0] - '0' + 1));
      }
      return;
    case Field::kExpiration:
      if (value == "0") return;  // no end
      break;
    case Field::kReason:
      if (value == "0") return;
      break;
    default:
      break;
  }
  if (IsNothing(value) && row.field != Field::kPartialKey && row.field != Field::kCount) return;
  report_.TakeField(row.field, value == "4294967295" ? "-1" : value, record_.line);
}

void LicenseRecord::Read() {
  const bool host = IsHost();
  for (const PropertyRow& row : kProperties) {
    if (!record_.Has(row.key) || (IsHostField(row.field) && !host)) continue;
    if (row.field == Field::kVersion && !FindVersion(record_.Get(row.key))) continue;
    Take(row);
  }
  if (BoolOf(record_.Get("licenseisaddon")).value_or(false)) report_.SetAddon();
  report_.Finish(record_.line);
}

bool ReadLicense(const Record& record, Sink& sink) {
  // The class lists every product that there is; those without a key are not installed.
  const bool product = record.Has("partialproductkey") && !record.Has("clientmachineid");
  if (product && IsNothing(record.Get("partialproductkey")) &&
      record.Get("partialproductkey").find('<') == absl::string_view::npos) {
    return true;
  }
  LicenseRecord(record, sink).Read();
  return true;
}

// What an OSLicense cmdlet says of what it did.
bool ReadOutcome(const Record& record, Sink& sink) {
  const auto success = BoolOf(record.Get("success"));
  const std::string operation = Lower(record.Get("operation"));
  if (!success || !absl::StrContains(operation, "activ")) return false;
  const auto code = FindCode(record.Get("errorcode"));
  if (!*success && !code) return false;
  Piece& piece = sink.Add(Role::kClient, record.line);
  piece.state.client.emplace().add_attempts()->set_error(*success ? 0 : *code);
  return true;
}

bool ReadEvent(const Record& record, Sink& sink) {
  Draft draft;
  v1::EventRecord& event = draft.event;
  for (absl::string_view key : {"eventid", "eventcode", "id", "instanceid"}) {
    uint64_t id = 0;
    if (!absl::SimpleAtoi(record.Get(key), &id)) continue;
    event.set_event_id(id & 0xFFFF);  // an instance id carries its severity above
    break;
  }
  if (event.event_id() == 0) return false;
  for (absl::string_view key : {"providername", "source", "sourcename", "provider"}) {
    if (event.provider().empty()) event.set_provider(std::string(record.Get(key)));
  }
  if (IsCut(event.provider()) && IsTellingId(event.event_id())) event.clear_provider();
  for (absl::string_view key : {"logname", "log", "channel"}) {
    if (event.channel().empty()) event.set_channel(std::string(record.Get(key)));
  }
  event.set_computer(ComputerOf(record));
  for (absl::string_view key :
       {"timecreated", "timegenerated", "dateandtime", "time", "date", "timewritten"}) {
    const auto at = ParseInstant(record.Get(key));
    if (!at) continue;
    event.mutable_time()->set_seconds(absl::ToUnixSeconds(*at));
    break;
  }
  if (!event.provider().empty() && !IsLicensingSource(event.provider())) return true;
  for (absl::string_view key : {"message", "description", "replacementstrings"}) {
    if (!draft.text.empty() || record.Get(key).empty()) continue;
    for (absl::string_view line : absl::StrSplit(record.Get(key), absl::ByAnyChar("\r\n"))) {
      draft.text.emplace_back(absl::StripAsciiWhitespace(line));
    }
  }
  FillData(draft, record.line, sink);
  AddEvent(std::move(event), record.line, sink);
  return true;
}

bool ReadDnsRecord(const Record& record, Sink& sink) {
  const std::string name = Lower(record.Get("name"));
  v1::SrvRecord srv;
  uint32_t port = 0, priority = 0, weight = 0;
  if (!absl::StrContains(name, "_vlmcs") || !absl::SimpleAtoi(record.Get("port"), &port) ||
      port > 65535) {
    return false;
  }
  const auto target = ParseHostPort(record.Get("nametarget"));
  if (!target || target->host.empty()) return false;
  srv.set_target(target->host);
  srv.set_port(port);
  if (absl::SimpleAtoi(record.Get("priority"), &priority)) srv.set_priority(priority);
  if (absl::SimpleAtoi(record.Get("weight"), &weight)) srv.set_weight(weight);
  v1::SrvAnswer* answer = sink.Add(Role::kUnknown, record.line).state.names.emplace().add_answers();
  answer->set_name(name);
  *answer->add_records() = std::move(srv);
  return true;
}

}  // namespace

bool Record::Has(absl::string_view key) const {
  return std::any_of(properties.begin(), properties.end(),
                     [&](const Property& property) { return property.key == key; });
}

absl::string_view Record::Get(absl::string_view key) const {
  for (const Property& property : properties) {
    if (property.key == key) return property.value;
  }
  return "";
}

bool IsLicenseProperty(absl::string_view key) {
  static const auto* const kTelling = [] {
    auto* map = new absl::flat_hash_map<absl::string_view, bool>;
    for (const PropertyRow& row : kProperties) map->emplace(row.key, row.telling);
    return map;
  }();
  const auto found = kTelling->find(key);
  return found != kTelling->end() && found->second;
}

RecordKind KindOfRecord(const Record& record) {
  bool id = false, source = false;
  for (const Property& property : record.properties) {
    const absl::string_view key = property.key;
    if (IsLicenseProperty(key)) return RecordKind::kLicense;
    if (key == "nametarget") return RecordKind::kDnsRecord;
    id = id || key == "id" || key == "eventid" || key == "eventcode" || key == "instanceid";
    source = source || key == "providername" || key == "source" || key == "sourcename";
  }
  if (id && source) return RecordKind::kEvent;
  const bool outcome = record.Has("success") && record.Has("operation") && record.Has("errorcode");
  return outcome ? RecordKind::kLicense : RecordKind::kNone;
}

bool ReadRecord(const Record& record, Sink& sink) {
  const RecordKind kind = KindOfRecord(record);
  if (kind == RecordKind::kEvent) return ReadEvent(record, sink);
  if (const std::string computer = ComputerOf(record);
      !computer.empty() && kind != RecordKind::kNone) {
    sink.Heading(Role::kUnknown, computer, false);
  }
  switch (kind) {
    case RecordKind::kLicense:
      return record.Has("operation") ? ReadOutcome(record, sink) : ReadLicense(record, sink);
    case RecordKind::kDnsRecord:
      return ReadDnsRecord(record, sink);
    default:
      return false;
  }
}

}  // namespace keymedic::kms::readers
