// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/com.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <wbemcli.h>

#include <condition_variable>
#include <mutex>

#include "plugins/systems/windows/com_thread.h"

namespace keymedic::systems {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FromVariantTest, ReadsNumbersAsTheirCimTypeSays) {
  Variant value;
  value.SetNumber(-1);
  EXPECT_EQ(std::get<int64_t>(FromVariant(value.get(), CIM_UINT32)), 0xFFFFFFFF);
  EXPECT_EQ(std::get<int64_t>(FromVariant(value.get(), CIM_UINT16)), 0xFFFF);
  EXPECT_EQ(std::get<int64_t>(FromVariant(value.get(), CIM_SINT32)), -1);
  value.SetFlag(true);
  EXPECT_EQ(std::get<bool>(FromVariant(value.get(), CIM_BOOLEAN)), true);
  value.SetText("Schlüssel");
  EXPECT_EQ(std::get<std::string>(FromVariant(value.get(), CIM_STRING)), "Schlüssel");
  value.Out()->vt = VT_NULL;
  EXPECT_TRUE(std::holds_alternative<std::monostate>(FromVariant(value.get(), CIM_STRING)));
}

TEST(FromVariantTest, ReadsArraysOfTexts) {
  SAFEARRAY* array = SafeArrayCreateVector(VT_BSTR, 0, 2);
  const Bstr first(absl::string_view("1688")), second(absl::string_view("5000-5010"));
  for (LONG i = 0; i < 2; ++i) SafeArrayPutElement(array, &i, (i == 0 ? first : second).get());
  Variant value;
  value.Out()->vt = VT_ARRAY | VT_BSTR;
  value.mutable_get()->parray = array;
  EXPECT_THAT(std::get<std::vector<std::string>>(FromVariant(value.get(), CIM_STRING)),
              ElementsAre("1688", "5000-5010"));
  EXPECT_TRUE(FromStringArray(nullptr).empty());
}

TEST(ComThreadTest, RunsJobsInTheMultithreadedApartment) {
  ComThread thread;
  const auto type = thread.Call("apartment", absl::Seconds(30), []() -> absl::StatusOr<int> {
    APTTYPE apartment;
    APTTYPEQUALIFIER qualifier;
    CoGetApartmentType(&apartment, &qualifier);
    return static_cast<int>(apartment);
  });
  ASSERT_TRUE(type.ok()) << type.status();
  EXPECT_EQ(*type, static_cast<int>(APTTYPE_MTA));
}

TEST(ComThreadTest, LeavesAJobBehindThatDoesNotEnd) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    bool passed = false;
  };
  const auto gate = std::make_shared<Gate>();
  {
    ComThread thread(absl::ZeroDuration());
    const absl::Status late =
        thread.Call("the query", absl::Milliseconds(20), [gate]() -> absl::Status {
          std::unique_lock lock(gate->mutex);
          gate->changed.wait(lock, [&] { return gate->open; });
          gate->passed = true;
          gate->changed.notify_all();
          return absl::OkStatus();
        });
    EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
    EXPECT_THAT(std::string(late.message()), HasSubstr("the query: no answer within 20ms"));
    EXPECT_EQ(thread.generation(), 1);
    EXPECT_TRUE(thread.Call("next", absl::Seconds(30), [] { return absl::OkStatus(); }).ok());
  }
  std::unique_lock lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
  gate->changed.wait(lock, [&] { return gate->passed; });
}

TEST(ComThreadTest, FailsAtOnceAfterThat) {
  const auto gate = std::make_shared<std::promise<void>>();
  ComThread thread(absl::Hours(1));
  EXPECT_FALSE(thread
                   .Call("first", absl::Milliseconds(1),
                         [gate, opened = gate->get_future().share()]() -> absl::Status {
                           opened.wait();
                           return absl::OkStatus();
                         })
                   .ok());
  const absl::Status second =
      thread.Call("second", absl::Hours(1), [] { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("'first' got no answer"));
  gate->set_value();
}

TEST(ComThreadTest, WhatOnlyTakesLongDelaysNothingElse) {
  const auto gate = std::make_shared<std::promise<void>>();
  ComThread thread(absl::Hours(1));
  const absl::Status late = thread.Call(
      "Activate", absl::Milliseconds(1),
      [gate, opened = gate->get_future().share()]() -> absl::Status {
        opened.wait();
        return absl::OkStatus();
      },
      Late::kStillAtWork);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_THAT(std::string(late.message()), HasSubstr("Activate: not done within 1ms"));
  EXPECT_TRUE(thread.Call("query", absl::Seconds(30), [] { return absl::OkStatus(); }).ok());
  gate->set_value();
}

}  // namespace
}  // namespace keymedic::systems
