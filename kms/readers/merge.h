// SPDX-License-Identifier: Apache-2.0
//
// Puts what several pieces say of one machine together, fact by fact. The newer one of two values
// counts; where nothing tells which is newer, neither does, and both are kept as a contradiction.
// What a machine does by itself (counts, the host that it found last) contradicts nothing.
#ifndef KEYMEDIC_KMS_READERS_MERGE_H_
#define KEYMEDIC_KMS_READERS_MERGE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/message.h"
#include "kms/readers/piece.h"

namespace keymedic::kms::readers {

// The machine's pieces one by one, in the order in which they were captured; then Finish().
class Merger {
 public:
  explicit Merger(MachineState& state) : state_(state) { facts_.reserve(kUsualFacts); }

  void Add(const Piece& piece);
  void Finish();
  // Beside state.licensing's products; -1: not said.
  const std::vector<int64_t>& minutes_left() const { return minutes_; }

 private:
  static constexpr size_t kUsualFacts = 24;

  struct Fact {
    const Piece* from = nullptr;
    bool contested = false;
  };

  void AddProducts(const Piece& piece);
  void AddProduct(const v1::Product& product, int64_t minutes, const Piece& piece);
  // `section` names the facts: "kms_client".
  void AddFields(const google::protobuf::Message& from, absl::string_view section,
                 const Piece& piece, google::protobuf::Message& into);
  void Contradict(const google::protobuf::FieldDescriptor* field, absl::string_view section,
                  std::string one, std::string other, const Piece& piece);
  void RemoveContested(google::protobuf::Message& message);

  MachineState& state_;
  absl::flat_hash_map<const google::protobuf::FieldDescriptor*, Fact> facts_;
  std::vector<int64_t> minutes_;
  std::vector<const Piece*> products_from_;
};

}  // namespace keymedic::kms::readers

#endif  // KEYMEDIC_KMS_READERS_MERGE_H_
