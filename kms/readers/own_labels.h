// SPDX-License-Identifier: Apache-2.0
//
// The words of a machine's own slmgr: the file slmgr\<language>\slmgr.ini beside its script holds
// every message in the language of its display. With it, a report in any language becomes one in
// English before anything reads it.
#ifndef KEYMEDIC_KMS_READERS_OWN_LABELS_H_
#define KEYMEDIC_KMS_READERS_OWN_LABELS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/readers/text.h"

namespace keymedic::kms::readers {

class OwnLabels {
 public:
  // Takes the messages of one slmgr.ini; of several files, all count. False: it holds none.
  bool Add(absl::string_view slmgr_ini);
  bool empty() const { return messages_.empty(); }
  // Lines that are messages of slmgr, in English; the others as they are. Line numbers stay.
  void Translate(Document& document) const;

 private:
  // "Name: ", or "… %MINUTE% … (%DAY% …)": the words between the values.
  struct Message {
    std::vector<std::string> words;
    std::vector<std::string> values;  // the names of the values, one fewer than words
    absl::string_view english;
  };

  bool TranslateLine(absl::string_view line, std::string& out) const;
  static bool Match(const Message& message, absl::string_view line, std::string& out);
  static Message Split(absl::string_view text);

  std::vector<Message> messages_;  // the longest beginning first
};

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_OWN_LABELS_H_
