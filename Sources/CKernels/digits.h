#pragma once

// Short decimal fields, eight or sixteen bytes at a time and without a branch on their length.

#include <cstdint>
#include <cstring>

namespace ns {

constexpr uint64_t kZeros = 0x3030303030303030;
constexpr uint64_t kHighBits = 0x8080808080808080;

// The high bit of every byte of `text` that is not a decimal digit.
inline uint64_t non_digits(uint64_t text) {
  const uint64_t values = text ^ kZeros;
  // Bit 7 of each byte's sum says "10 or more"; a carry cannot leave a byte whose bit 7 is masked.
  return (((values & ~kHighBits) + 0x7676767676767676) | values) & kHighBits;
}

// The number that eight digits stand for, the first in the lowest byte.
// Source: Johnny Lee and Daniel Lemire, "Quickly parsing eight digits" (2018).
inline uint64_t eight_digits(uint64_t text) {
  text -= kZeros;
  text = text * 10 + (text >> 8);
  return (((text & 0x000000FF000000FF) * 0x000F424000000064) +
          (((text >> 16) & 0x000000FF000000FF) * 0x0000271000000001)) >>
         32;
}

// A text of 1 to 8 bytes, right-aligned behind zero digits; 8 bytes must be readable.
inline uint64_t aligned_right(const uint8_t *text, size_t count) {
  uint64_t word;
  std::memcpy(&word, text, 8);
  const unsigned shift = static_cast<unsigned>(64 - 8 * count);
  // Two steps, because a shift by 64 is undefined.
  return word << shift | (kZeros >> 1) >> (8 * count - 1);
}

constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// The place of the one point among right-aligned digits, in bits from the lowest; 64 where there
// is anything else. `others` is non_digits(text) and not 0.
inline unsigned point_place(uint64_t text, uint64_t others) {
  const unsigned at = static_cast<unsigned>(__builtin_ctzll(others)) & ~7u;
  return (text >> at & 0xFF) == '.' && (others & (others - 1)) == 0 ? at : 64;
}

// Takes the byte at `at` bits out; what is below moves up, and `first` comes in.
inline uint64_t without_point(uint64_t text, unsigned at, uint64_t first) {
  const uint64_t below = (uint64_t{1} << at) - 1;
  return (text & ~below & ~(uint64_t{0xFF} << at)) | (text & below) << 8 | first;
}

// Reads at most 8 digits with at most one point among them, if that is all there is. 8 bytes must
// be readable. Digits and power of ten are exact doubles, so one division rounds once.
__attribute__((always_inline)) inline bool parse_eight(const uint8_t *text, size_t count,
                                                       double *value) {
  if (count - 1 >= 8) return false;
  const uint64_t word = aligned_right(text, count);
  const uint64_t others = non_digits(word);
  if (__builtin_expect(others == 0, 1)) {
    *value = static_cast<double>(eight_digits(word));
    return true;
  }
  const unsigned at = point_place(word, others);
  if (at == 64 || count == 1) return false;
  *value = static_cast<double>(eight_digits(without_point(word, at, '0'))) / kPowers[7 - at / 8];
  return true;
}

// The same for 9 to 16 bytes whose digits stay below 2^53.
inline bool parse_sixteen(const uint8_t *text, size_t count, double *value) {
  if (count - 9 >= 8) return false;
  uint64_t upper = aligned_right(text, count - 8);
  uint64_t lower;
  std::memcpy(&lower, text + count - 8, 8);
  const uint64_t upper_others = non_digits(upper);
  const uint64_t lower_others = non_digits(lower);
  unsigned fraction = 0;
  if (upper_others != 0) {
    const unsigned at = point_place(upper, upper_others);
    if (at == 64 || lower_others != 0) return false;
    upper = without_point(upper, at, '0');
    fraction = 15 - at / 8;
  } else if (lower_others != 0) {
    const unsigned at = point_place(lower, lower_others);
    if (at == 64) return false;
    lower = without_point(lower, at, upper >> 56);
    upper = upper << 8 | '0';
    fraction = 7 - at / 8;
  }
  const uint64_t digits = eight_digits(upper) * 100000000 + eight_digits(lower);
  if (digits > uint64_t{1} << 53) return false;
  *value = static_cast<double>(digits) / kPowers[fraction];
  return true;
}

}  // namespace ns
