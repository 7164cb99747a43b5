// SPDX-License-Identifier: Apache-2.0
//
// What is true in a simulated estate now, so that a diagnosis of it can be scored. Taken from the
// world's own state and the obstacles that its machines meet; never from what evidence shows. What
// each word means exactly stands in README.md, "What truth means".
//
// Pure: a snapshot, which the World makes under its lock (World::CurrentTruth).
#ifndef KEYMEDIC_LAB_TRUTH_H_
#define KEYMEDIC_LAB_TRUTH_H_

#include <compare>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace keymedic::lab {

// A code of the catalogue, and whom it is about: a machine's name, "_vlmcs._tcp.zone -> host" for a
// record, "_vlmcs._tcp.zone" for a pool, "estate".
struct Statement {
  std::string code;
  std::string subject;
  auto operator<=>(const Statement&) const = default;
};

struct Condition {
  Statement what;
  // A diagnosis that does not say it has missed something. Otherwise it is merely no mistake to
  // say it: a symptom that something more specific explains.
  bool required = false;
  // What it follows from itself, whether or not that is what stops its machine now: a machine with
  // a wrong key has its own reason, and the missing record that it would meet next has another.
  std::vector<Statement> causes;
};

// A machine that is not licensed, does not renew, or would not be activated by KMS as it is.
struct Root {
  std::string machine;
  // What stops it now. Who names one of them as the cause of this machine's trouble is right.
  std::vector<Statement> causes;
};

struct Truth {
  std::vector<Condition> conditions;  // by code and subject; each statement once
  std::vector<Root> roots;            // by machine; each machine once

  // Null: it does not hold.
  const Condition* Find(absl::string_view code, absl::string_view subject) const;
  const Root* FindRoot(absl::string_view machine) const;
};

}  // namespace keymedic::lab

#endif  // KEYMEDIC_LAB_TRUTH_H_
