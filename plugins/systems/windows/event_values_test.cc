// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/event_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keymedic::systems {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

EVT_VARIANT Of(const wchar_t* text) {
  EVT_VARIANT value{};
  value.Type = EvtVarTypeString;
  value.StringVal = text;
  return value;
}

TEST(DataTextsTest, ReadsTextsAndNumbersInOrder) {
  EVT_VARIANT number{};
  number.Type = EvtVarTypeHexInt32;
  number.UInt32Val = 0xC004F074;
  EVT_VARIANT null{};
  null.Type = EvtVarTypeNull;
  EVT_VARIANT bytes{};
  bytes.Type = EvtVarTypeBinary;
  const EVT_VARIANT values[] = {Of(L"hr=0"), null, number, bytes, Of(L"Größe"), null};
  EXPECT_THAT(DataTexts(values, 6), ElementsAre("hr=0", "", "0xc004f074", "Größe"));
  EXPECT_THAT(DataTexts(values, 0), IsEmpty());
}

TEST(DataTextsTest, ReadsAClassicEventsStrings) {
  LPWSTR texts[] = {const_cast<LPWSTR>(L"0x0, 0x0, kms:1688"), nullptr, const_cast<LPWSTR>(L"b")};
  EVT_VARIANT array{};
  array.Type = EvtVarTypeString | EVT_VARIANT_TYPE_ARRAY;
  array.Count = 3;
  array.StringArr = texts;
  EXPECT_THAT(DataTexts(&array, 1), ElementsAre("0x0, 0x0, kms:1688", "", "b"));
}

TEST(FromFileTimeTest, CountsFrom1601) {
  EXPECT_EQ(FromFileTime(116444736000000000), absl::UnixEpoch());
  EXPECT_EQ(FromFileTime(116444736000000000 + 15), absl::UnixEpoch() + absl::Nanoseconds(1500));
}

TEST(WholeLogSizeTest, RoundsUp) {
  EXPECT_EQ(WholeLogSize(1), 65536u);
  EXPECT_EQ(WholeLogSize(1 << 20), 1u << 20);
}

}  // namespace
}  // namespace keymedic::systems
