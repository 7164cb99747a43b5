// SPDX-License-Identifier: Apache-2.0
//
// The first half of LZX: which part of the data repeats which. One thread; the data outlives it.
#ifndef KEYMEDIC_PACKAGING_WINDOWS_LZX_MATCHES_H_
#define KEYMEDIC_PACKAGING_WINDOWS_LZX_MATCHES_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace keymedic::installer {

// A literal (length 1, `offset` the byte), or `length` bytes as they were. An offset of 0, 1 or 2
// names one of the three that were used last, anything else is a distance + 2.
struct LzxToken {
  uint32_t offset;
  uint16_t length;
};

class LzxMatcher {
 public:
  explicit LzxMatcher(const std::string& data);
  // Of the next bytes; matches stay within them.
  void Parse(size_t size, std::vector<LzxToken>& out);

 private:
  struct Match {
    size_t length = 0;
    uint32_t offset = 0;  // as of a token
    int gain = 0;         // bits that it saves, roughly
  };

  Match Find(size_t at, size_t end);
  void TryRecent(size_t at, size_t limit, Match& best) const;
  void TryChain(size_t at, size_t limit, Match& best) const;
  size_t LengthAt(size_t at, size_t distance, size_t limit) const;
  // Makes positions up to `end` known to those behind them.
  void Insert(size_t end);
  void Use(uint32_t offset);

  const std::string& data_;
  size_t at_ = 0;
  size_t inserted_ = 0;
  std::array<uint32_t, 3> recent_{1, 1, 1};
  std::vector<int32_t> heads_;   // by hash: the last position, or -1
  std::vector<int32_t> before_;  // by position in the window: the one before with this hash
};

}  // namespace keymedic::installer

#endif  // KEYMEDIC_PACKAGING_WINDOWS_LZX_MATCHES_H_
