// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

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
  if (view.summary.reported() == world.size() && view.of_machine.size() > unwell / 2 &&
      view.of_machine.size() < 2 * unwell && view.summary.problems() > 0)
    return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("of ", world.size(), " machines ", unwell, " are unwell, but ",
                   view.summary.reported(), " were loaded, ", view.of_machine.size(),
                   " have findings and there are ", view.summary.problems(), " problems"));
}

template <typename Stored>
absl::Status Measure(const std::string& name, const World& world, const Stored& stored) {
  absl::Status status;
  const double floor = BestOf(kRounds, [&] { status.Update(ParseAll(world, stored)); });
  const FixedClock clock;
  std::unique_ptr<controller::EstateDiagnosis> diagnosis;  // its end is not counted
  double value = 0;
  for (int round = 0; round < kRounds; ++round) {
    diagnosis = std::make_unique<controller::EstateDiagnosis>(clock, v1::Policy());
    const Stopwatch watch;
    status.Update(LoadAll(world, stored, *diagnosis));
    const auto view = diagnosis->View();
    value = round == 0 ? watch.Seconds() : std::min(value, watch.Seconds());
    status.Update(Check(world, *view));
  }
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
  const double floor = BestOf(kRounds, [&] {
    const std::vector<v1::Finding> copy = diagnosis.View()->findings;
    if (copy.empty()) ++step;
  });
  PrintFigure("estate_view", view * 1e3, "ms", floor * 1e3, machines);
  return absl::OkStatus();
}

}  // namespace keymedic::bench
