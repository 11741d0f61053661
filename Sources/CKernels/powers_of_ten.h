#pragma once

// Powers of ten to 128 bits.

#include <cstdint>

namespace ns {

// A power of ten times a power of two, rounded up: from 2^127 to below 2^128.
struct PowerOfTen {
  uint64_t high, low;
};

constexpr int kLowestPowerOfTen = -292;  // those that doubles need
constexpr int kHighestPowerOfTen = 324;

struct PowersOfTen {
  PowerOfTen entries[kHighestPowerOfTen - kLowestPowerOfTen + 1];
};

extern const PowersOfTen kPowersOfTen;

inline const PowerOfTen &power_of_ten(int power) {
  return kPowersOfTen.entries[power - kLowestPowerOfTen];
}

// floor(log10(2^power)), or floor(log10(3/4 2^power)), for |power| up to 1,500; the factors are
// log10(2) and log10(3/4) in 22 bits.
inline int floor_log10_of_power_of_two(int power, bool is_three_quarters) {
  return (power * 1262611 - (is_three_quarters ? 524031 : 0)) >> 22;
}

// floor(log2(10^power)) for |power| up to 1,233; the factor is log2(10) in 19 bits.
inline int floor_log2_of_power_of_ten(int power) { return (power * 1741647) >> 19; }

}  // namespace ns
