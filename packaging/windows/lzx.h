// SPDX-License-Identifier: Apache-2.0
//
// LZX, the compression of cabinets that packages better than wixl's: a third off our programs. Runs
// where the package is made. Everything goes through one window of 2 MB and comes out in frames,
// each standing for 32 KiB, the last for less.
//
// The format is told in [MS-PATCH] 2 and the Cabinet SDK. What is used of it: verbatim and aligned
// blocks, and the translation of calls in programs (E8). Pure; one thread.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_LZX_H_
#define KEYMEDIC_PACKAGING_WINDOWS_LZX_H_

#include <cstdint>
#include <string>
#include <vector>

namespace keymedic::installer {

inline constexpr int kLzxWindowBits = 21;
inline constexpr size_t kLzxFrame = 32768;

// At most 2 GiB.
std::vector<std::string> LzxCompress(std::string data);

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_LZX_H_
