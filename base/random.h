// SPDX-License-Identifier: Apache-2.0
//
// Randomness is passed in, as time is.
#ifndef KEYMEDIC_BASE_RANDOM_H_
#define KEYMEDIC_BASE_RANDOM_H_

#include <cstdint>
#include <string>

namespace keymedic {

// May be called from any thread.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::string Bytes(size_t n) = 0;
  uint64_t Uint64();
  double Uniform();    // [0, 1)
  std::string Uuid();  // version 4, lower case
};

// The operating system's, fit for secrets.
class SystemRandom final : public Random {
 public:
  std::string Bytes(size_t n) override;
};

// The same sequence for the same seed. Never for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  std::string Bytes(size_t n) override;

 private:
  uint64_t state_;  // not synchronised: one thread
};

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_RANDOM_H_
