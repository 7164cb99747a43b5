// SPDX-License-Identifier: Apache-2.0
#include "lab/generate.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lab/faults.h"
#include "lab/generate_parts.h"

namespace keymedic::lab {
namespace {

constexpr uint32_t kFewestMachines = 30;
constexpr uint32_t kMostMachines = 5000;
constexpr uint32_t kSmallestHealthyPool = 30;

// Which kinds this estate gets, and how they are spread over its pools.
class Generator {
 public:
  Generator(const GenerateOptions& options, std::vector<const FaultKind*> kinds)
      : options_(options), dice_(options.seed), all_(options.faults == "all") {
    for (const FaultKind* const kind : kinds)
      (kind->on_host ? host_kinds_ : client_kinds_).push_back(kind);
  }

  v1::Estate Run() {
    estate_.set_name(absl::StrCat("generated-", options_.seed));
    estate_.set_seed(options_.seed);
    estate_.set_noise(true);
    DrawPools();
    for (Pool& pool : pools_) BuildPool(pool, dice_, all_, estate_);
    if (all_) AddStrangers(dice_, pools_, estate_);
    SetPolicy();
    AddHostFaults();
    AddClientFaults();
    DropImpossible();
    AddSecondFaults();
    DropImpossible();
    return std::move(estate_);
  }

 private:
  // Pools of all sizes, with those just above and under the thresholds among them.
  void DrawPools() {
    uint32_t left = options_.machines;
    while (left > 0) {
      Pool pool;
      pool.number = static_cast<int>(pools_.size());
      pool.machines = std::min(left, DrawPoolSize(dice_, all_));
      if (left - pool.machines < kSmallestPool) pool.machines = left;
      left -= pool.machines;
      if (!all_ && pool.machines < kSmallestHealthyPool && !pools_.empty()) {
        pools_.back().machines += pool.machines;
        continue;
      }
      pools_.push_back(std::move(pool));
    }
    Share();
  }

  // Consecutive seeds go on where the last one ended, so that a few of them have every kind.
  void Share() {
    if (host_kinds_.empty()) return;
    // A third of the pools has no fault of its host, a third has two.
    const size_t wanted = std::max<size_t>(1, pools_.size());
    size_t next = options_.seed * wanted;
    for (size_t i = 0; i < wanted; ++i) {
      const FaultKind* const kind = host_kinds_[next++ % host_kinds_.size()];
      for (size_t tries = 0; tries < 3 * pools_.size(); ++tries) {
        Pool& pool = pools_[dice_.Below(pools_.size())];
        if (!FitsInto(*kind, pool)) continue;
        pool.faults.push_back(kind);
        Shape(*kind, dice_, pool);
        break;
      }
    }
  }

  void SetPolicy() {
    keymedic::v1::Policy& policy = *estate_.mutable_policy();
    if (dice_.Chance(0.3)) policy.set_expiry_ahead_days(dice_.Between(20, 60));
    if (dice_.Chance(0.3)) policy.set_grace_warning_days(dice_.Between(7, 30));
    const bool rogue_record = std::any_of(pools_.begin(), pools_.end(), [](const Pool& pool) {
      return std::any_of(pool.faults.begin(), pool.faults.end(),
                         [](const FaultKind* kind) { return kind->name == "srv_rogue"; });
    });
    if (!rogue_record && dice_.Chance(0.1)) return;  // every host is allowed
    for (const v1::KmsHost& host : estate_.kms_hosts()) {
      const auto site =
          std::find_if(estate_.sites().begin(), estate_.sites().end(),
                       [&](const v1::Site& row) { return row.name() == host.site(); });
      policy.add_kms_hosts(absl::StrCat(host.name(), ".", site->dns_domain()));
    }
  }

  void AddHostFaults() {
    for (const Pool& pool : pools_) {
      for (const FaultKind* const kind : pool.faults)
        *estate_.add_faults() = DrawHostFault(*kind, pool, dice_);
    }
  }

  void AddClientFaults() {
    if (client_kinds_.empty()) return;
    // About every twelfth machine has something of its own.
    const size_t wanted = std::max<size_t>(2, options_.machines / 24);
    size_t next = options_.seed * wanted;
    for (size_t i = 0; i < wanted; ++i) {
      const FaultKind& kind = *client_kinds_[next++ % client_kinds_.size()];
      const Pool& pool = pools_[dice_.Below(pools_.size())];
      if (pool.prefixes.empty()) continue;
      *estate_.add_faults() = DrawClientFault(kind, pool, dice_);
    }
  }

  // Some machines have more than one thing of their own.
  void AddSecondFaults() {
    const FaultPlan plan = PlanFaults(estate_);
    std::vector<const PlannedFault*> first;
    for (const PlannedFault& fault : plan.faults) {
      if (!fault.kind->on_host && (fault.kind->touches & kTouchesAgent) == 0)
        first.push_back(&fault);
    }
    if (first.empty()) return;
    for (uint32_t i = 0; i < options_.machines / 80; ++i) {
      const PlannedFault& fault = *dice_.Pick(first);
      const FaultKind& kind = *dice_.Pick(client_kinds_);
      if (!GoesOver(kind, *fault.kind)) continue;
      v1::Fault second = DrawClientFault(kind, pools_[0], dice_);
      second.set_machines(fault.machines[0]);
      second.set_count(1);
      second.set_over_others(true);
      *estate_.add_faults() = std::move(second);
    }
  }

  // What was drawn and makes no sense together. The planner knows.
  void DropImpossible() {
    for (FaultPlan plan = PlanFaults(estate_); !plan.ok(); plan = PlanFaults(estate_))
      estate_.mutable_faults()->DeleteSubrange(plan.error_index, 1);
  }

  const GenerateOptions& options_;
  Dice dice_;
  const bool all_;
  std::vector<const FaultKind*> host_kinds_, client_kinds_;
  std::vector<Pool> pools_;
  v1::Estate estate_;
};

absl::StatusOr<std::vector<const FaultKind*>> ChooseKinds(const std::string& faults) {
  std::vector<const FaultKind*> out;
  if (faults == "none") return out;
  if (faults == "all") {
    for (const FaultKind& kind : FaultKinds()) out.push_back(&kind);
    return out;
  }
  for (const absl::string_view name : absl::StrSplit(faults, ',')) {
    const FaultKind* const kind = FindFaultKind(name);
    if (kind == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("faults: '", name,
                       "' is not known; write all, none, or names of `keymedic "
                       "lab faults` with commas between them"));
    }
    out.push_back(kind);
  }
  return out;
}

}  // namespace

absl::StatusOr<v1::Estate> GenerateEstate(const GenerateOptions& options) {
  if (options.machines < kFewestMachines || options.machines > kMostMachines) {
    return absl::InvalidArgumentError(absl::StrCat("machines: ", options.machines,
                                                   " is not within ", kFewestMachines, " and ",
                                                   kMostMachines));
  }
  const auto kinds = ChooseKinds(options.faults);
  if (!kinds.ok()) return kinds.status();
  return Generator(options, *kinds).Run();
}

std::string EstateText(const v1::Estate& estate) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(estate, &text);
  return absl::StrCat(
      "# SPDX-License-Identifier: Apache-2.0\n#\n"
      "# proto-file: proto/keymedic/lab/v1/estate.proto\n"
      "# proto-message: keymedic.lab.v1.Estate\n",
      text);
}

}  // namespace keymedic::lab
