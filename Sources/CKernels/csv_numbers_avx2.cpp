// One field at a time, sixteen or 32 of its bytes at once, the last in the highest place.

#if defined(__x86_64__)

#include "csv_numbers.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)

namespace ns_csv_numbers {
namespace {

constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
// 10 to the number of places above place i; 1 for place 16, which is none.
constexpr double kDivisors[] = {1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0};

struct Steps {
  alignas(64) uint8_t bytes[64];
  constexpr Steps() : bytes() {
    for (int i = 16; i < 32; i++) bytes[i] = 0xFF;
  }
};
constexpr Steps kSteps;

inline __m128i load(const uint8_t *bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(bytes));
}

// The highest `count` of sixteen places.
inline __m128i highest(size_t count) { return load(kSteps.bytes + count); }

// The lowest `count` of sixteen places.
inline __m128i lowest(size_t count) { return load(kSteps.bytes + 32 - count); }

inline __m128i digits(__m128i text, __m128i inside) {
  return _mm_and_si128(_mm_sub_epi8(text, _mm_set1_epi8('0')), inside);
}

// One bit for each byte that is no digit.
inline uint32_t others(__m128i values) {
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
  return static_cast<uint32_t>(_mm_movemask_epi8(is_digit)) ^ 0xFFFF;
}

inline uint64_t number(__m128i digits) {
  const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));
  const __m128i quads = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
  const __m128i packed = _mm_packus_epi32(quads, quads);
  const __m128i octets = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));
  const uint64_t both = static_cast<uint64_t>(_mm_cvtsi128_si64(octets));
  return (both & 0xFFFFFFFF) * 100000000 + (both >> 32);
}

inline double with_sign(double value, bool is_negative) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  bits |= uint64_t{is_negative} << 63;
  std::memcpy(&value, &bits, 8);
  return value;
}

// Reads 1 to 16 bytes: digits with a value up to 2^53 and a point among them.
inline bool read_short(const uint8_t *stop, size_t length, bool is_negative, double *output) {
  const __m128i values = digits(load(stop - 16), highest(length));
  const uint32_t marks = others(values);
  const uint32_t place = static_cast<uint32_t>(__builtin_ctz(marks | 0x10000));
  // Place 16 is the byte after the field, which does not count. No branches: which fields have a
  // point is often anybody's guess.
  const uint32_t is_plain = marks == 0;
  const uint32_t has_point =
      static_cast<uint32_t>(stop[static_cast<int>(place) - 16] == '.') & (length > 1);
  const bool is_number = ((marks & (marks - 1)) == 0) & (is_plain | has_point);
  const __m128i through = lowest((place + 1) & (is_plain - 1));
  const uint64_t whole = number(_mm_blendv_epi8(values, _mm_slli_si128(values, 1), through));
  const double number = static_cast<double>(static_cast<int64_t>(whole));
  *output = with_sign(number / kDivisors[place], is_negative);
  return is_number && whole <= uint64_t{1} << 53;
}

// Takes e±dd off the end. Answers the exponent.
inline int64_t take_exponent(const uint8_t **stop, size_t *length) {
  const uint8_t *at = *stop - 4;
  if (*length <= 4 || (at[0] | 0x20) != 'e' || (at[1] != '-' && at[1] != '+')) return 0;
  const uint32_t tens = static_cast<uint32_t>(at[2]) - '0';
  const uint32_t ones = static_cast<uint32_t>(at[3]) - '0';
  if (tens > 9 || ones > 9) return 0;
  *stop = at;
  *length -= 4;
  const int64_t power = tens * 10 + ones;
  return at[1] == '-' ? -power : power;
}

// whole / 10^power as the nearest double, or false where that takes more to tell.
//
// With h the double nearest to whole and q that nearest to h / p, the remainder r = h - q p is a
// double (a fused multiply-add gives it), and the quotient is q + t with t = (r + whole - h) / p.
// t is known to a relative 2^-51; where q + t rounds to the same double at both ends of what t can
// be, that is the nearest.
inline bool divide(uint64_t whole, uint64_t power, double *output) {
  const double divisor = kPowers[power];
  const double high = static_cast<double>(whole);
  const double low = static_cast<double>(static_cast<int64_t>(whole - static_cast<uint64_t>(high)));
  const double quotient = high / divisor;
  const double rest = __builtin_fma(-quotient, divisor, high) + low;
  const double more = rest / divisor;
  const double doubt = more * 0x1p-50;
  const double least = quotient + (more - doubt);
  const double most = quotient + (more + doubt);
  *output = least;
  return least == most;
}

// Reads up to 32 bytes: up to 19 digits with a point among them, perhaps e±dd. All of the 36 bytes
// before `stop` must be readable.
__attribute__((noinline)) bool read_long(const uint8_t *stop, size_t length, bool is_negative,
                                         double *output) {
  const int64_t exponent = take_exponent(&stop, &length);
  if (length - 1 >= 32) return false;
  const size_t tail_length = length < 16 ? length : 16;
  const __m128i head = digits(load(stop - 32), highest(length - tail_length));
  const __m128i tail = digits(load(stop - 16), highest(tail_length));
  const uint32_t marks = others(head) | others(tail) << 16;
  const uint32_t place = marks == 0 ? 32 : static_cast<uint32_t>(__builtin_ctz(marks));
  if ((marks & (marks - 1)) != 0 ||
      (marks != 0 && (stop[static_cast<int>(place) - 32] != '.' || length == 1))) {
    return false;
  }
  const size_t moved = marks == 0 ? 0 : place + 1;
  const __m128i in_head = lowest(moved < 16 ? moved : 16);
  const __m128i in_tail = lowest(moved < 16 ? 0 : moved - 16);
  const uint64_t high = number(_mm_blendv_epi8(head, _mm_slli_si128(head, 1), in_head));
  const uint64_t low =
      number(_mm_blendv_epi8(tail, _mm_alignr_epi8(tail, head, 15), in_tail));
  const int64_t power = (marks == 0 ? 0 : 31 - static_cast<int64_t>(place)) - exponent;
  if (high > 999 || static_cast<uint64_t>(power) > 22) return false;
  if (!divide(high * 10000000000000000 + low, static_cast<uint64_t>(power), output)) return false;
  *output = with_sign(*output, is_negative);
  return true;
}

}  // namespace

uint64_t read_avx2(const Tile &tile, const Rows &rows, uint32_t column, double *output) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const bool checks_words_first = tile.nulls->has_numbers != 0;
  uint64_t failures = 0;
  for (uint32_t i = 0; i < rows.count; i++) {
    if (!(rows.readable >> i & 1)) {
      output[i] = none;
      continue;
    }
    const ns_csv_field field = tile.fields[rows.first_fields[i] + column];
    const size_t length = field.length_and_flags & NS_CSV_LENGTH_MASK;
    const size_t stop_index = field.start + length;
    const uint8_t *stop = tile.window + stop_index;
    const bool is_negative = length > 0 && stop[-static_cast<int64_t>(length)] == '-';
    const size_t magnitude = length - is_negative;
    if (__builtin_expect(stop_index >= 36 && !checks_words_first, 1)) {
      if (__builtin_expect(magnitude - 1 < 16, 1)) {
        if (__builtin_expect(read_short(stop, magnitude, is_negative, output + i), 1)) continue;
      }
      if (magnitude > 1 && read_long(stop, magnitude, is_negative, output + i)) continue;
    }
    if (!read_any(tile, field, output + i)) failures |= uint64_t{1} << i;
  }
  return failures;
}

}  // namespace ns_csv_numbers
#pragma clang attribute pop
#endif
