// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "bench/diagnosis/benches.h"
#include "bench/diagnosis/diagnosed.h"
#include "bench/diagnosis/stored.h"
#include "bench/diagnosis/timing.h"
#include "bench/figure.h"

namespace keymedic::bench {
namespace {

// Rows that are made when they are asked for: an estate in memory that is stored nowhere.
class Unstored {
 public:
  explicit Unstored(const World& world) : world_(world) {}
  absl::Status ForEachMachine(TakeRows take) const {
    for (size_t machine = 0; machine < world_.size(); ++machine) take(RowsOf(world_, machine));
    return absl::OkStatus();
  }

 private:
  const World& world_;
};

struct Change {
  size_t machine;
  v1::Section section;
};

struct Times {
  // Microseconds for each change.
  double client = 0, host = 0, large_host = 0;
  double large_host_parsed = 0;  // and nothing else done
};

// Changes come, and once for every `between_looks` of them somebody looks at the findings.
class Changes {
 public:
  Changes(const World& world, controller::EstateDiagnosis& diagnosis, controller::Store* store)
      : world_(world), diagnosis_(diagnosis), store_(store) {}

  absl::StatusOr<double> OfClients(size_t count, size_t between_looks) {
    std::vector<size_t> machines(count);
    for (size_t& machine : machines) {
      do {
        machine = random_() % world_.size();
      } while (world_.IsHost(machine));
    }
    return Measure(machines, between_looks, &World::ChangeOfClient);
  }

  absl::StatusOr<double> OfHost(size_t host, size_t count) {
    return Measure(std::vector<size_t>(count, host), 1, &World::ChangeOfHost);
  }

 private:
  absl::StatusOr<double> Measure(const std::vector<size_t>& machines, size_t between_looks,
                                 v1::Section (World::*make)(size_t, size_t) const) {
    double seconds = 0;
    std::vector<Change> block;
    for (size_t i = 0; i < machines.size(); ++i) {
      block.push_back({machines[i], (world_.*make)(machines[i], step_++)});
      if (block.size() < between_looks && i + 1 < machines.size()) continue;
      // Who waits for a disk is measured by the clock on the wall.
      const Stopwatch watch(store_ == nullptr ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC);
      for (const Change& change : block) KM_RETURN_IF_ERROR(Take(change));
      diagnosis_.LookAgain();
      seconds += watch.Seconds();
      block.clear();
    }
    return seconds * 1e6 / static_cast<double>(machines.size());
  }

  absl::Status Take(const Change& change) {
    if (store_ != nullptr) {
      KM_RETURN_IF_ERROR(
          store_->Commit({{.table = controller::Table::kSections,
                           .key = RowKey(world_.IdOf(change.machine), change.section.name()),
                           .value = change.section.SerializeAsString(),
                           .expected = std::nullopt}}));
    }
    ApplyChange(world_, change.machine, change.section, diagnosis_);
    return absl::OkStatus();
  }

  const World& world_;
  controller::EstateDiagnosis& diagnosis_;
  controller::Store* const store_;  // null: in memory
  std::mt19937 random_{1};
  size_t step_ = 0;
};

double MicrosToParse(const v1::Section& section, size_t count) {
  const Stopwatch watch;
  for (size_t i = 0; i < count; ++i) {
    kms::MachineState state;
    if (!kms::ApplySection(section, state).ok()) return 0;
  }
  return watch.Seconds() * 1e6 / static_cast<double>(count);
}

template <typename Stored>
absl::StatusOr<Times> Measure(const World& world, const Stored& stored, controller::Store* store) {
  const FixedClock clock;
  controller::EstateDiagnosis diagnosis(clock, v1::Policy());
  KM_RETURN_IF_ERROR(LoadAll(world, stored, diagnosis));
  diagnosis.LookAgain();
  Changes changes(world, diagnosis, store);
  const size_t clients = store == nullptr ? 40'000 : 4'000;
  Times times;
  KM_ASSIGN_OR_RETURN(times.host, changes.OfHost(world.FirstOfASite(), 100));
  constexpr size_t kFew = 20;
  KM_ASSIGN_OR_RETURN(times.large_host, changes.OfHost(0, kFew));
  times.large_host_parsed = MicrosToParse(world.ChangeOfHost(0, 0), kFew);
  // Last: clients of a small estate change many times each, and no two hosts were alike then.
  KM_RETURN_IF_ERROR(changes.OfClients(clients / 10, 1000).status());  // warms up
  KM_ASSIGN_OR_RETURN(times.client, changes.OfClients(clients, 1000));
  return times;
}

void Print(const std::string& where, const Times& times, const Times& least, size_t machines) {
  PrintFigure("change_client_" + where, times.client, "us", least.client, machines);
  PrintFigure("change_host_" + where, times.host, "us", least.host, machines);
  PrintFigure("change_large_host_" + where, times.large_host, "us", times.large_host_parsed,
              machines);
}

}  // namespace

absl::Status BenchChange(size_t largest, bool in_memory, bool in_sqlite) {
  Times memory, sqlite;
  for (size_t machines = 1000; machines <= largest; machines *= 10) {
    const World world(machines);
    if (in_memory) {
      KM_ASSIGN_OR_RETURN(const Times times, Measure(world, Unstored(world), nullptr));
      if (machines == 1000) memory = times;
      Print("memory", times, memory, machines);
    }
    if (!in_sqlite) continue;
    KM_ASSIGN_OR_RETURN(const auto stored, StoredInSqlite::Make(world));
    KM_ASSIGN_OR_RETURN(const Times times, Measure(world, *stored, &stored->store()));
    if (machines == 1000) sqlite = times;
    Print("sqlite", times, sqlite, machines);
  }
  return absl::OkStatus();
}

}  // namespace keymedic::bench
