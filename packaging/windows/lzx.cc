// SPDX-License-Identifier: Apache-2.0
#include "packaging/windows/lzx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <queue>
#include <span>
#include <utility>

#include "packaging/windows/lzx_matches.h"

namespace keymedic::installer {
namespace {

constexpr size_t kFramesPerBlock = 4;
constexpr size_t kLiterals = 256;
constexpr size_t kSlots = 50;  // of a window of 2 MB
constexpr size_t kLengths = 249;
constexpr int kVerbatim = 1;
constexpr int kAligned = 2;

using Lengths = std::vector<uint8_t>;  // of a Huffman code, by symbol; 0: not used

struct Code {
  Lengths lengths;
  std::vector<uint16_t> bits;
};

// How an offset is written: a slot, and some bits more.
struct Slots {
  std::array<uint32_t, kSlots + 1> base{};
  std::array<int, kSlots> extra{};
  Slots() {
    for (size_t i = 0; i < kSlots; ++i) {
      extra[i] = i < 4 ? 0 : std::min(static_cast<int>(i / 2) - 1, 17);
      base[i + 1] = base[i] + (1u << extra[i]);
    }
  }
  size_t Of(uint32_t offset) const {
    return static_cast<size_t>(std::upper_bound(base.begin(), base.end(), offset) - base.begin()) -
           1;
  }
};
const Slots kSlot;

// Lengths of a Huffman code for these frequencies; too long ones go as the frequencies are evened.
Lengths MakeLengths(std::vector<uint32_t> frequencies, int longest) {
  const size_t n = frequencies.size();
  // A code of a single symbol is none to those who read it.
  if (std::count(frequencies.begin(), frequencies.end(), 0u) + 1 == static_cast<long>(n)) {
    ++frequencies[frequencies[0] == 0 ? 0 : 1];
  }
  while (true) {
    using Node = std::pair<uint64_t, size_t>;
    std::priority_queue<Node, std::vector<Node>, std::greater<>> open;
    std::vector<size_t> parent(2 * n, 0);
    for (size_t i = 0; i < n; ++i) {
      if (frequencies[i] != 0) open.push({frequencies[i], i});
    }
    size_t made = n;
    while (open.size() > 1) {
      const Node a = open.top();
      open.pop();
      const Node b = open.top();
      open.pop();
      parent[a.second] = parent[b.second] = made;
      open.push({a.first + b.first, made++});
    }
    Lengths lengths(n, 0);
    std::vector<int> depth(2 * n, 0);
    for (size_t i = made; i-- > 0;) {
      if (parent[i] != 0) depth[i] = depth[parent[i]] + 1;
    }
    for (size_t i = 0; i < n; ++i) lengths[i] = static_cast<uint8_t>(depth[i]);
    if (*std::max_element(lengths.begin(), lengths.end()) <= longest) return lengths;
    for (uint32_t& frequency : frequencies) {
      if (frequency != 0) frequency = frequency / 2 + 1;
    }
  }
}

Code MakeCode(const std::vector<uint32_t>& frequencies, int longest = 16) {
  Code code{MakeLengths(frequencies, longest), std::vector<uint16_t>(frequencies.size())};
  uint32_t next = 0;
  for (int length = 1; length <= longest; ++length, next <<= 1) {
    for (size_t i = 0; i < frequencies.size(); ++i) {
      if (code.lengths[i] == length) code.bits[i] = static_cast<uint16_t>(next++);
    }
  }
  return code;
}

// Words of 16 bits, little-endian, the high bits first.
class Bits {
 public:
  void Put(uint32_t value, int count) {
    pending_ = pending_ << count | value;
    count_ += count;
    for (; count_ >= 16; count_ -= 16) {
      const auto word = static_cast<uint16_t>(pending_ >> (count_ - 16));
      out_ += static_cast<char>(word & 0xFF);
      out_ += static_cast<char>(word >> 8);
    }
  }
  void Put(const Code& code, size_t symbol) { Put(code.bits[symbol], code.lengths[symbol]); }
  std::string TakeFrame() {
    if (count_ > 0) Put(0, 16 - count_);
    return std::exchange(out_, {});
  }

 private:
  uint64_t pending_ = 0;
  int count_ = 0;
  std::string out_;
};

// The lengths of a code as differences to those of the block before, themselves in a code.
class LengthsWriter {
 public:
  LengthsWriter(std::span<const uint8_t> before, std::span<const uint8_t> now) {
    for (size_t i = 0; i < now.size();) {
      size_t run = 1;
      while (i + run < now.size() && now[i + run] == now[i]) ++run;
      if (now[i] == 0 && run >= 20) {
        Add(18, (run = std::min<size_t>(run, 51)) - 20, 5);
      } else if (now[i] == 0 && run >= 4) {
        Add(17, (run = std::min<size_t>(run, 19)) - 4, 4);
      } else if (run >= 4) {
        Add(19, (run = std::min<size_t>(run, 5)) - 4, 1);
        Add(Difference(before[i], now[i]), 0, 0);
      } else {
        Add(Difference(before[i], now[i]), 0, 0);
        run = 1;
      }
      i += run;
    }
  }
  void Write(Bits& bits) const {
    std::vector<uint32_t> frequencies(20);
    for (const Step& step : steps_) ++frequencies[step.symbol];
    const Code code = MakeCode(frequencies, 15);
    for (const uint8_t length : code.lengths) bits.Put(length, 4);
    for (const Step& step : steps_) {
      bits.Put(code, step.symbol);
      bits.Put(step.more, step.bits);
    }
  }

 private:
  struct Step {
    size_t symbol;
    uint32_t more;
    int bits;
  };
  static size_t Difference(uint8_t before, uint8_t now) { return (before + 17u - now) % 17u; }
  void Add(size_t symbol, size_t more, int bits) {
    steps_.push_back({symbol, static_cast<uint32_t>(more), bits});
  }
  std::vector<Step> steps_;
};

struct Symbols {
  size_t main;
  int length = -1;  // of the tree of lengths, if it needs one
  size_t slot = 0;
};

Symbols SymbolsOf(const LzxToken& token) {
  if (token.length == 1) return {token.offset};
  const size_t slot = kSlot.Of(token.offset);
  const int length = token.length - 2;
  return {kLiterals + slot * 8 + static_cast<size_t>(std::min(length, 7)),
          length < 7 ? -1 : length - 7, slot};
}

class Encoder {
 public:
  explicit Encoder(const std::string& data)
      : data_(data), matcher_(data), main_(kLiterals + 8 * kSlots), length_(kLengths) {}

  std::vector<std::string> Run() {
    // Calls are translated, in data of this size.
    bits_.Put(1, 1);
    bits_.Put(static_cast<uint32_t>(data_.size() >> 16), 16);
    bits_.Put(static_cast<uint32_t>(data_.size() & 0xFFFF), 16);
    for (size_t at = 0; at < data_.size(); at += kFramesPerBlock * kLzxFrame) Block(at);
    return std::move(frames_);
  }

 private:
  void Block(size_t at) {
    const size_t size = std::min(kFramesPerBlock * kLzxFrame, data_.size() - at);
    std::vector<std::vector<LzxToken>> frames;
    std::vector<uint32_t> mains(main_.size()), lengths(kLengths), aligned(8);
    for (size_t done = 0; done < size; done += kLzxFrame) {
      matcher_.Parse(std::min(kLzxFrame, size - done), frames.emplace_back());
      for (const LzxToken& token : frames.back()) {
        const Symbols symbols = SymbolsOf(token);
        ++mains[symbols.main];
        if (symbols.length >= 0) ++lengths[static_cast<size_t>(symbols.length)];
        if (kSlot.extra[symbols.slot] >= 3) {
          ++aligned[(token.offset - kSlot.base[symbols.slot]) & 7];
        }
      }
    }
    const Code low = MakeCode(aligned, 7);
    uint64_t as_code = 24, as_bits = 0;
    for (size_t i = 0; i < 8; ++i) {
      as_code += uint64_t{aligned[i]} * low.lengths[i];
      as_bits += uint64_t{aligned[i]} * 3;
    }
    const Code* with = as_code < as_bits ? &low : nullptr;
    const Code main = MakeCode(mains);
    const Code length = MakeCode(lengths);
    Header(size, with, main, length);
    for (const auto& frame : frames) Frame(frame, with, main, length);
  }

  void Header(size_t size, const Code* low, const Code& main, const Code& length) {
    bits_.Put(low != nullptr ? kAligned : kVerbatim, 3);
    bits_.Put(static_cast<uint32_t>(size), 24);
    for (size_t i = 0; low != nullptr && i < 8; ++i) bits_.Put(low->lengths[i], 3);
    const std::span<const uint8_t> before(main_), now(main.lengths);
    LengthsWriter(before.first(kLiterals), now.first(kLiterals)).Write(bits_);
    LengthsWriter(before.subspan(kLiterals), now.subspan(kLiterals)).Write(bits_);
    LengthsWriter(length_, length.lengths).Write(bits_);
    main_ = main.lengths;
    length_ = length.lengths;
  }

  void Frame(const std::vector<LzxToken>& tokens, const Code* low, const Code& main,
             const Code& length) {
    for (const LzxToken& token : tokens) {
      const Symbols symbols = SymbolsOf(token);
      bits_.Put(main, symbols.main);
      if (token.length == 1) continue;
      if (symbols.length >= 0) bits_.Put(length, static_cast<size_t>(symbols.length));
      const uint32_t more = token.offset - kSlot.base[symbols.slot];
      const int extra = kSlot.extra[symbols.slot];
      if (low != nullptr && extra >= 3) {
        bits_.Put(more >> 3, extra - 3);
        bits_.Put(*low, more & 7);
      } else {
        bits_.Put(more, extra);
      }
    }
    frames_.push_back(bits_.TakeFrame());
  }

  const std::string& data_;
  LzxMatcher matcher_;
  Bits bits_;
  Lengths main_, length_;  // of the block before
  std::vector<std::string> frames_;
};

// The target of a call becomes its place, which is the same for all who call it.
void TranslateCalls(std::string& data) {
  constexpr size_t kLastFrame = 32768;  // behind it nothing is translated
  const auto total = static_cast<int64_t>(data.size());
  for (size_t frame = 0; frame < data.size() && frame / kLzxFrame < kLastFrame;
       frame += kLzxFrame) {
    const size_t size = std::min(kLzxFrame, data.size() - frame);
    if (size <= 10) return;
    for (size_t at = frame; at < frame + size - 10;) {
      if (data[at++] != '\xE8') continue;
      int32_t relative;
      std::memcpy(&relative, &data[at], 4);
      const auto here = static_cast<int64_t>(at - 1);
      if (relative >= -here && relative < total) {
        const int64_t absolute = relative < total - here ? relative + here : relative - total;
        relative = static_cast<int32_t>(absolute);
        std::memcpy(&data[at], &relative, 4);
      }
      at += 4;
    }
  }
}

}  // namespace

std::vector<std::string> LzxCompress(std::string data) {
  TranslateCalls(data);
  return Encoder(data).Run();
}

}  // namespace keymedic::installer
