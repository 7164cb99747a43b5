// SPDX-License-Identifier: Apache-2.0
//
// Tokens, in the words of the published descriptions of the format: a fragment holds an element or
// a template instance; a template's definition stands where it is first used in the chunk, and each
// instance brings the values that fill its substitutions. A value may itself be a fragment.
#include "kms/readers/evtx_xml.h"

#include "absl/strings/numbers.h"
#include "kms/readers/bytes.h"
#include "kms/readers/evtx_values.h"
#include "kms/readers/text.h"

namespace keymedic::kms::readers {
namespace {

// Far above what Windows writes. The steps of one event are counted because templates that hold
// each other would multiply.
constexpr int kMaxDepth = 24;
constexpr int kMaxSteps = 50'000;
constexpr uint32_t kMaxValues = 1024;
constexpr size_t kMaxData = 64;

enum Token : uint8_t {
  kEnd = 0x00,
  kOpenElement = 0x01,
  kCloseStart = 0x02,
  kCloseEmpty = 0x03,
  kEndElement = 0x04,
  kText = 0x05,
  kAttribute = 0x06,
  kCdata = 0x07,
  kCharacter = 0x08,
  kEntity = 0x09,
  kInstructionName = 0x0A,
  kInstructionText = 0x0B,
  kTemplate = 0x0C,
  kSubstitution = 0x0D,
  kOptionalSubstitution = 0x0E,
  kFragment = 0x0F,
};
constexpr uint8_t kMore = 0x40;  // flag on a token: attributes, or more of the same, follow

enum class Name {
  kOther,
  kProvider,
  kEventId,
  kTimeCreated,
  kChannel,
  kComputer,
  kData,
  kName,
  kSystemTime
};

struct KnownName {
  absl::string_view text;
  Name name;
};
constexpr KnownName kNames[] = {
    {"Provider", Name::kProvider},
    {"EventID", Name::kEventId},
    {"TimeCreated", Name::kTimeCreated},
    {"Channel", Name::kChannel},
    {"Computer", Name::kComputer},
    {"Data", Name::kData},
    {"Name", Name::kName},
    {"SystemTime", Name::kSystemTime},
};

struct Value {
  uint8_t type = kNull;
  size_t begin = 0, end = 0;  // in the chunk
};
using Values = std::vector<Value>;

class Walk {
 public:
  Walk(absl::string_view chunk, EvtxXml::Wanted wanted, EvtxEvent& event)
      : chunk_(chunk), wanted_(wanted), event_(event) {}

  // All return false to stop: damaged, with why(), or foreign.
  bool Fragment(size_t begin, size_t end, const Values* values, EvtxContent* content, int depth);

  bool foreign() const { return foreign_; }
  absl::string_view why() const { return why_; }

 private:
  // Where reading has come to, and where it ends.
  struct Cursor {
    size_t at, end;
    size_t left() const { return end - at; }
  };

  bool Damaged(absl::string_view why) {
    why_ = why;
    return false;
  }
  template <typename Number>
  bool Take(Cursor& cursor, Number& number) {
    if (cursor.left() < sizeof(Number)) return Damaged("it is cut off");
    number = LittleEndian<Number>(chunk_, cursor.at);
    cursor.at += sizeof(Number);
    return true;
  }
  bool Skip(Cursor& cursor, size_t bytes) {
    if (cursor.left() < bytes) return Damaged("it is cut off");
    cursor.at += bytes;
    return true;
  }
  uint8_t Peek(const Cursor& cursor) const {
    return cursor.left() == 0 ? uint8_t{kEnd} : static_cast<uint8_t>(chunk_[cursor.at]);
  }
  uint8_t PeekToken(const Cursor& cursor) const { return Peek(cursor) & ~kMore; }

  bool TakeName(Cursor& cursor, Name& name);
  bool IsNameAt(size_t offset) const;
  bool Items(Cursor& cursor, const Values* values, EvtxContent* content, bool text_only, int depth);
  bool Item(Cursor& cursor, const Values* values, EvtxContent* content, int depth);
  bool Element(Cursor& cursor, const Values* values, int depth);
  bool Attributes(Cursor& cursor, const Values* values, Name element, int depth);
  bool Characters(Cursor& cursor, EvtxContent* content);
  bool Entity(Cursor& cursor, EvtxContent* content);
  bool Substitution(Cursor& cursor, const Values* values, EvtxContent* content, int depth);
  bool Template(Cursor& cursor, EvtxContent* content, int depth);
  bool TakeValues(Cursor& cursor, Values& values);
  bool Keep(Name element, EvtxContent& content);

  const absl::string_view chunk_;
  const EvtxXml::Wanted wanted_;
  EvtxEvent& event_;
  int steps_ = 0;
  bool foreign_ = false;
  absl::string_view why_ = "it is no event";
};

bool Walk::Fragment(size_t begin, size_t end, const Values* values, EvtxContent* content,
                    int depth) {
  Cursor cursor{begin, end};
  if (!Items(cursor, values, content, /*text_only=*/false, depth)) return false;
  return true;
}

// Up to the token that ends what is being read, which is left where it stands.
bool Walk::Items(Cursor& cursor, const Values* values, EvtxContent* content, bool text_only,
                 int depth) {
  if (depth > kMaxDepth) return Damaged("its elements are nested too deeply");
  while (cursor.left() > 0) {
    const uint8_t token = PeekToken(cursor);
    if (token == kEnd || token == kEndElement || token == kCloseStart || token == kCloseEmpty ||
        token == kAttribute) {
      return true;
    }
    if (text_only && (token == kOpenElement || token == kTemplate || token == kFragment)) {
      return Damaged("an attribute that holds an element");
    }
    if (++steps_ > kMaxSteps) return Damaged("it has too many elements");
    if (!Item(cursor, values, content, depth)) return false;
  }
  return true;
}

bool Walk::Item(Cursor& cursor, const Values* values, EvtxContent* content, int depth) {
  const uint8_t token = PeekToken(cursor);
  switch (token) {
    case kOpenElement:
      return Element(cursor, values, depth);
    case kTemplate:
      return Template(cursor, content, depth);
    case kSubstitution:
    case kOptionalSubstitution:
      return Substitution(cursor, values, content, depth);
    case kText:
      return Skip(cursor, 2) && Characters(cursor, content);  // the token and the type of its text
    case kCdata:
      return Skip(cursor, 1) && Characters(cursor, content);
    case kCharacter: {
      if (cursor.left() < 3) return Damaged("it is cut off");
      if (content != nullptr) content->Append(FromUtf16(chunk_.substr(cursor.at + 1, 2), false));
      return Skip(cursor, 3);
    }
    case kEntity:
      return Skip(cursor, 1) && Entity(cursor, content);
    case kInstructionName: {
      Name ignored;
      return Skip(cursor, 1) && TakeName(cursor, ignored);
    }
    case kInstructionText:
      return Skip(cursor, 1) && Characters(cursor, nullptr);
    case kFragment:
      return Skip(cursor, 4);
    default:
      return Damaged("it holds a token that does not exist");
  }
}

bool Walk::IsNameAt(size_t offset) const {
  if (offset + 8 > chunk_.size()) return false;
  const size_t bytes = 2 * size_t{LittleEndian<uint16_t>(chunk_, offset + 6)};
  return bytes > 0 && offset + 8 + bytes <= chunk_.size();
}

// A name stands where it is first used in the chunk; later uses point back at it.
bool Walk::TakeName(Cursor& cursor, Name& name) {
  uint32_t offset = 0;
  if (!Take(cursor, offset)) return false;
  if (!IsNameAt(offset)) return Damaged("a name lies outside its chunk");
  const size_t count = LittleEndian<uint16_t>(chunk_, offset + 6);
  if (offset == cursor.at && !Skip(cursor, 8 + 2 * count + 2)) return false;
  name = Name::kOther;
  for (const KnownName& known : kNames) {
    if (known.text.size() != count) continue;
    bool same = true;
    for (size_t i = 0; i < count && same; ++i) {
      same = LittleEndian<uint16_t>(chunk_, offset + 8 + 2 * i) == known.text[i];
    }
    if (same) name = known.name;
  }
  return true;
}

bool Walk::Element(Cursor& cursor, const Values* values, int depth) {
  const bool has_attributes = (Peek(cursor) & kMore) != 0;
  // In front of the size stands the number of the value that the element depends on; the format's
  // descriptions disagree on whether it may be left out in a value, so its place is tried first.
  size_t dependency = 2;
  if (cursor.left() < 11 || LittleEndian<uint32_t>(chunk_, cursor.at + 3) > cursor.left() - 7 ||
      !IsNameAt(LittleEndian<uint32_t>(chunk_, cursor.at + 7))) {
    dependency = 0;
  }
  uint32_t size = 0;
  Name name;
  if (!Skip(cursor, 1 + dependency) || !Take(cursor, size)) return false;
  if (size > cursor.left()) return Damaged("an element ends outside the event");
  Cursor inner{cursor.at, cursor.at + size};
  cursor.at = inner.end;
  if (!TakeName(inner, name)) return false;
  if (has_attributes && !Skip(inner, 4)) return false;
  if (!Attributes(inner, values, name, depth)) return false;
  if (PeekToken(inner) == kCloseEmpty) {
    EvtxContent nothing;
    return Keep(name, nothing);
  }
  if (PeekToken(inner) != kCloseStart) return Damaged("an element's start has no end");
  ++inner.at;
  EvtxContent content;
  const bool wanted = name == Name::kEventId || name == Name::kChannel || name == Name::kComputer ||
                      name == Name::kData;
  if (!Items(inner, values, wanted ? &content : nullptr, /*text_only=*/false, depth + 1)) {
    return false;
  }
  if (PeekToken(inner) != kEndElement) return Damaged("an element has no end");
  return Keep(name, content);
}

bool Walk::Attributes(Cursor& cursor, const Values* values, Name element, int depth) {
  while (PeekToken(cursor) == kAttribute) {
    Name name;
    if (!Skip(cursor, 1) || !TakeName(cursor, name)) return false;
    const bool provider = element == Name::kProvider && name == Name::kName;
    const bool time = element == Name::kTimeCreated && name == Name::kSystemTime;
    EvtxContent content;
    if (!Items(cursor, values, provider || time ? &content : nullptr, true, depth + 1)) {
      return false;
    }
    if (time) event_.time = content.time;
    if (!provider) continue;
    event_.provider = std::move(content.text);
    if (!wanted_(event_.provider)) {
      foreign_ = true;
      return false;
    }
  }
  return true;
}

// Takes what an element held. False: its text is no such thing.
bool Walk::Keep(Name element, EvtxContent& content) {
  switch (element) {
    case Name::kEventId: {
      uint32_t id = 0;
      if (event_.id) return true;
      if (!absl::SimpleAtoi(content.text, &id)) return Damaged("its event id is no number");
      event_.id = id;
      return true;
    }
    case Name::kChannel:
      event_.channel = std::move(content.text);
      return true;
    case Name::kComputer:
      event_.computer = std::move(content.text);
      return true;
    case Name::kData:
      if (content.omitted) return true;
      if (content.items.empty()) content.items.push_back(std::move(content.text));
      for (std::string& item : content.items) {
        if (event_.data.size() < kMaxData) event_.data.push_back(std::move(item));
      }
      return true;
    default:
      return true;
  }
}

bool Walk::Characters(Cursor& cursor, EvtxContent* content) {
  uint16_t count = 0;
  if (!Take(cursor, count)) return false;
  const size_t at = cursor.at;
  if (!Skip(cursor, 2 * size_t{count})) return false;
  if (content != nullptr) content->Append(FromUtf16(chunk_.substr(at, 2 * size_t{count}), false));
  return true;
}

bool Walk::Entity(Cursor& cursor, EvtxContent* content) {
  const size_t at = cursor.at;
  Name ignored;
  if (!TakeName(cursor, ignored)) return false;
  if (content == nullptr) return true;
  const size_t offset = LittleEndian<uint32_t>(chunk_, at);
  const size_t count = LittleEndian<uint16_t>(chunk_, offset + 6);
  const std::string name = FromUtf16(chunk_.substr(offset + 8, 2 * count), false);
  constexpr std::pair<absl::string_view, absl::string_view> kEntities[] = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}};
  for (const auto& [entity, character] : kEntities) {
    if (name == entity) content->Append(character);
  }
  return true;
}

bool Walk::Substitution(Cursor& cursor, const Values* values, EvtxContent* content, int depth) {
  const bool optional = PeekToken(cursor) == kOptionalSubstitution;
  uint16_t index = 0;
  if (!Skip(cursor, 1) || !Take(cursor, index) || !Skip(cursor, 1)) return false;
  if (values == nullptr || index >= values->size()) {
    return Damaged("it refers to a value that it does not have");
  }
  const Value& value = (*values)[index];
  if (value.type == kBinXml) {
    return Fragment(value.begin, value.end, values, content, depth + 1);
  }
  if (content == nullptr) return true;
  if (optional && value.type == kNull) content->omitted = true;
  AppendValue(value.type, chunk_.substr(value.begin, value.end - value.begin), *content);
  return true;
}

bool Walk::Template(Cursor& cursor, EvtxContent* content, int depth) {
  uint32_t definition = 0;
  // The token, a byte of no known meaning, and the template's number.
  if (!Skip(cursor, 6) || !Take(cursor, definition)) return false;
  constexpr size_t kHead = 24;  // where the next one is, GUID, size
  if (definition + kHead > chunk_.size()) return Damaged("its template lies outside its chunk");
  const size_t size = LittleEndian<uint32_t>(chunk_, definition + 20);
  if (size > chunk_.size() - definition - kHead) {
    return Damaged("its template ends outside its chunk");
  }
  if (definition == cursor.at && !Skip(cursor, kHead + size)) return false;
  Values values;
  if (!TakeValues(cursor, values)) return false;
  return Fragment(definition + kHead, definition + kHead + size, &values, content, depth + 1);
}

bool Walk::TakeValues(Cursor& cursor, Values& values) {
  uint32_t count = 0;
  if (!Take(cursor, count)) return false;
  if (count > kMaxValues || cursor.left() < 4 * size_t{count}) {
    return Damaged("it has more values than fit into it");
  }
  values.resize(count);
  size_t at = cursor.at + 4 * size_t{count};
  for (uint32_t i = 0; i < count; ++i) {
    const size_t size = LittleEndian<uint16_t>(chunk_, cursor.at + 4 * i);
    values[i].type = static_cast<uint8_t>(chunk_[cursor.at + 4 * i + 2]);
    if (size > cursor.end - at) return Damaged("a value ends outside the event");
    values[i].begin = at;
    values[i].end = at += size;
  }
  cursor.at = at;
  return true;
}

}  // namespace

EvtxXml::Result EvtxXml::Read(size_t begin, size_t end, Wanted wanted, EvtxEvent& event) {
  if (begin > end || end > chunk_.size()) {
    why_ = "it is cut off";
    return Result::kDamaged;
  }
  Walk walk(chunk_, wanted, event);
  const bool whole = walk.Fragment(begin, end, nullptr, nullptr, 0);
  if (walk.foreign()) return Result::kForeign;
  if (whole && event.id && !event.provider.empty()) return Result::kRead;
  why_ = whole && event.id ? absl::string_view("it names no provider") : walk.why();
  return Result::kDamaged;
}

}  // namespace keymedic::kms::readers
