// SPDX-License-Identifier: Apache-2.0
//
// From stored rows to the controller's live diagnosis, as the controller does it.
#ifndef KEYMEDIC_BENCH_DIAGNOSIS_DIAGNOSED_H_
#define KEYMEDIC_BENCH_DIAGNOSIS_DIAGNOSED_H_

#include <vector>

#include "bench/diagnosis/stored.h"
#include "bench/diagnosis/world.h"
#include "controller/diagnosis/estate_diagnosis.h"

namespace keymedic::bench {

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return kNow; }
};

inline absl::Status ParseRows(const std::vector<controller::Row>& rows,
                              std::vector<v1::Section>& sections) {
  sections.clear();
  for (const controller::Row& row : rows) {
    if (!sections.emplace_back().ParseFromString(row.value))
      return absl::DataLossError("a stored row does not parse");
  }
  return absl::OkStatus();
}

// What there is to do before any diagnosis: rows to sections, sections to states.
template <typename Stored>
absl::Status ParseAll(const World& world, const Stored& stored) {
  absl::Status status;
  size_t machines = 0;
  std::vector<v1::Section> sections;
  status.Update(stored.ForEachMachine([&](const std::vector<controller::Row>& rows) {
    status.Update(ParseRows(rows, sections));
    kms::MachineState state;
    for (const v1::Section& section : sections) status.Update(kms::ApplySection(section, state));
    machines += state.os.has_value();
  }));
  if (machines != world.size()) return absl::DataLossError("some machines are not stored");
  return status;
}

template <typename Stored>
absl::Status LoadAll(const World& world, const Stored& stored,
                     controller::EstateDiagnosis& diagnosis) {
  absl::Status status;
  std::vector<v1::Section> sections;
  status.Update(stored.ForEachMachine([&](const std::vector<controller::Row>& rows) {
    status.Update(ParseRows(rows, sections));
    const std::string id = rows[0].key.substr(0, rows[0].key.find('\0'));
    diagnosis.Load(id, world.NameOf(world.NumberOf(id)), sections);
  }));
  return status;
}

inline void ApplyChange(const World& world, size_t machine, const v1::Section& section,
                        controller::EstateDiagnosis& diagnosis) {
  const v1::Section* const sections[] = {&section};
  diagnosis.Apply(world.IdOf(machine), world.NameOf(machine), sections, {});
}

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_DIAGNOSIS_DIAGNOSED_H_
