// SPDX-License-Identifier: Apache-2.0
//
// What a process that no test can time does: plugin_process_test.cc has real ones.
#include "agent/child_process.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/frames.h"
#include "keymedic/v1/plugin.pb.h"

namespace keymedic::agent {
namespace {

// Says all that it has to say and is gone, before anybody has read a word.
class LastWords final : public ChildSystem {
 public:
  explicit LastWords(std::string words) : words_(std::move(words)) {}
  absl::StatusOr<bool> Pump(absl::string_view&, std::chrono::milliseconds, std::string& output,
                            std::string&) override {
    output += std::exchange(words_, {});
    return false;
  }
  void AwaitEnd(std::chrono::milliseconds, std::string&) override {}
  bool Ended() override { return true; }
  void CloseInput() override {}
  void Kill() override {}
  ChildEnd HowItEnded(std::string&) override { return {"exit code 3"}; }

 private:
  std::string words_;
};

TEST(ChildProcessTest, WhatCameWithTheEndIsHeard) {
  v1::HostResponse loading;
  loading.set_message("the culprit");
  const std::string frame = *EncodeFrame(loading);
  ChildProcess child(std::make_unique<LastWords>(frame + frame));
  for (int i = 0; i < 2; ++i) {
    const auto heard = child.Exchange("an order that nobody reads", absl::Minutes(1));
    ASSERT_TRUE(heard.ok()) << heard.status();
    EXPECT_EQ(*heard, loading.SerializeAsString());
  }
  EXPECT_TRUE(absl::IsUnavailable(child.Exchange("", absl::Minutes(1)).status()));
}

}  // namespace
}  // namespace keymedic::agent
