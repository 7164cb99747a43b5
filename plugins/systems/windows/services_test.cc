// SPDX-License-Identifier: Apache-2.0
#include "plugins/systems/windows/services.h"

#include <gtest/gtest.h>

#include "plugins/systems/windows/registry.h"

namespace keymedic::systems {
namespace {

TEST(WindowsServicesTest, AServiceThatIsNotThere) {
  const auto services = MakeWindowsServices();
  EXPECT_TRUE(absl::IsNotFound(services->Query("no-such-service").status()));
  EXPECT_TRUE(absl::IsNotFound(services->SetDisabled("no-such-service", true)));
  EXPECT_TRUE(absl::IsNotFound(services->Restart("no-such-service")));
}

TEST(RegistryTest, ReadsWhatIsThere) {
  const std::string key = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
  EXPECT_NE(RegistryText(key, "CurrentBuildNumber").value_or(""), "");
  EXPECT_EQ(RegistryText(key, "NoSuchValue"), std::nullopt);
  EXPECT_EQ(RegistryNumber(key, "CurrentBuildNumber"), std::nullopt) << "of another type";
  EXPECT_TRUE(RegistryLines("NoSuchKey", "x").empty());
  ASSERT_TRUE(SetRegistryText(key, "KeyMedicTest", "Größe").ok());
  EXPECT_EQ(RegistryText(key, "KeyMedicTest"), "Größe");
  ASSERT_TRUE(SetRegistryText(key, "KeyMedicTest", "").ok());
  EXPECT_TRUE(SetRegistryText(key, "KeyMedicTest", "").ok()) << "gone already";
  EXPECT_EQ(RegistryText(key, "KeyMedicTest"), std::nullopt);
  EXPECT_TRUE(absl::IsNotFound(SetRegistryText("NoSuchKey", "x", "y")));
}

}  // namespace
}  // namespace keymedic::systems
