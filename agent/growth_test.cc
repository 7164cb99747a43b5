// SPDX-License-Identifier: Apache-2.0
//
// An agent runs for years: nothing may pile up in its memory or in its file.
#include <malloc.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/session_testing.h"

namespace keymedic::agent {
namespace {

size_t HeapBytes() { return mallinfo2().uordblks; }

class GrowthTest : public SessionTest {
 protected:
  // An hour of a busy machine each: its state changes, its connection is lost and is back, a
  // command comes and is done.
  void Work(int hours) {
    for (int hour = 0; hour < hours; ++hour) {
      clock_.Advance(absl::Hours(1));
      executor_->Advance(absl::Hours(1));
      Connect();
      link_.Take();
      plugins_.Set("licensing", absl::StrCat("state ", hour % 7));
      ReceiveCollect("r1");
      const std::string id = absl::StrCat("c", ++commands_);
      ReceiveCommand(Ensure(id, absl::StrCat("value ", hour % 5)));
      EXPECT_EQ(TakeResult().command_id(), id);
      v1::ControllerMessage acknowledged;
      acknowledged.mutable_result_ack()->set_command_id(id);
      Receive(acknowledged);
    }
    link_.Take();
  }

  int commands_ = 0;
};

TEST_F(GrowthTest, MonthsLeaveItNoLargerThanTwoWeeksDid) {
  Work(24 * 14);
  const size_t heap = HeapBytes();
  const uintmax_t file = std::filesystem::file_size(path_);
  Work(24 * 120);
  EXPECT_LT(HeapBytes(), heap + (32 << 10));
  EXPECT_LT(std::filesystem::file_size(path_), file + (32 << 10));
}

}  // namespace
}  // namespace keymedic::agent
