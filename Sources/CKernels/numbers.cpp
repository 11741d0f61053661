#include "ns_numbers.h"

#include "shortest.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

namespace {

// Powers of ten that a double holds exactly.
constexpr double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

inline bool equals_ignoring_case(const uint8_t *text, const char *word, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if ((text[i] | 0x20) != static_cast<uint8_t>(word[i])) return false;
  }
  return true;
}

bool parse_word(const uint8_t *begin, const uint8_t *end, double *value) {
  const size_t count = static_cast<size_t>(end - begin);
  if (count == 3 && equals_ignoring_case(begin, "nan", 3)) {
    *value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if ((count == 3 && equals_ignoring_case(begin, "inf", 3)) ||
      (count == 8 && equals_ignoring_case(begin, "infinity", 8))) {
    *value = std::numeric_limits<double>::infinity();
    return true;
  }
  return false;
}

// What a well-formed decimal without sign becomes when it is out of a double's range: the power
// of ten of its first digit that is not zero says on which side.
double out_of_range(const uint8_t *begin, const uint8_t *end) {
  int64_t power = 0;
  bool seen_point = false, seen_digit = false;
  const uint8_t *at = begin;
  for (; at < end && (is_digit(*at) || *at == '.'); at++) {
    if (*at == '.') {
      seen_point = true;
      continue;
    }
    if (seen_digit || *at != '0') {
      seen_digit = true;
      if (!seen_point) power++;
    } else if (seen_point) {
      power--;
    }
  }
  if (at < end) {  // 'e' or 'E'
    at++;
    const bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    int64_t exponent = 0;
    for (; at < end; at++) {
      if (exponent < (int64_t{1} << 40)) exponent = exponent * 10 + (*at - '0');
    }
    power += is_negative ? -exponent : exponent;
  }
  return power > 0 ? std::numeric_limits<double>::infinity() : 0.0;
}

// Every other well-formed decimal. `begin` is past the sign.
bool parse_slowly(const uint8_t *begin, const uint8_t *end, double *value) {
  if (begin == end || !(is_digit(*begin) || *begin == '.')) return parse_word(begin, end, value);
  const char *last = reinterpret_cast<const char *>(end);
  const auto result = std::from_chars(reinterpret_cast<const char *>(begin), last, *value,
                                      std::chars_format::general);
  if (result.ptr != last) return false;
  if (result.ec == std::errc::result_out_of_range) {
    *value = out_of_range(begin, end);
    return true;
  }
  return result.ec == std::errc();
}

inline bool parse_magnitude(const uint8_t *begin, const uint8_t *end, double *value) {
  // Clinger's fast path: digits below 2^53 and a power of ten up to 22 are exact doubles, so one
  // multiplication or division rounds once and correctly ("How to read floating point numbers
  // accurately", PLDI 1990).
  uint64_t digits = 0;
  const uint8_t *at = begin;
  while (at < end && is_digit(*at)) digits = digits * 10 + (*at++ - '0');
  int64_t digit_count = at - begin;
  int64_t exponent = 0;
  if (at < end && *at == '.') {
    const uint8_t *fraction = ++at;
    while (at < end && is_digit(*at)) digits = digits * 10 + (*at++ - '0');
    exponent = fraction - at;
    digit_count -= exponent;
  }
  if (digit_count == 0 || digit_count > 19) return parse_slowly(begin, end, value);
  if (at < end) {
    if ((*at | 0x20) != 'e') return false;
    at++;
    const bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    const uint8_t *first = at;
    int64_t written = 0;
    while (at < end && is_digit(*at) && at - first < 6) written = written * 10 + (*at++ - '0');
    if (at == first || at < end) return parse_slowly(begin, end, value);
    exponent += is_negative ? -written : written;
  }
  if (digits > (uint64_t{1} << 53) || exponent < -22 || exponent > 22) {
    return parse_slowly(begin, end, value);
  }
  const double whole = static_cast<double>(digits);
  *value = exponent < 0 ? whole / exact_powers[-exponent] : whole * exact_powers[exponent];
  return true;
}

}  // namespace

int ns_parse_double(const uint8_t *begin, const uint8_t *end, double *value) {
  while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
  while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
  if (begin == end) return 0;
  const bool is_negative = *begin == '-';
  if (is_negative || *begin == '+') begin++;
  double magnitude;
  if (!parse_magnitude(begin, end, &magnitude)) return 0;
  *value = is_negative ? -magnitude : magnitude;
  return 1;
}

size_t ns_format_double(double value, char *output) {
  return static_cast<size_t>(ns::write_number(value, output) - output);
}

size_t ns_format_float(float value, char *output) {
  return static_cast<size_t>(ns::write_number(value, output) - output);
}

size_t ns_write_sixteen_digits(int portable, uint64_t high, uint64_t low, char *output) {
  const auto put = [output](const auto &digits) {
    digits.write(output);
    return static_cast<size_t>(digits.count());
  };
  return portable ? put(ns::PortableSixteenDigits(high, low)) : put(ns::SixteenDigits(high, low));
}
