// SPDX-License-Identifier: Apache-2.0
#include "kms/diagnosis/evidence.h"

#include "absl/strings/str_cat.h"

namespace keymedic::kms {

std::string ErrorText(uint32_t error) {
  const absl::string_view meaning = ErrorMeaning(error);
  return meaning.empty() ? Hex(error) : absl::StrCat(Hex(error), " ", meaning);
}

FindingBuilder About(absl::string_view code, const Facts& facts, const v1::Product* product) {
  FindingBuilder builder(code, facts.machine);
  if (product == nullptr) return builder;
  if (product->has_description()) builder.Saw("licensing", "description", product->description());
  if (product->has_partial_key()) builder.Saw("licensing", "partial_key", product->partial_key());
  if (product->status_reason() != 0)
    builder.Saw("licensing", "status_reason", ErrorText(product->status_reason()));
  return builder;
}

FindingBuilder& AddAttempt(FindingBuilder& builder, const Facts& facts) {
  if (facts.attempt == nullptr || facts.attempt_error == 0) return builder;
  const v1::ActivationAttempt& attempt = *facts.attempt;
  const google::protobuf::Timestamp* at = attempt.has_at() ? &attempt.at() : nullptr;
  const std::string source = attempt.source_event() == 0
                                 ? "activation attempt"
                                 : absl::StrCat("event ", attempt.source_event());
  builder.Saw(source, "error", ErrorText(facts.attempt_error), at);
  if (!attempt.host().empty()) builder.Saw(source, "host", attempt.host(), at);
  return builder;
}

FindingBuilder& AddRejection(FindingBuilder& builder, const Facts& facts) {
  if (facts.rejected == nullptr) return builder;
  return builder.Saw(absl::StrCat("event 12290 on ", facts.host_machine->name), "error",
                     ErrorText(facts.rejected->last_error()), &facts.rejected->last_at());
}

FindingBuilder& AddError(FindingBuilder& builder, const Facts& facts) {
  if (facts.attempt_error == 0 && facts.state_error != 0)
    return builder.Saw("licensing", "status_reason", ErrorText(facts.state_error));
  return AddAttempt(builder, facts);
}

Found OnError(absl::string_view code, const Facts& facts, bool (*fits)(uint32_t error)) {
  const v1::Product* product = FindProduct(facts, [&](const v1::Product& p) {
    return p.status() != v1::LICENSE_STATUS_LICENSED && p.status_reason() != 0 &&
           fits(p.status_reason());
  });
  const bool attempted = facts.attempt_error != 0 && fits(facts.attempt_error);
  if (product == nullptr && !attempted) return std::nullopt;
  FindingBuilder builder = About(code, facts, product);
  return AddAttempt(builder, facts).Build();
}

const v1::Product* ProductOffKms(const Facts& facts) {
  if (facts.is_host || !facts.wants_kms()) return nullptr;
  switch (facts.channel) {
    case Channel::kMak:
    case Channel::kRetail:
    case Channel::kOem:
    case Channel::kEvaluation:
    case Channel::kVirtualMachine:
      return facts.primary;
    case Channel::kUnknown:
    case Channel::kKmsClient:
    case Channel::kKmsHost:
      return nullptr;
  }
  return nullptr;
}

}  // namespace keymedic::kms
