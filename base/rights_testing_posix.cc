// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "base/rights_testing.h"

namespace keymedic {
namespace {

void SetMode(const std::string& path, int mode) {
  std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
}

}  // namespace

void LetOwnerWrite(const std::string& path) { SetMode(path, 0755); }
void LetEverybodyWrite(const std::string& path) { SetMode(path, 0757); }
std::string RemedyForEverybody(const std::string& path) { return "chmod go-w " + path; }

}  // namespace keymedic
