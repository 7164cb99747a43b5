// SPDX-License-Identifier: Apache-2.0
//
// For tests: a new folder, for its maker alone, among the temporary ones of the system. Whoever
// made it removes it.
#ifndef KEYMEDIC_BASE_TEMP_DIR_TESTING_H_
#define KEYMEDIC_BASE_TEMP_DIR_TESTING_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/files.h"
#include "base/random.h"

namespace keymedic {

inline std::string MakeTempDir(const std::string& name) {
  const std::filesystem::path base =
      std::filesystem::weakly_canonical(NativePath(::testing::TempDir()));
  const std::string path = (base / (name + "_" + SystemRandom().Uuid())).string();
  const absl::Status made = MakeDirectories(path, 0700);
  EXPECT_TRUE(made.ok()) << made;
  return path;
}

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_TEMP_DIR_TESTING_H_
