#pragma once

// The shortest decimal that reads back as the same number, and its text.
//
// Source: R. Giulietti, "The Schubfach way to render doubles" (2020). With 10^k the largest power
// of ten that is no wider than the interval of reals that round to a number, one or two multiples
// of 10^k are in it, and of 10^(k+1) one at most: that one is shorter. Of two the nearer one is
// taken, of two as near the even one.

#include "ns_numbers.h"
#include "powers_of_ten.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>

namespace ns {

// The sizes of an IEEE format's parts.
template <typename Number>
struct Layout;

template <>
struct Layout<double> {
  using Bits = uint64_t;
  static constexpr int kFractionBits = 52;
  static constexpr int kBias = 1075;
};

template <>
struct Layout<float> {
  using Bits = uint32_t;
  static constexpr int kFractionBits = 23;
  static constexpr int kBias = 150;
};

// digits * 10^power
struct Decimal {
  uint64_t digits;
  int power;
};

// factor * number / 2^128, cut off; the last bit says too whether anything was.
inline uint64_t product(const PowerOfTen &factor, uint64_t number) {
  const unsigned __int128 low = static_cast<unsigned __int128>(factor.low) * number;
  const unsigned __int128 high =
      static_cast<unsigned __int128>(factor.high) * number + static_cast<uint64_t>(low >> 64);
  // The factor is rounded up, which alone makes 1 of what is 0.
  return static_cast<uint64_t>(high >> 64) | (static_cast<uint64_t>(high) > 1);
}

// `bits` are those of a finite number above zero.
template <typename Number>
inline Decimal shortest(typename Layout<Number>::Bits bits) {
  constexpr int kFractionBits = Layout<Number>::kFractionBits;
  constexpr uint64_t kHidden = uint64_t{1} << kFractionBits;
  const uint64_t fraction = bits & (kHidden - 1);
  const int exponent = static_cast<int>(bits >> kFractionBits);
  const uint64_t significand = exponent == 0 ? fraction : fraction | kHidden;
  const int binary = (exponent == 0 ? 1 : exponent) - Layout<Number>::kBias;
  // Below a power of two numbers are twice as dense.
  const bool is_power = fraction == 0 && exponent > 1;

  const int power = floor_log10_of_power_of_two(binary, is_power);
  const PowerOfTen &factor = power_of_ten(-power);
  const int shift = binary + floor_log2_of_power_of_ten(-power) + 1;
  // Four times the number and its interval, in units of 10^power.
  const uint64_t whole = product(factor, 4 * significand << shift);
  const uint64_t below = product(factor, (4 * significand - 2 + is_power) << shift);
  const uint64_t above = product(factor, (4 * significand + 2) << shift);
  const uint64_t is_odd = significand & 1;  // an odd number does not get what is on the edge
  const uint64_t lower = below + is_odd;
  const uint64_t upper = above - is_odd;

  // No branches: which way they go is as good as random.
  const uint64_t unit = whole / 4;
  const uint64_t ten = unit / 10;
  const uint64_t has_ten = lower <= 40 * ten;
  const uint64_t has_next_ten = 40 * ten + 40 <= upper;
  const uint64_t has_unit = lower <= 4 * unit;
  const uint64_t has_next_unit = 4 * unit + 4 <= upper;
  const uint64_t is_next_nearer = (whole & 3) + (unit & 1) > 2;
  const uint64_t is_one_unit = has_unit ^ has_next_unit;
  const uint64_t takes_next = (is_one_unit & has_next_unit) | (~is_one_unit & is_next_nearer);
  const uint64_t tens = 0 - (has_ten ^ has_next_ten);
  return {(tens & (10 * (ten + has_next_ten))) | (~tens & (unit + takes_next)), power};
}

// Sixteen digits as bytes, the first in the lowest; `high` and `low` are below 10^8.
struct PortableSixteenDigits {
  uint64_t high, low;

  PortableSixteenDigits(uint64_t high, uint64_t low) : high(eight(high)), low(eight(low)) {}

  static uint64_t eight(uint64_t number) {
    uint64_t parts = number / 10000 | number % 10000 << 32;
    const uint64_t hundreds = (parts * 10486 >> 20) & 0x0000007F0000007F;
    parts = hundreds | (parts - hundreds * 100) << 16;
    const uint64_t tens = (parts * 103 >> 10) & 0x000F000F000F000F;
    return tens | (parts - tens * 10) << 8;
  }

  int count() const {
    return low != 0 ? 16 - std::countl_zero(low) / 8 : 8 - std::countl_zero(high) / 8;
  }

  void write(char *output) const {
    const uint64_t words[] = {high | 0x3030303030303030, low | 0x3030303030303030};
    std::memcpy(output, words, 16);
  }
};

#if defined(__x86_64__)
// The same by SSE2, which every such machine has.
struct VectorSixteenDigits {
  __m128i values;

  VectorSixteenDigits(uint64_t high, uint64_t low) {
    const __m128i eights =
        _mm_set_epi64x(static_cast<int64_t>(low), static_cast<int64_t>(high));
    const __m128i upper =
        _mm_srli_epi64(_mm_mul_epu32(eights, _mm_set1_epi64x(0xD1B71759)), 45);  // by 10,000
    const __m128i fours = _mm_or_si128(
        upper, _mm_slli_epi64(
                   _mm_sub_epi64(eights, _mm_mul_epu32(upper, _mm_set1_epi64x(10000))), 32));
    const __m128i hundreds = _mm_srli_epi16(_mm_mulhi_epu16(fours, _mm_set1_epi16(5243)), 3);
    const __m128i twos = _mm_or_si128(
        hundreds, _mm_slli_epi32(
                      _mm_sub_epi16(fours, _mm_mullo_epi16(hundreds, _mm_set1_epi16(100))), 16));
    const __m128i tens = _mm_mulhi_epu16(twos, _mm_set1_epi16(6554));
    values = _mm_or_si128(
        tens,
        _mm_slli_epi16(_mm_sub_epi16(twos, _mm_mullo_epi16(tens, _mm_set1_epi16(10))), 8));
  }

  // The number of digits up to the last that is not zero.
  int count() const {
    const __m128i zeros = _mm_cmpeq_epi8(values, _mm_setzero_si128());
    return 32 - std::countl_zero(static_cast<uint32_t>(~_mm_movemask_epi8(zeros)) & 0xFFFF);
  }

  void write(char *output) const {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(output),
                     _mm_or_si128(values, _mm_set1_epi8('0')));
  }
};
using SixteenDigits = VectorSixteenDigits;
#else
using SixteenDigits = PortableSixteenDigits;
#endif

// Writes digits with a point after the first `exponent` + 1 of them, from 1 to 16.
inline char *write_with_point(char first, const SixteenDigits &rest, int count, int exponent,
                              char *at) {
  char text[32];
  text[0] = first;
  rest.write(text + 1);
  std::memset(text + 17, '0', 15);
  std::memcpy(at, text, 16);
  at += exponent + 1;
  *at++ = '.';
  const size_t room = exponent < 8 ? 16 : 8;  // never more than NS_DOUBLE_TEXT_LIMIT
  std::memcpy(at, text + exponent + 1, room);
  return at + (count > exponent + 1 ? count - exponent - 1 : 1);
}

__attribute__((noinline)) inline char *write_with_exponent(char first, const SixteenDigits &rest,
                                                           int count, int exponent, char *at) {
  *at++ = first;
  if (count > 1) {
    *at++ = '.';
    rest.write(at);
    at += count - 1;
  }
  *at++ = 'e';
  *at++ = exponent < 0 ? '-' : '+';
  const unsigned magnitude = static_cast<unsigned>(exponent < 0 ? -exponent : exponent);
  if (magnitude >= 100) *at++ = static_cast<char>('0' + magnitude / 100);
  *at++ = static_cast<char>('0' + magnitude / 10 % 10);
  *at++ = static_cast<char>('0' + magnitude % 10);
  return at;
}

// Writes a decimal as ns_format_double says, and returns the end of its text. There is room for
// NS_DOUBLE_TEXT_LIMIT bytes.
inline char *write_decimal(Decimal decimal, char *at) {
  constexpr uint64_t k10p16 = 10000000000000000;
  // Seventeen digits, the first of them not zero.
  const bool is_short = decimal.digits < k10p16;
  uint64_t digits = is_short ? 10 * decimal.digits : decimal.digits;
  int exponent = decimal.power + 16 - is_short;
  while (digits < k10p16) {
    digits *= 10;
    exponent--;
  }
  const uint64_t nine = digits / 100000000;
  const SixteenDigits rest(nine % 100000000, digits % 100000000);
  const char first = static_cast<char>('0' + nine / 100000000);
  const int count = 1 + rest.count();
  if (exponent < 0 && exponent >= -4) {
    std::memcpy(at, "0.000000", 8);
    at += 1 - exponent;
    *at = first;
    rest.write(at + 1);
    return at + count;
  }
  if (exponent >= 0 && exponent < 16) return write_with_point(first, rest, count, exponent, at);
  return write_with_exponent(first, rest, count, exponent, at);
}

// Writes what ns_format_double and ns_format_float say. Returns the end of the text.
template <typename Number>
inline char *write_number(Number value, char *at) {
  using Bits = typename Layout<Number>::Bits;
  constexpr int kBitCount = 8 * sizeof(Bits);
  constexpr Bits kInfinity =
      (Bits{1} << (kBitCount - 1)) - (Bits{1} << Layout<Number>::kFractionBits);
  const Bits bits = std::bit_cast<Bits>(value);
  const Bits magnitude = bits & ~(Bits{1} << (kBitCount - 1));
  if (magnitude >= kInfinity) {
    std::memcpy(at, "null", 4);
    return at + 4;
  }
  *at = '-';
  at += bits >> (kBitCount - 1);
  if (magnitude == 0) {
    std::memcpy(at, "0.0", 3);
    return at + 3;
  }
  return write_decimal(shortest<Number>(magnitude), at);
}

}  // namespace ns
