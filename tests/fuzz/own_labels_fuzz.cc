// SPDX-License-Identifier: Apache-2.0
#include "kms/readers/own_labels.h"
#include "tests/fuzz/fuzz.h"

using namespace keymedic::kms::readers;  // NOLINT: a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A machine's slmgr.ini, and a report in its words behind the first form feed.
  const absl::string_view bytes = View(data, size);
  const size_t cut = bytes.find(0x0C);
  OwnLabels labels;
  labels.Add(bytes.substr(0, cut));
  Document document;
  Decode(cut == absl::string_view::npos ? bytes : bytes.substr(cut + 1), document);
  const size_t lines = document.lines.size();
  labels.Translate(document);
  Require(document.lines.size() == lines, "a translation keeps the lines");
  return 0;
}
