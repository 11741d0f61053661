#pragma once

// What the columns' kernels share: bits, wide integers, halves.

#include <cstdint>
#include <cstring>

#include "ns_columns.h"

namespace ns {

/// Bits [at, at + count) of a bitmap, the first lowest; count is 1 to 64, no other byte is read.
inline uint64_t bits_from(const uint8_t *bitmap, int64_t at, uint32_t count) {
  const uint8_t *bytes = bitmap + at / 8;
  const unsigned shift = static_cast<unsigned>(at % 8);
  const unsigned byte_count = (shift + count + 7) / 8;
  uint64_t low = 0;
  std::memcpy(&low, bytes, byte_count < 8 ? byte_count : 8);
  low >>= shift;
  if (byte_count > 8) low |= static_cast<uint64_t>(bytes[8]) << (64 - shift);
  return count == 64 ? low : low & ((uint64_t{1} << count) - 1);
}

/// Whether value i of a run is there.
inline bool is_valid(const ns_column *column, int64_t i) {
  if (column->validity == nullptr) return true;
  const int64_t at = column->first + i;
  return column->validity[at / 8] >> (at % 8) & 1;
}

inline int64_t floor_division(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return quotient - (value % divisor < 0);
}

/// 10^0 to 10^22, which are exact.
inline double power_of_ten(int exponent) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  return powers[exponent];
}

/// IEEE 754 binary16; exact.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1F;
  const uint32_t fraction = half & 0x3FF;
  float value;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 0x1p-24f;  // zero or subnormal
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits |= sign;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  const uint32_t bits =
      sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// The nearest double of decimal number `index`, counted from the begin of the buffers.
double decimal_to_double(const ns_column *column, int64_t index);

/// Writes a decimal with all digits of its scale; returns their number, below NS_COLUMN_TEXT_LIMIT.
size_t decimal_to_text(const ns_column *column, int64_t index, char *output);

}  // namespace ns
