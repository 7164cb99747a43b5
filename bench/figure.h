// SPDX-License-Identifier: Apache-2.0
//
// How a figure is printed: one JSON line on standard output.
#ifndef KEYMEDIC_BENCH_FIGURE_H_
#define KEYMEDIC_BENCH_FIGURE_H_

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace keymedic::bench {

inline void PrintFigure(const std::string& name, double value, const std::string& unit,
                        double floor, size_t n) {
  auto round = [](double x) { return x >= 100 ? std::round(x) : std::round(x * 1000) / 1000; };
  const nlohmann::ordered_json line = {{"bench", name},
                                       {"value", round(value)},
                                       {"unit", unit},
                                       {"floor", round(floor)},
                                       {"ratio", floor == 0 ? 0 : round(value / floor)},
                                       {"n", n}};
  std::cout << line.dump() << std::endl;
}

}  // namespace keymedic::bench

#endif  // KEYMEDIC_BENCH_FIGURE_H_
