// SPDX-License-Identifier: Apache-2.0
//
// For tests: takes away what protects a file or folder, in the way of this system.
#ifndef KEYMEDIC_BASE_RIGHTS_TESTING_H_
#define KEYMEDIC_BASE_RIGHTS_TESTING_H_

#include <string>

namespace keymedic {

// Only its owner and the administrators may write it, and everybody read it.
void LetOwnerWrite(const std::string& path);
void LetEverybodyWrite(const std::string& path);
// What the error of base/rights.h tells one to run for it, up to the path.
std::string RemedyForEverybody(const std::string& path);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_RIGHTS_TESTING_H_
