// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/lzx_matches.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "packaging/windows/lzx.h"

namespace keymedic::installer {
namespace {

constexpr size_t kWindow = size_t{1} << kLzxWindowBits;
constexpr size_t kMaxDistance = kWindow - 3;
constexpr size_t kMaxLength = 257;
constexpr size_t kGoodEnough = 96;  // nothing longer is looked for
constexpr int kHashBits = 17;
constexpr int kMaxSteps = 40;  // along one chain
constexpr int kLiteralBits = 6;

// What a match saves against literals.
int Gain(size_t length, uint32_t offset) {
  int cost = length < 9 ? 5 : 9;
  if (offset > 2) cost += static_cast<int>(std::bit_width(offset)) + 1;
  return static_cast<int>(length) * kLiteralBits - cost;
}

}  // namespace

LzxMatcher::LzxMatcher(const std::string& data)
    : data_(data), heads_(size_t{1} << kHashBits, -1), before_(kWindow, -1) {}

size_t LzxMatcher::LengthAt(size_t at, size_t distance, size_t limit) const {
  const char* now = data_.data() + at;
  const char* then = now - distance;
  size_t length = 0;
  while (length < limit && now[length] == then[length]) ++length;
  return length;
}

void LzxMatcher::TryRecent(size_t at, size_t limit, Match& best) const {
  for (uint32_t i = 0; i < recent_.size(); ++i) {
    if (recent_[i] > at) continue;
    const size_t length = LengthAt(at, recent_[i], limit);
    if (length < 2) continue;
    const int gain = Gain(length, i);
    if (gain > best.gain) best = {length, i, gain};
  }
}

void LzxMatcher::TryChain(size_t at, size_t limit, Match& best) const {
  if (limit < 3) return;
  size_t longest = 2;
  int32_t then = before_[at % kWindow];
  for (int step = 0; step < kMaxSteps && then >= 0; ++step) {
    const size_t distance = at - static_cast<size_t>(then);
    if (distance > kMaxDistance) return;
    if (data_[then + longest] == data_[at + longest]) {
      const size_t length = LengthAt(at, distance, limit);
      if (length > longest) {
        longest = length;
        const auto offset = static_cast<uint32_t>(distance + 2);
        const int gain = Gain(length, offset);
        if (gain > best.gain) best = {length, offset, gain};
        if (length >= std::min(limit, kGoodEnough)) return;
      }
    }
    const int32_t next = before_[then % kWindow];
    if (next >= then) return;  // overwritten by what came a window later
    then = next;
  }
}

LzxMatcher::Match LzxMatcher::Find(size_t at, size_t end) {
  Match best;
  const size_t limit = std::min(kMaxLength, end - at);
  if (limit < 2) return best;
  Insert(at + 1);
  TryRecent(at, limit, best);
  if (best.length < kGoodEnough) TryChain(at, limit, best);
  return best;
}

void LzxMatcher::Insert(size_t end) {
  for (; inserted_ < end; ++inserted_) {
    if (inserted_ + 3 > data_.size()) continue;
    const auto* p = reinterpret_cast<const unsigned char*>(data_.data() + inserted_);
    const uint32_t three = p[0] | p[1] << 8 | p[2] << 16;
    int32_t& head = heads_[three * 0x9E3779B1u >> (32 - kHashBits)];
    before_[inserted_ % kWindow] = head;
    head = static_cast<int32_t>(inserted_);
  }
}

void LzxMatcher::Use(uint32_t offset) {
  if (offset == 0) return;
  if (offset <= 2) return std::swap(recent_[0], recent_[offset]);
  recent_ = {offset - 2, recent_[0], recent_[1]};
}

void LzxMatcher::Parse(size_t size, std::vector<LzxToken>& out) {
  const size_t end = at_ + size;
  Match match = Find(at_, end);
  while (at_ < end) {
    // A byte alone may lead to a better one.
    Match next;
    if (match.gain > 0 && match.length < kGoodEnough) next = Find(at_ + 1, end);
    if (match.gain <= 0 || next.gain > match.gain + 1) {
      out.push_back({static_cast<unsigned char>(data_[at_]), 1});
      ++at_;
      match = match.gain > 0 ? next : Find(at_, end);
      continue;
    }
    out.push_back({match.offset, static_cast<uint16_t>(match.length)});
    Use(match.offset);
    at_ += match.length;
    Insert(at_);
    if (at_ < end) match = Find(at_, end);
  }
}

}  // namespace keymedic::installer
