// SPDX-License-Identifier: Apache-2.0
//
// ospp.vbs speaks English everywhere. One block for each Office product with a key.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/readers/readers.h"
#include "kms/readers/shapes.h"
#include "kms/readers/slmgr_labels.h"

namespace keymedic::kms::readers {
namespace {

bool Is(const std::optional<Labelled>& labelled, absl::string_view label) {
  return labelled && absl::EqualsIgnoreCase(labelled->label, label);
}

constexpr absl::string_view kSearching = "Searching for KMS activation events on machine:";

// /dhistorykms.
bool StartsHistory(absl::string_view line) {
  return absl::StartsWith(line, kSearching) || absl::StartsWith(line, "ERROR/HOST:") ||
         absl::StartsWith(line, "Coordinated Universal Time Written:");
}

std::optional<v1::LicenseStatus> StatusBetweenDashes(absl::string_view value) {
  std::string word;
  for (char c : Lower(value)) {
    if (c != '-' && c != ' ') word += c == '_' ? ' ' : c;
  }
  if (word == "licensed") return v1::LICENSE_STATUS_LICENSED;
  if (word == "unlicensed") return v1::LICENSE_STATUS_UNLICENSED;
  if (HasAny(word, {"notification"})) return v1::LICENSE_STATUS_NOTIFICATION;
  if (HasAny(word, {"oobgrace", "oob grace"})) return v1::LICENSE_STATUS_INITIAL_GRACE;
  if (HasAny(word, {"ootgrace", "oot grace"})) return v1::LICENSE_STATUS_ADDITIONAL_GRACE;
  if (HasAny(word, {"genuine"})) return v1::LICENSE_STATUS_NON_GENUINE_GRACE;
  if (HasAny(word, {"extended"})) return v1::LICENSE_STATUS_EXTENDED_GRACE;
  return std::nullopt;
}

class OsppReader {
 public:
  OsppReader(Piece& piece, Sink& sink)
      : piece_(piece), sink_(sink), licensing_(piece.state.licensing.emplace()) {}

  void Take(const Line& line);
  void Finish();
  bool any() const { return any_; }

 private:
  v1::Product& product() {
    if (licensing_.products().empty()) Begin();
    return *licensing_.mutable_products()->rbegin();
  }
  void Begin() {
    licensing_.add_products();
    piece_.minutes_left.push_back(-1);
    named_ = false;
  }
  v1::KmsClientSection& client() {
    return piece_.state.client ? *piece_.state.client : piece_.state.client.emplace();
  }
  void Broken(const Line& line, absl::string_view what) {
    sink_.Unreadable(line.number, absl::StrCat(what, ": \"", Excerpt(line.text, 120), "\""));
  }
  bool TakeHistoryLine(absl::string_view label, absl::string_view value);
  bool TakeProductLine(absl::string_view label, absl::string_view value, const Line& line);
  void TakeClientLine(absl::string_view label, absl::string_view value, const Line& line);
  void SetHost(absl::string_view value, bool from_dns, const Line& line);

  Piece& piece_;
  Sink& sink_;
  v1::LicensingSection& licensing_;
  bool any_ = false;
  std::optional<absl::Time> written_;  // of the event of the next line
  bool named_ = false;                 // the present block has said which product it is about
};

void OsppReader::Take(const Line& line) {
  const absl::string_view text = absl::StripAsciiWhitespace(line.text);
  if (absl::StartsWith(text, "<No installed product keys detected>")) {
    any_ = true;
    return;
  }
  if (absl::StrContains(text, "Product activation successful")) {
    any_ = true;
    return product().set_status(v1::LICENSE_STATUS_LICENSED);
  }
  const auto labelled = SplitLabel(text);
  if (!labelled) return;
  if (TakeHistoryLine(labelled->label, labelled->value)) {
    any_ = true;
  } else if (TakeProductLine(labelled->label, labelled->value, line)) {
    // Others print a product id, too.
    any_ = any_ || LabelKey(labelled->label) != "productid";
  } else {
    TakeClientLine(labelled->label, labelled->value, line);
  }
}

// A line of /dhistorykms: what a 12288 of the log says, as far as ospp.vbs prints it.
bool OsppReader::TakeHistoryLine(absl::string_view label, absl::string_view value) {
  if (absl::StartsWith(kSearching, label) && label.size() > 20) {
    if (const auto host = ParseHostPort(value); host && !host->port) piece_.computer = host->host;
    return true;
  }
  if (label == "Event ID" || label == "ERROR DESCRIPTION") return true;
  if (absl::StartsWith(label, "Coordinated Universal Time")) {
    written_ = ParseInstant(value);
    return true;
  }
  if (label != "ERROR/HOST") return false;
  const auto code = FindCode(value);
  if (!code) return true;
  v1::ActivationAttempt* attempt = client().add_attempts();
  attempt->set_source_event(12288);
  attempt->set_error(*code);
  if (written_) attempt->mutable_at()->set_seconds(absl::ToUnixSeconds(*written_));
  const auto host = ParseHostPort(value.substr(value.rfind(',') + 1));
  if (host && value.find(',') != absl::string_view::npos) attempt->set_host(host->host);
  written_.reset();
  return true;
}

bool OsppReader::TakeProductLine(absl::string_view label, absl::string_view value,
                                 const Line& line) {
  const bool unknown = IsUnknown(value);
  const std::string key = LabelKey(label);
  if (key == "productid") {  // the first line of a block
    Begin();
    if (!unknown) product().set_extended_pid(std::string(value));
  } else if (key == "skuid") {
    if (named_) Begin();
    named_ = true;
    if (const auto guid = FindGuid(value))
      product().set_activation_id(*guid);
    else if (!unknown)
      Broken(line, "a SKU id is a GUID");
    else
      product();
  } else if (key == "licensename") {
    if (product().has_name()) Begin();
    named_ = true;
    if (!unknown) product().set_name(std::string(value));
  } else if (key == "licensedescription") {
    product().set_description(std::string(value));
    if (const std::string channel = FindChannel(value); !channel.empty()) {
      product().set_channel(channel);
    }
  } else if (key == "licensestatus") {
    if (const auto status = StatusBetweenDashes(value))
      product().set_status(*status);
    else if (!unknown)
      Broken(line, "a license status that is not known");
  } else if (key == "errorcode") {
    if (const auto code = FindCode(value))
      product().set_status_reason(*code);
    else if (!unknown)
      Broken(line, "not an error code");
  } else if (absl::StartsWith(key, "last5charactersofinstalledproductkey")) {
    if (const std::string last = absl::AsciiStrToUpper(value); IsPartialKey(last))
      product().set_partial_key(last);
    else if (!unknown)
      Broken(line, "a partial product key has five characters");
  } else if (key == "remaininggrace") {
    product();
    const auto minutes = FindMinutes(value);
    if (minutes)
      piece_.minutes_left.back() = *minutes;
    else if (!unknown)
      Broken(line, "no minutes and days that agree");
  } else {
    return false;
  }
  return true;
}

void OsppReader::Finish() {
  // /dstatusall lists every license that is installed: those without a key are not in use.
  auto& products = *licensing_.mutable_products();
  for (int i = products.size() - 1; i >= 0 && products.size() > 1; --i) {
    if (products[i].has_partial_key() || products[i].status() != v1::LICENSE_STATUS_UNLICENSED) {
      continue;
    }
    products.DeleteSubrange(i, 1);
    piece_.minutes_left.erase(piece_.minutes_left.begin() + i);
  }
  auto* attempts = !piece_.state.client ? nullptr : piece_.state.client->mutable_attempts();
  // As commands print them: the newest last.
  if (attempts != nullptr) {
    std::stable_sort(attempts->begin(), attempts->end(), [](const auto& a, const auto& b) {
      return a.at().seconds() < b.at().seconds();
    });
  }
  if (products.empty()) piece_.state.licensing.reset();
}

void OsppReader::SetHost(absl::string_view value, bool from_dns, const Line& line) {
  if (absl::StrContains(value, "not available")) {
    client().set_registered_host("");
    client().set_discovered_host("");
    return;
  }
  const auto address = ParseHostPort(value);
  if (!address) {
    if (!IsUnknown(value)) Broken(line, "not a host and port");
    return;
  }
  if (from_dns) {
    client().set_registered_host("");
    if (!address->host.empty()) client().set_discovered_host(address->host);
    if (address->port) client().set_discovered_port(*address->port);
  } else {
    if (!address->host.empty()) client().set_registered_host(address->host);
    if (address->port) client().set_registered_port(*address->port);
  }
}

void OsppReader::TakeClientLine(absl::string_view label, absl::string_view value,
                                const Line& line) {
  const std::string key = LabelKey(label);
  if (key == "activationtypeconfiguration") {
    if (const auto type = ActivationTypeOfWord(value)) client().set_activation_type(*type);
  } else if (absl::StartsWith(key, "dnsautodiscovery")) {
    SetHost(value, true, line);
  } else if (key == "kmsmachineregisteredfromdns" || key == "kmsmachinenamefromdns") {
    SetHost(value, true, line);
  } else if (key == "kmsmachineregistered" || key == "kmsmachineregistryoverridedefined" ||
             key == "registeredkmsmachinename" || key == "kmsmachinename") {
    SetHost(value, false, line);
  } else if (key == "kmshostcaching") {
    if (const auto enabled = IsEnabledLine(value)) client().set_host_caching(*enabled);
  } else if (key == "activationinterval") {
    if (const auto n = FindNumber(value)) client().set_activation_interval_minutes(*n);
  } else if (key == "renewalinterval") {
    if (const auto n = FindNumber(value)) client().set_renewal_interval_minutes(*n);
  } else if (absl::EndsWith(key, "cmid")) {
    if (const auto guid = FindGuid(value)) client().set_client_machine_id(*guid);
  }
}

}  // namespace

bool StartsOspp(absl::string_view line) {
  line = absl::StripLeadingAsciiWhitespace(line);
  if (absl::StartsWith(line, "<No installed product keys detected>")) return true;
  const auto labelled = SplitLabel(line);
  return StartsHistory(line) || Is(labelled, "PRODUCT ID") || Is(labelled, "SKU ID") ||
         Is(labelled, "LICENSE NAME") || Is(labelled, "LICENSE DESCRIPTION") ||
         (absl::StrContains(line, "---") &&
          (absl::StrContains(line, ": ---") || absl::StrContains(line, ":  ---")));
}

size_t ReadOspp(const Lines& lines, size_t at, Sink& sink) {
  Piece& piece = sink.Add(Role::kClient, lines[at].number);
  OsppReader reader(piece, sink);
  size_t i = at;
  for (; i < lines.size(); ++i) {
    const absl::string_view text = lines[i].text;
    const bool rule = absl::StartsWith(text, "---") || absl::StartsWith(text, "===");
    const bool history = i > at && StartsHistory(lines[i - 1].text) && text == "Event ID: 12288";
    if (i > at && !rule && !history && (IsBreak(text) || StartsEvent(text) || StartsNames(text)))
      break;
    // A slmgr report after it begins with a line that ospp.vbs never prints.
    if (i > at && !StartsOspp(text) && absl::StrContains(text, "licensing service version")) break;
    reader.Take(lines[i]);
  }
  if (reader.any()) {
    reader.Finish();
  } else {
    if (&piece == &sink.pieces().back()) sink.pieces().pop_back();
    return 0;
  }
  if (!piece.state.licensing) return i - at;
  for (const v1::Product& product : piece.state.licensing->products()) {
    if (product.channel() == "VOLUME_KMSCLIENT" && !piece.state.client) {
      piece.state.client.emplace();
    }
  }
  return i - at;
}

}  // namespace keymedic::kms::readers
