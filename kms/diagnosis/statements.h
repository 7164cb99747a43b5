// SPDX-License-Identifier: Apache-2.0
//
// What a machine's state says of itself and of others, as short statements: the form in which the
// index takes it in and gives it up. A machine that reports again changes the index only by the
// difference of its statements, and touches only those who look at that difference.
//
// Whatever a rule sees of another machine through the index stands in a statement: in its key, or
// in its detail, which the index does not keep and whose change touches all the same.
// Pure. The fields are those of index.h.
#ifndef KEYMEDIC_KMS_DIAGNOSIS_STATEMENTS_H_
#define KEYMEDIC_KMS_DIAGNOSIS_STATEMENTS_H_

#include <array>
#include <memory_resource>
#include <tuple>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "kms/diagnosis/index.h"

namespace keymedic::kms {

struct Statement {
  enum Kind {
    // Of itself.
    kName,
    kMachineId,
    kHost,
    kCount,
    kDirectory,
    kMak,
    kNoSrv,
    kExpiry,
    kHostPid,
    kPidUser,
    // Of a target; the key is its name or address.
    kReaching,
    kFailing,
    kListed,
    kUnresolved,
    kSrvPort,
    kSrvZone,
    kAddress,
    kPinned,
    kUser,
    kWaiting,
    kToldShort,
    kActivated,
    kUnanswered,
    // Of a DNS domain, which is the key.
    kServed,
    kUnserved,
    kZoneMak,
    kZoneHost,
    kZoneCount,
    // Of clients, by a name that shares a machine id.
    kNamedClone,
    // Of a client, by its machine id.
    kRejecting,
    // Not in the index, for those who look at the host itself: when it rejected a machine id, and
    // the whole extended PID of its key.
    kRejected,
    kHostKey,
  };

  Kind kind;
  absl::string_view key, detail;
  int64_t number = 0;

  friend bool operator==(const Statement&, const Statement&) = default;
  friend bool operator<(const Statement& a, const Statement& b) {
    return std::tie(a.kind, a.key, a.detail, a.number) <
           std::tie(b.kind, b.key, b.detail, b.number);
  }

  bool OfTarget() const { return kind >= kReaching && kind <= kUnanswered; }
  bool OfZone() const { return kind >= kServed && kind <= kZoneCount; }
  // What others' findings say of this machine.
  bool OfIdentity() const { return kind <= kHost; }
};

// What one machine says, with the words that its statements point to. Sorted. What counts answers
// stands there once for each answer, all else once. A client's need no heap.
class Statements {
 public:
  Statements() = default;  // says nothing
  explicit Statements(const MachineState& machine) { Speak(machine); }
  Statements(const Statements&) = delete;
  Statements& operator=(const Statements&) = delete;

  void Speak(const MachineState& machine);
  const Statement* begin() const { return said_.data(); }
  const Statement* end() const { return said_.data() + said_.size(); }

 private:
  class Speaker;
  absl::string_view Keep(absl::string_view words);

  std::array<char, 1024> room_;
  std::pmr::monotonic_buffer_resource words_{room_.data(), room_.size()};
  absl::InlinedVector<Statement, 24> said_;
};

enum class Wire { kAdd, kRemove };
// Of the machine `id`, its key in `machines`, in or out of the index; one way for both, so that
// nothing stays behind.
void Put(Estate::Index& index, absl::string_view id, const Statement& statement, Wire wire);

}  // namespace keymedic::kms

#endif  // KEYMEDIC_KMS_DIAGNOSIS_STATEMENTS_H_
