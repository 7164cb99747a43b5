// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "bench/diagnosis/benches.h"
#include "bench/diagnosis/diagnosed.h"
#include "bench/diagnosis/stored.h"
#include "bench/diagnosis/timing.h"
#include "bench/figure.h"

namespace keymedic::bench {
namespace {

constexpr int kRounds = 3;

// A diagnosis of nothing would be quick.
absl::Status Check(const World& world, const controller::FoldedView& view) {
  size_t unwell = 0;
  for (size_t i = 0; i < world.size(); ++i) unwell += !world.IsWell(i);
  if (view.facts.size() == world.size() && view.of_machine.size() > unwell / 2 &&
      view.of_machine.size() < 2 * unwell && view.summary.problems() > 0)
    return absl::OkStatus();
  return absl::InternalError(absl::StrCat("of ", world.size(), " machines ", unwell,
                                          " are unwell, but ", view.facts.size(), " were loaded, ",
                                          view.of_machine.size(), " have findings and there are ",
                                          view.summary.problems(), " problems"));
}

template <typename Stored>
absl::Status Measure(const std::string& name, const World& world, const Stored& stored) {
  absl::Status status;
  const double floor = BestOf(kRounds, [&] { status.Update(ParseAll(world, stored)); });
  const double value = BestOf(kRounds, [&] {
    const FixedClock clock;
    controller::EstateDiagnosis diagnosis(clock, v1::Policy());
    status.Update(LoadAll(world, stored, diagnosis));
    status.Update(Check(world, *diagnosis.View()));
  });
  KM_RETURN_IF_ERROR(status);
  PrintFigure(name, value, "s", floor, world.size());
  return status;
}

}  // namespace

absl::Status BenchEstate(size_t machines) {
  const World world(machines);
  {
    const StoredInMemory stored(world);
    KM_RETURN_IF_ERROR(Measure("estate_memory", world, stored));
  }
  KM_ASSIGN_OR_RETURN(const auto stored, StoredInSqlite::Make(world));
  KM_RETURN_IF_ERROR(Measure("estate_sqlite", world, *stored));

  const FixedClock clock;
  controller::EstateDiagnosis diagnosis(clock, v1::Policy());
  KM_RETURN_IF_ERROR(LoadAll(world, *stored, diagnosis));
  (void)diagnosis.View();
  size_t step = 0;
  const double view = BestOf(kRounds, [&] {
    ApplyChange(world, world.size() - 1, world.ChangeOfClient(world.size() - 1, step++), diagnosis);
    (void)diagnosis.View();
  });
  PrintFigure("estate_view", view * 1e3, "ms", 0, machines);
  return absl::OkStatus();
}

}  // namespace keymedic::bench
