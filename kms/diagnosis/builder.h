// SPDX-License-Identifier: Apache-2.0
//
// Makes findings: everything that the catalogue knows comes from its row, everything that this
// machine shows comes from the rule.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_BUILDER_H_
#define KEYMEDIC_KMS_DIAGNOSIS_BUILDER_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "kms/diagnosis/facts.h"

namespace keymedic::kms {

class FindingBuilder {
 public:
  // A finding of this machine. Its treatments are the catalogue's, in order, on the machine itself.
  FindingBuilder(absl::string_view code, const MachineState& machine);
  // A finding of a record or a pool.
  FindingBuilder(absl::string_view code, std::string subject);

  // Goes on with one that was built.
  explicit FindingBuilder(v1::Finding finding) : finding_(std::move(finding)) {}

  FindingBuilder& Severity(v1::Severity severity);
  // `source` is where it was seen ("licensing", "event 12288"). A capture's own name goes before
  // it.
  FindingBuilder& Saw(absl::string_view source, absl::string_view field, std::string value,
                      const google::protobuf::Timestamp* at = nullptr);
  // Replaces the catalogue's treatments; each is an action with its parameters.
  FindingBuilder& NoTreatments();
  FindingBuilder& Treat(absl::string_view action,
                        std::initializer_list<std::pair<const char*, std::string>> params = {},
                        absl::string_view machine_id = "");
  // Where that treatment cannot be done, the others alone may help.
  FindingBuilder& IfPossible(absl::string_view action);
  FindingBuilder& Why(std::string why_untreatable);
  FindingBuilder& Explain(absl::string_view more);  // appended to the catalogue's explanation

  v1::Finding Build();

 private:
  v1::Finding finding_;
  std::string capture_;
  std::string catalogue_why_;
};

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_BUILDER_H_
