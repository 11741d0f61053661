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

// Reads an optional minus, at most 16 digits and at most one point among them, if that is all
// there is and the digits stay below 2^53: both they and the power of ten are exact doubles then,
// and one division rounds once. 17 bytes must be readable. Answers false for everything else.
inline bool parse_short(const uint8_t *text, size_t count, double *value) {
  const uint64_t is_negative = count > 0 && *text == '-';
  text += is_negative;
  count -= is_negative;
  double magnitude;
  if (count - 1 < 8) {
    uint64_t word = aligned_right(text, count);
    const uint64_t others = non_digits(word);
    if (others == 0) {
      magnitude = static_cast<double>(eight_digits(word));
    } else {
      const unsigned at = static_cast<unsigned>(__builtin_ctzll(others)) & ~7u;
      const uint64_t byte = word >> at & 0xFF;
      if (byte != '.' || (others & (others - 1)) != 0 || count == 1) return false;
      const uint64_t below = (uint64_t{1} << at) - 1;
      word = (word & ~below & ~(uint64_t{0xFF} << at)) | (word & below) << 8 | '0';
      magnitude = static_cast<double>(eight_digits(word)) / kPowers[7 - at / 8];
    }
  } else if (count - 9 < 8) {
    uint64_t upper = aligned_right(text, count - 8);
    uint64_t lower;
    std::memcpy(&lower, text + count - 8, 8);
    uint64_t others = non_digits(upper);
    unsigned fraction = 0;
    if (others != 0) {
      const unsigned at = static_cast<unsigned>(__builtin_ctzll(others)) & ~7u;
      if ((upper >> at & 0xFF) != '.' || (others & (others - 1)) != 0) return false;
      const uint64_t below = (uint64_t{1} << at) - 1;
      upper = (upper & ~below & ~(uint64_t{0xFF} << at)) | (upper & below) << 8 | '0';
      fraction = 15 - at / 8;
    }
    others = non_digits(lower);
    if (others != 0) {
      const unsigned at = static_cast<unsigned>(__builtin_ctzll(others)) & ~7u;
      if (fraction != 0 || (lower >> at & 0xFF) != '.' || (others & (others - 1)) != 0) {
        return false;
      }
      const uint64_t below = (uint64_t{1} << at) - 1;
      lower = (lower & ~below & ~(uint64_t{0xFF} << at)) | (lower & below) << 8 | upper >> 56;
      upper = upper << 8 | '0';
      fraction = 7 - at / 8;
    }
    const uint64_t digits = eight_digits(upper) * 100000000 + eight_digits(lower);
    if (digits > uint64_t{1} << 53) return false;
    magnitude = static_cast<double>(digits) / kPowers[fraction];
  } else {
    return false;
  }
  uint64_t bits;
  std::memcpy(&bits, &magnitude, 8);
  bits |= is_negative << 63;
  std::memcpy(value, &bits, 8);
  return true;
}

}  // namespace ns
