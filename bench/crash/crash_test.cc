// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/temp_dir_testing.h"
#include "bench/crash/crashes.h"

namespace keymedic::bench {
namespace {

constexpr auto kSilently = [](const Tally&) {};

void ExpectChangedOnce(const absl::StatusOr<Tally>& tally, uint64_t crashes) {
  ASSERT_TRUE(tally.ok()) << tally.status();
  EXPECT_GE(tally->crashes, crashes);
  EXPECT_GE(tally->commands, 10);
  EXPECT_EQ(tally->doubled, 0);
  EXPECT_EQ(tally->lost, 0);
}

TEST(Crash, AgentKilledAtEachStepChangesItsMachineOnce) {
  ExpectChangedOnce(KillAtEachStep(MakeTempDir("crash_agent"), "pc-001", kSilently), 20);
}

TEST(Crash, ControllerKilledAtEachStepChangesEachMachineOnce) {
  ExpectChangedOnce(KillAtEachStep(MakeTempDir("crash_controller"), kControllerProcess, kSilently),
                    50);
}

TEST(Crash, KilledAtRandomEachMachineIsChangedOnce) {
  ExpectChangedOnce(KillAtRandom(MakeTempDir("crash_random"), 7, 200, kSilently), 200);
}

}  // namespace
}  // namespace keymedic::bench
