// SPDX-License-Identifier: Apache-2.0
//
// One licence report while slmgr.cc reads it line by line: what its lines have said so far.
#ifndef KEYMEDIC_KMS_READERS_SLMGR_REPORT_H_
#define KEYMEDIC_KMS_READERS_SLMGR_REPORT_H_

#include <optional>
#include <string>

#include "kms/readers/piece.h"
#include "kms/readers/shapes.h"
#include "kms/readers/slmgr_labels.h"
#include "kms/readers/text.h"

namespace keymedic::kms::readers {

// Where in slmgr's order of lines a report has come to.
enum class Place { kHeader, kStatus, kAfterStatus, kDetails };

// What is to be known of one line, found once: it is asked for as the next line and as the present
// one.
struct ReportLine {
  explicit ReportLine(absl::string_view line);
  // Its label stands in such reports alone, so that nothing else begins here. Events and DNS
  // answers have names and descriptions too.
  bool IsOwn() const;

  std::optional<Labelled> labelled;
  Field field = Field::kUnknown;  // by its label
  bool description = false;       // by its channel: that is translated in no language
};

class SlmgrReport {
 public:
  explicit SlmgrReport(Sink& sink) : sink_(sink) {}

  void Before(const Line& line);  // a line above the description: name or version
  void Take(const Line& line, const ReportLine& known);
  // The same facts, from a source that names them: see record.h.
  void TakeField(Field field, absl::string_view value, uint32_t line);
  void TakeSwitch(Field field, bool on);
  void TakeActivationType(v1::ActivationType type) { client().set_activation_type(type); }
  void NotPinned() { client().set_registered_host(""); }
  void SetAddon() { product_.set_is_addon(true); }
  bool any() const { return any_; }
  int strangers() const { return strangers_; }  // lines in a row that said nothing
  bool has_name() const { return product_.has_name(); }
  bool has_description() const { return product_.has_description(); }
  void Finish(uint32_t line);

 private:
  Field FieldByShape(absl::string_view label, absl::string_view value);
  void Set(Field field, absl::string_view value, const Line& line);
  void SetProduct(Field field, absl::string_view value, const Line& line);
  void SetClient(Field field, absl::string_view value, const Line& line);
  void SetHost(Field field, absl::string_view value, const Line& line);
  void SetPlainLine(const Line& line);
  void SetExpiryMessage(const Line& line);
  void SetHostName(Field field, absl::string_view value, const Line& line);
  void Broken(const Line& line, absl::string_view what) {
    sink_.Unreadable(line.number, absl::StrCat(what, ": \"", Excerpt(line.text, 120), "\""));
  }
  std::optional<int64_t> Number(absl::string_view value, const Line& line, absl::string_view what);
  v1::KmsClientSection& client() { return client_ ? *client_ : client_.emplace(); }
  v1::KmsHostSection& host() { return host_ ? *host_ : host_.emplace(); }
  void InferStatus();
  void FillOs(MachineState& state) const;

  Sink& sink_;
  Place place_ = Place::kHeader;
  bool any_ = false;
  bool has_product_ = false;
  bool unused_ = false;  // "This license is not in use."
  int strangers_ = 0;
  Field next_number_ = Field::kCount;  // of a host, by order
  v1::Product product_;
  std::optional<int64_t> minutes_;
  std::optional<Line> unknown_status_;
  std::optional<std::string> version_;
  std::optional<absl::Time> trusted_time_;
  std::optional<uint32_t> windows_rearms_;
  std::optional<v1::KmsClientSection> client_;
  std::optional<v1::KmsHostSection> host_;
};

// A line of slmgr /xpr.
bool IsExpiryMessage(absl::string_view line);
bool IsHostEnabled(absl::string_view line);

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_SLMGR_REPORT_H_
