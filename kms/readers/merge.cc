// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/merge.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/license_status.h"

namespace keymedic::kms::readers {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Settings and identities: they change only when somebody changes them.
bool IsLasting(const FieldDescriptor* field) {
  static const auto* const kLasting = [] {
    auto* fields = new absl::flat_hash_set<const FieldDescriptor*>;
    const auto add = [&](const auto* section, std::initializer_list<const char*> names) {
      for (const char* name : names) fields->insert(section->FindFieldByName(name));
    };
    add(v1::KmsClientSection::descriptor(),
        {"client_machine_id", "registered_host", "registered_port", "lookup_domain", "host_caching",
         "activation_type"});
    add(v1::KmsHostSection::descriptor(),
        {"enabled", "listening_port", "dns_publishing", "low_priority"});
    return fields;
  }();
  return kLasting->contains(field);
}

enum class Order { kNewer, kOlder, kUnknown };

// One after the other in one file, or by the times that the reports print.
Order OrderOf(const Piece& piece, const Piece& other) {
  if (piece.taken_at && other.taken_at && *piece.taken_at != *other.taken_at) {
    return *piece.taken_at > *other.taken_at ? Order::kNewer : Order::kOlder;
  }
  if (piece.file == other.file) return piece.line >= other.line ? Order::kNewer : Order::kOlder;
  return Order::kUnknown;
}

std::string TextOf(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::string(reflection->GetEnum(message, field)->name());
    default:
      return "";
  }
}

// Copies a field that holds several or is a message: merging clears nothing.
void CopyWhole(const Message& from, const FieldDescriptor* field, Message& into) {
  std::vector<const FieldDescriptor*> set;
  std::unique_ptr<Message> single(from.New());
  single->CopyFrom(from);
  from.GetReflection()->ListFields(from, &set);
  for (const FieldDescriptor* other : set) {
    if (other != field) single->GetReflection()->ClearField(single.get(), other);
  }
  into.MergeFrom(*single);
}

void CopyField(const Message& from, const FieldDescriptor* field, Message& into) {
  const auto* reflection = from.GetReflection();
  if (field->is_repeated()) return CopyWhole(from, field, into);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(&into, field, reflection->GetString(from, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(&into, field, reflection->GetBool(from, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(&into, field, reflection->GetUInt32(from, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(&into, field, reflection->GetInt32(from, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(&into, field, reflection->GetEnumValue(from, field));
    default:
      return CopyWhole(from, field, into);
  }
}

bool IsOffice(const Piece& piece) {
  if (!piece.state.licensing || piece.state.licensing->products().empty()) return false;
  for (const v1::Product& product : piece.state.licensing->products()) {
    if (!absl::StartsWith(product.name(), "Office") &&
        !absl::StartsWith(product.application_id(), "0ff1ce15-")) {
      return false;
    }
  }
  return true;
}

bool IsWindows(const v1::Product& product) {
  return !product.is_addon() && (absl::StartsWith(product.name(), "Windows") ||
                                 absl::StartsWith(product.application_id(), "55c92734-"));
}

bool IsSameProduct(const v1::Product& known, const v1::Product& other) {
  if (other.has_activation_id() && known.activation_id() == other.activation_id()) return true;
  // A report without its description is of the product that is already there.
  if (!other.has_description() && !other.has_activation_id() && !other.has_name()) return true;
  if (known.has_activation_id() && other.has_activation_id()) return false;
  return other.has_description() && known.description() == other.description() &&
         known.name() == other.name() && known.partial_key() == other.partial_key();
}

// In full: with the state that it is in.
bool IsReport(const v1::Product& product) { return product.status() != 0; }

}  // namespace

void Merger::Contradict(const FieldDescriptor* field, absl::string_view section, std::string one,
                        std::string other, const Piece& piece) {
  Fact& known = facts_[field];
  if (std::exchange(known.contested, true)) return;
  const auto source = [](const Piece& p) { return absl::StrCat(p.file, ":", p.line); };
  state_.contradictions.push_back({absl::StrCat(section, ".", field->name()), std::move(one),
                                   source(*known.from), std::move(other), source(piece)});
}

void Merger::AddFields(const Message& from, absl::string_view section, const Piece& piece,
                       Message& into) {
  std::vector<const FieldDescriptor*> fields;
  from.GetReflection()->ListFields(from, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == v1::Product::descriptor()) continue;  // AddProduct's
    if (field->is_repeated()) {
      CopyField(from, field, into);
      continue;
    }
    Fact& known = facts_[field];
    const bool first = known.from == nullptr;
    const bool same = !first && TextOf(from, field) == TextOf(into, field);
    // Office has a host of its own; what is said of Windows counts.
    if (!first && !same && IsOffice(piece) != IsOffice(*known.from)) {
      if (IsOffice(piece)) continue;
    } else if (!first && !same) {
      const Order order = OrderOf(piece, *known.from);
      if (order == Order::kOlder) continue;
      if (order == Order::kUnknown && IsLasting(field)) {
        Contradict(field, section, TextOf(into, field), TextOf(from, field), piece);
        continue;
      }
    }
    if (!first && known.contested && OrderOf(piece, *known.from) != Order::kNewer) continue;
    known.from = &piece;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      into.GetReflection()->ClearField(&into, field);
    }
    CopyField(from, field, into);
  }
}

void Merger::AddProduct(const v1::Product& product, int64_t minutes, const Piece& piece) {
  auto& known = *state_.licensing->mutable_products();
  int same = -1;
  for (int k = 0; k < known.size(); ++k) {
    const bool windows = IsWindows(known[k]) && IsWindows(product);
    // One machine has one Windows: a report of another edition or key is an older or a newer one.
    if (IsSameProduct(known[k], product) || (windows && products_from_[k] != &piece)) same = k;
  }
  if (same < 0) {
    known.Add()->CopyFrom(product);
    minutes_.push_back(minutes);
    products_from_.push_back(&piece);
    return;
  }
  v1::Product& old = known[same];
  if (!IsReport(product) || !IsReport(old)) {
    old.MergeFrom(product);
    if (minutes >= 0) minutes_[same] = minutes;
    return;
  }
  const Order order = OrderOf(piece, *products_from_[same]);
  if (order == Order::kOlder) return;
  const bool differs = old.status() != product.status() ||
                       old.partial_key() != product.partial_key() ||
                       old.channel() != product.channel();
  if (order == Order::kUnknown && differs) {
    const std::string name = product.has_name() ? product.name() : old.name();
    const auto contest = [&](int number, std::string one, std::string other) {
      const FieldDescriptor* field = v1::Product::descriptor()->FindFieldByNumber(number);
      if (one != other && !one.empty() && !other.empty()) {
        facts_[field].from = products_from_[same];
        Contradict(field, "licensing", std::move(one), std::move(other), piece);
      }
      return facts_[field].contested;
    };
    if (contest(v1::Product::kStatusFieldNumber, LicenseStatusName(old.status()),
                LicenseStatusName(product.status()))) {
      old.clear_status();
      old.clear_status_reason();
      old.clear_permanent();
      minutes_[same] = -1;
    }
    if (contest(v1::Product::kPartialKeyFieldNumber, old.partial_key(), product.partial_key())) {
      old.clear_partial_key();
    }
    if (contest(v1::Product::kChannelFieldNumber, old.channel(), product.channel())) {
      old.clear_channel();
      old.clear_description();
      old.clear_key_channel();
    }
    return;
  }
  // The whole report is newer: what it does not say any more is over.
  v1::Product newer = product;
  if (!newer.has_activation_id() && old.has_activation_id() && newer.name() == old.name()) {
    newer.set_activation_id(old.activation_id());
  }
  old = std::move(newer);
  minutes_[same] = minutes;
  products_from_[same] = &piece;
}

void Merger::AddProducts(const Piece& piece) {
  if (!piece.state.licensing) return;
  if (!state_.licensing) state_.licensing.emplace();
  AddFields(*piece.state.licensing, "licensing", piece, *state_.licensing);
  for (int i = 0; i < piece.state.licensing->products_size(); ++i) {
    AddProduct(piece.state.licensing->products(i), piece.minutes_left[i], piece);
  }
}

void Merger::Add(const Piece& piece) {
  AddProducts(piece);
  const auto add = [&](const auto& from, absl::string_view section, auto& into) {
    if (!from) return;
    if (!into) into.emplace();
    AddFields(*from, section, piece, *into);
  };
  add(piece.state.os, "os", state_.os);
  add(piece.state.client, "kms_client", state_.client);
  add(piece.state.host, "kms_host", state_.host);
  add(piece.state.names, "names", state_.names);
}

void Merger::RemoveContested(Message& message) {
  for (const auto& [field, known] : facts_) {
    if (known.contested && field->containing_type() == message.GetDescriptor()) {
      message.GetReflection()->ClearField(&message, field);
    }
  }
}

void Merger::Finish() {
  if (state_.client) RemoveContested(*state_.client);
  if (state_.host) RemoveContested(*state_.host);
}

}  // namespace keymedic::kms::readers
