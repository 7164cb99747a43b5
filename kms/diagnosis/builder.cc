// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/product_key.h"

namespace keymedic::kms {

FindingBuilder::FindingBuilder(absl::string_view code, std::string subject) {
  finding_.set_code(std::string(code));
  finding_.set_subject(std::move(subject));
  if (const FindingRow* row = FindFinding(code)) {
    finding_.set_severity(row->severity);
    finding_.set_title(std::string(row->title));
    finding_.set_explanation(std::string(row->explanation));
    finding_.set_reference(std::string(row->reference));
    catalogue_why_ = std::string(row->why_untreatable);
    for (absl::string_view action : absl::StrSplit(row->treatments, ';', absl::SkipWhitespace()))
      Treat(absl::StripAsciiWhitespace(action));
  }
}

FindingBuilder::FindingBuilder(absl::string_view code, const MachineState& machine)
    : FindingBuilder(code, machine.name) {
  finding_.set_machine_id(machine.id);
  capture_ = machine.source;
}

FindingBuilder& FindingBuilder::Severity(v1::Severity severity) {
  finding_.set_severity(severity);
  return *this;
}

FindingBuilder& FindingBuilder::Saw(absl::string_view source, absl::string_view field,
                                    std::string value, const google::protobuf::Timestamp* at) {
  v1::Evidence& evidence = *finding_.add_evidence();
  evidence.set_source(capture_.empty() ? std::string(source)
                                       : absl::StrCat(capture_, ": ", source));
  evidence.set_field(std::string(field));
  evidence.set_value(RedactProductKeys(value));
  if (at != nullptr) *evidence.mutable_at() = *at;
  return *this;
}

FindingBuilder& FindingBuilder::NoTreatments() {
  finding_.clear_treatments();
  return *this;
}

FindingBuilder& FindingBuilder::Treat(
    absl::string_view action, std::initializer_list<std::pair<const char*, std::string>> params,
    absl::string_view machine_id) {
  v1::Treatment& treatment = *finding_.add_treatments();
  treatment.set_action(std::string(action));
  treatment.set_machine_id(std::string(machine_id));
  for (const auto& [key, value] : params) (*treatment.mutable_params())[key] = value;
  if (const TreatmentRow* row = FindTreatment(action)) {
    treatment.set_title(std::string(row->title));
    treatment.set_needs_approval(row->needs_approval);
  }
  return *this;
}

FindingBuilder& FindingBuilder::IfPossible(absl::string_view action) {
  for (v1::Treatment& treatment : *finding_.mutable_treatments()) {
    if (treatment.action() == action) treatment.set_if_possible(true);
  }
  return *this;
}

FindingBuilder& FindingBuilder::Why(std::string why_untreatable) {
  catalogue_why_ = std::move(why_untreatable);
  return *this;
}

FindingBuilder& FindingBuilder::Explain(absl::string_view more) {
  if (!more.empty()) finding_.set_explanation(absl::StrCat(finding_.explanation(), " ", more));
  return *this;
}

v1::Finding FindingBuilder::Build() {
  std::stable_sort(finding_.mutable_evidence()->begin(), finding_.mutable_evidence()->end(),
                   [](const v1::Evidence& a, const v1::Evidence& b) {
                     return a.at().seconds() > b.at().seconds();
                   });
  if (finding_.treatments().empty() && finding_.severity() >= v1::SEVERITY_WARNING) {
    finding_.set_why_untreatable(
        catalogue_why_.empty() ? "no treatment is known; a person has to look" : catalogue_why_);
  }
  return std::move(finding_);
}

}  // namespace keymedic::kms
