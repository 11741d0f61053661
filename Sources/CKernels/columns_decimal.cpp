#include <cstring>

#include "columns.h"
#include "ns_numbers.h"

// Decimals of 32 to 256 bits as doubles and as text.

namespace ns {

namespace {

/// Sign and magnitude of a decimal, the lowest 32 bits first.
struct Magnitude {
  uint32_t limbs[8] = {};
  bool is_negative = false;
};

Magnitude magnitude_of(const ns_column *column, int64_t index) {
  const size_t width = static_cast<size_t>(column->width);
  const uint8_t *bytes = static_cast<const uint8_t *>(column->values) + index * column->width;
  Magnitude result;
  result.is_negative = (bytes[width - 1] & 0x80) != 0;
  std::memcpy(result.limbs, bytes, width);
  if (!result.is_negative) return result;
  uint64_t carry = 1;
  for (size_t i = 0; i < width / 4; i++) {
    const uint64_t sum = static_cast<uint64_t>(~result.limbs[i]) + carry;
    result.limbs[i] = static_cast<uint32_t>(sum);
    carry = sum >> 32;
  }
  return result;
}

bool is_small(const Magnitude &magnitude) {
  uint32_t rest = magnitude.limbs[1] >> 21;
  for (int i = 2; i < 8; i++) rest |= magnitude.limbs[i];
  return rest == 0;
}

/// Divides by 10^9 in place and returns the remainder.
uint32_t take_nine_digits(Magnitude &magnitude, int &limb_count) {
  uint64_t rest = 0;
  for (int i = limb_count - 1; i >= 0; i--) {
    const uint64_t part = rest << 32 | magnitude.limbs[i];
    magnitude.limbs[i] = static_cast<uint32_t>(part / 1'000'000'000);
    rest = part % 1'000'000'000;
  }
  while (limb_count > 0 && magnitude.limbs[limb_count - 1] == 0) limb_count--;
  return static_cast<uint32_t>(rest);
}

/// Writes the digits of a magnitude, at least one; at most 81.
int write_digits(Magnitude magnitude, char *output) {
  char reversed[81];
  int count = 0;
  int limb_count = 8;
  while (limb_count > 0 && magnitude.limbs[limb_count - 1] == 0) limb_count--;
  do {
    uint32_t nine = take_nine_digits(magnitude, limb_count);
    for (int i = 0; i < 9 && (limb_count > 0 || nine > 0 || count == 0); i++) {
      reversed[count++] = static_cast<char>('0' + nine % 10);
      nine /= 10;
    }
  } while (limb_count > 0);
  for (int i = 0; i < count; i++) output[i] = reversed[count - 1 - i];
  return count;
}

}  // namespace

double decimal_to_double(const ns_column *column, int64_t index) {
  const Magnitude magnitude = magnitude_of(column, index);
  if (is_small(magnitude) && column->scale >= 0 && column->scale <= 22) {
    // Both are exact, so the division rounds once.
    const uint64_t low = static_cast<uint64_t>(magnitude.limbs[1]) << 32 | magnitude.limbs[0];
    const double value = static_cast<double>(low) / power_of_ten(column->scale);
    return magnitude.is_negative ? -value : value;
  }
  char text[96];
  size_t count = 0;
  if (magnitude.is_negative) text[count++] = '-';
  count += static_cast<size_t>(write_digits(magnitude, text + count));
  text[count++] = 'e';
  int exponent = -column->scale;
  if (exponent < 0) {
    text[count++] = '-';
    exponent = -exponent;
  }
  if (exponent >= 10) text[count++] = static_cast<char>('0' + exponent / 10);
  text[count++] = static_cast<char>('0' + exponent % 10);
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(text);
  double value = 0;
  ns_parse_double(begin, begin + count, &value);
  return value;
}

size_t decimal_to_text(const ns_column *column, int64_t index, char *output) {
  const Magnitude magnitude = magnitude_of(column, index);
  char digits[81];
  const int count = write_digits(magnitude, digits);
  char *to = output;
  if (magnitude.is_negative) *to++ = '-';
  if (column->scale <= 0) {
    std::memcpy(to, digits, static_cast<size_t>(count));
    to += count;
    for (int i = column->scale; i < 0 && digits[0] != '0'; i++) *to++ = '0';
    return static_cast<size_t>(to - output);
  }
  int at = 0;
  for (; at < count - column->scale; at++) *to++ = digits[at];
  if (at == 0) *to++ = '0';
  *to++ = '.';
  for (int i = count; i < column->scale; i++) *to++ = '0';
  for (; at < count; at++) *to++ = digits[at];
  return static_cast<size_t>(to - output);
}

}  // namespace ns
