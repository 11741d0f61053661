#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "columns.h"
#include "ns_numbers.h"
#include "ns_text.h"

// Columns as text.

namespace {

struct Span {
  const uint8_t *start;
  size_t count;
};

/// Text or binary value i of a run.
template <typename Offset>
inline Span span_at(const ns_column *column, int64_t i) {
  const Offset *offsets = static_cast<const Offset *>(column->values) + column->first + i;
  return {column->bytes + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
}

inline Span fixed_at(const ns_column *column, int64_t i) {
  const size_t width = static_cast<size_t>(column->width);
  return {static_cast<const uint8_t *>(column->values) +
              static_cast<size_t>(column->first + i) * width,
          width};
}

template <typename Value>
inline Value value_at(const ns_column *column, int64_t i) {
  return static_cast<const Value *>(column->values)[column->first + i];
}

constexpr size_t base64_length(size_t count) { return (count + 2) / 3 * 4; }

/// Copies a text; a short one as two pieces that may overlap, which no call is needed for.
inline void copy_text(uint8_t *to, const uint8_t *from, size_t count) {
  const auto ends = [&]<typename Piece>(Piece first) {
    Piece last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + count - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + count - sizeof last, &last, sizeof last);
  };
  if (count > 32) {
    std::memcpy(to, from, count);
  } else if (count >= 16) {
    ends(static_cast<unsigned __int128>(0));
  } else if (count >= 8) {
    ends(uint64_t{});
  } else if (count >= 4) {
    ends(uint32_t{});
  } else if (count >= 2) {
    ends(uint16_t{});
  } else if (count == 1) {
    *to = *from;
  }
}

/// The digits of 0 to 99, two each.
constexpr auto kPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; i++) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

char *write_unsigned(uint64_t value, char *to) {
  char digits[20];
  char *at = digits + 20;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, &kPairs[value % 100 * 2], 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(at, &kPairs[value * 2], 2);
  } else {
    *--at = static_cast<char>('0' + value);
  }
  const size_t count = static_cast<size_t>(digits + 20 - at);
  copy_text(reinterpret_cast<uint8_t *>(to), reinterpret_cast<uint8_t *>(at), count);
  return to + count;
}

char *write_signed(int64_t value, char *to) {
  if (value >= 0) return write_unsigned(static_cast<uint64_t>(value), to);
  *to++ = '-';
  return write_unsigned(0 - static_cast<uint64_t>(value), to);
}

/// Exactly `count` digits, with leading zeros.
char *write_padded(uint64_t value, int count, char *to) {
  for (int i = count - 1; i >= 0; i--) {
    to[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return to + count;
}

/// Year, month and day of a day since 1970-01-01 in the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
char *write_date(int64_t day, char *to) {
  const int64_t shifted = day + 719'468;
  const int64_t era = ns::floor_division(shifted, 146'097);
  const int64_t of_era = shifted - era * 146'097;
  const int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * of_year + 2) / 153;
  const int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2);
  if (year >= 0 && year <= 9999) {
    to = write_padded(static_cast<uint64_t>(year), 4, to);
  } else {
    // ISO 8601's expanded form: a sign and at least six digits.
    const uint64_t magnitude = static_cast<uint64_t>(std::llabs(year));
    *to++ = year < 0 ? '-' : '+';
    to = magnitude < 1'000'000 ? write_padded(magnitude, 6, to) : write_unsigned(magnitude, to);
  }
  *to++ = '-';
  to = write_padded(static_cast<uint64_t>(month), 2, to);
  *to++ = '-';
  return write_padded(static_cast<uint64_t>(of_year - (153 * march_month + 2) / 5 + 1), 2, to);
}

constexpr int64_t kUnits[] = {1, 1000, 1'000'000, 1'000'000'000};

/// Hours to seconds, and as many digits behind the point as the fraction has.
char *write_clock(int64_t units, int digits, char *to) {
  const int64_t per_second = kUnits[digits / 3];
  const int64_t second = ns::floor_division(units, per_second);
  int64_t fraction = units - second * per_second;
  to = write_padded(static_cast<uint64_t>(second / 3600), 2, to);
  *to++ = ':';
  to = write_padded(static_cast<uint64_t>(second / 60 % 60), 2, to);
  *to++ = ':';
  to = write_padded(static_cast<uint64_t>(second % 60), 2, to);
  if (fraction == 0) return to;
  while (fraction % 10 == 0) {
    fraction /= 10;
    digits--;
  }
  *to++ = '.';
  return write_padded(static_cast<uint64_t>(fraction), digits, to);
}

char *write_timestamp(int64_t units, int digits, bool has_zone, char *to) {
  const int64_t per_day = 86'400 * kUnits[digits / 3];
  const int64_t day = ns::floor_division(units, per_day);
  to = write_date(day, to);
  *to++ = 'T';
  to = write_clock(units - day * per_day, digits, to);
  if (has_zone) *to++ = 'Z';
  return to;
}

/// A time of day; what is none is shown as a number of units.
char *write_time(int64_t units, int digits, char *to) {
  const bool is_one = units >= 0 && units < 86'400 * kUnits[digits / 3];
  return is_one ? write_clock(units, digits, to) : write_signed(units, to);
}

char *write_base64(Span span, char *to) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < span.count; i += 3) {
    const size_t left = span.count - i;
    const uint32_t word = static_cast<uint32_t>(span.start[i]) << 16 |
                          (left > 1 ? static_cast<uint32_t>(span.start[i + 1]) << 8 : 0) |
                          (left > 2 ? static_cast<uint32_t>(span.start[i + 2]) : 0);
    *to++ = digits[word >> 18];
    *to++ = digits[word >> 12 & 63];
    *to++ = left > 1 ? digits[word >> 6 & 63] : '=';
    *to++ = left > 2 ? digits[word & 63] : '=';
  }
  return to;
}

char *write_boolean(const ns_column *column, int64_t i, char *to) {
  const int64_t at = column->first + i;
  const bool value = static_cast<const uint8_t *>(column->values)[at / 8] >> (at % 8) & 1;
  std::memcpy(to, value ? "true" : "false", 5);
  return to + (value ? 4 : 5);
}

char *write_float(float value, char *to) {
  return std::isfinite(value) ? to + ns_format_float(value, to) : to;
}

char *write_double(double value, char *to) {
  return std::isfinite(value) ? to + ns_format_double(value, to) : to;
}

/// Renders a run by a function that writes value i and returns the end of what it wrote.
template <typename Write>
uint32_t render(const ns_column *column, uint32_t count, uint8_t *window, uint32_t position,
                ns_csv_field *fields, size_t stride, uint32_t flags, Write write) {
  for (uint32_t i = 0; i < count; i++, fields += stride) {
    *fields = {position, 0};
    if (!ns::is_valid(column, i)) continue;
    char *begin = reinterpret_cast<char *>(window + position);
    const uint32_t length = static_cast<uint32_t>(write(i, begin) - begin);
    fields->length_and_flags = length | flags;
    position += length;
  }
  return position;
}

template <typename Offset>
uint32_t render_text(const ns_column *column, uint32_t count, uint8_t *window, uint32_t position,
                     ns_csv_field *fields, size_t stride) {
  if (column->validity == nullptr && count > 0) {
    // Text that is all there lies in one piece.
    const Offset *offsets = static_cast<const Offset *>(column->values) + column->first;
    const size_t byte_count = static_cast<size_t>(offsets[count] - offsets[0]);
    if (byte_count > 0) std::memcpy(window + position, column->bytes + offsets[0], byte_count);
    for (uint32_t i = 0; i < count; i++, fields += stride) {
      const uint32_t length = static_cast<uint32_t>(offsets[i + 1] - offsets[i]);
      *fields = {position, length | NS_CSV_QUOTED};
      position += length;
    }
    return position;
  }
  return render(column, count, window, position, fields, stride, NS_CSV_QUOTED,
                [&](uint32_t i, char *to) {
                  const Span span = span_at<Offset>(column, i);
                  copy_text(reinterpret_cast<uint8_t *>(to), span.start, span.count);
                  return to + span.count;
                });
}

/// Most bytes of a value of a kind that is neither text nor binary.
size_t length_limit(int kind) {
  switch (kind) {
    case ns_column_boolean: return 8;
    case ns_column_float16:
    case ns_column_float32:
    case ns_column_float64: return NS_DOUBLE_TEXT_LIMIT;
    case ns_column_decimal: return 160;
    case ns_column_timestamp: return 48;
    default: return 24;
  }
}

/// Calls `body(i, length)` with the most bytes each value takes as text.
template <typename Body>
void for_each_length(const ns_column *column, uint32_t count, Body body) {
  for (uint32_t i = 0; i < count; i++) {
    if (!ns::is_valid(column, i)) continue;
    switch (column->kind) {
      case ns_column_null: break;
      case ns_column_text: body(i, span_at<int32_t>(column, i).count); break;
      case ns_column_large_text: body(i, span_at<int64_t>(column, i).count); break;
      case ns_column_binary: body(i, base64_length(span_at<int32_t>(column, i).count)); break;
      case ns_column_large_binary:
        body(i, base64_length(span_at<int64_t>(column, i).count));
        break;
      case ns_column_fixed_binary: body(i, base64_length(fixed_at(column, i).count)); break;
      default: body(i, length_limit(column->kind));
    }
  }
}

template <typename Offset>
bool has_bounds(const ns_column *column, uint32_t count, uint64_t byte_count) {
  const Offset *offsets = static_cast<const Offset *>(column->values) + column->first;
  bool is_bad = offsets[0] < 0;
  for (uint32_t i = 0; i < count; i++) is_bad |= offsets[i + 1] < offsets[i];
  return !is_bad && static_cast<uint64_t>(offsets[count]) <= byte_count;
}

template <typename Offset>
bool is_utf8(const ns_column *column, uint32_t count) {
  if (column->validity == nullptr && count > 0) {
    // One pass over all of it; then no value may begin inside a character.
    const Offset *offsets = static_cast<const Offset *>(column->values) + column->first;
    const Offset end = offsets[count];
    if (!ns_is_utf8(column->bytes + offsets[0], static_cast<size_t>(end - offsets[0]))) {
      return false;
    }
    for (uint32_t i = 1; i < count; i++) {
      if (offsets[i] < end && (column->bytes[offsets[i]] & 0xC0) == 0x80) return false;
    }
    return true;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!ns::is_valid(column, i)) continue;
    const Span span = span_at<Offset>(column, i);
    if (!ns_is_utf8(span.start, span.count)) return false;
  }
  return true;
}

}  // namespace

void ns_column_add_lengths(const ns_column *column, uint32_t count, uint32_t *lengths) {
  for_each_length(column, count, [&](uint32_t i, size_t length) {
    const uint64_t sum = lengths[i] + static_cast<uint64_t>(length);
    lengths[i] = sum < UINT32_MAX ? static_cast<uint32_t>(sum) : UINT32_MAX;
  });
}

uint64_t ns_column_length(const ns_column *column, uint32_t count) {
  uint64_t sum = 0;
  if (column->validity == nullptr && count > 0) {
    const auto difference = [&]<typename Offset>(Offset) {
      const Offset *offsets = static_cast<const Offset *>(column->values) + column->first;
      return static_cast<uint64_t>(offsets[count] - offsets[0]);
    };
    switch (column->kind) {
      case ns_column_text: return difference(int32_t{});
      case ns_column_large_text: return difference(int64_t{});
      case ns_column_null:
      case ns_column_binary:
      case ns_column_large_binary:
      case ns_column_fixed_binary: break;
      default: return uint64_t{count} * length_limit(column->kind);
    }
  }
  for_each_length(column, count, [&](uint32_t, size_t length) { sum += length; });
  return sum;
}

uint64_t ns_column_gather_length(const int32_t *codes, uint32_t count,
                                 const ns_csv_field *dictionary) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (codes[i] >= 0) sum += dictionary[codes[i]].length_and_flags & NS_CSV_LENGTH_MASK;
  }
  return sum;
}

void ns_column_gather_add_lengths(const int32_t *codes, uint32_t count,
                                  const ns_csv_field *dictionary, uint32_t *lengths) {
  for (uint32_t i = 0; i < count; i++) {
    if (codes[i] < 0) continue;
    const uint64_t sum = static_cast<uint64_t>(lengths[i]) +
                         (dictionary[codes[i]].length_and_flags & NS_CSV_LENGTH_MASK);
    lengths[i] = sum < UINT32_MAX ? static_cast<uint32_t>(sum) : UINT32_MAX;
  }
}

uint32_t ns_column_gather(const int32_t *codes, uint32_t count, const ns_csv_field *dictionary,
                          const uint8_t *texts, uint8_t *window, uint32_t position,
                          ns_csv_field *fields, size_t field_stride) {
  for (uint32_t i = 0; i < count; i++, fields += field_stride) {
    *fields = {position, 0};
    if (codes[i] < 0) continue;
    const ns_csv_field field = dictionary[codes[i]];
    const uint32_t length = field.length_and_flags & NS_CSV_LENGTH_MASK;
    if (length <= 32) {
      // Both have padding behind them.
      std::memcpy(window + position, texts + field.start, 32);
    } else {
      std::memcpy(window + position, texts + field.start, length);
    }
    fields->length_and_flags = field.length_and_flags;
    position += length;
  }
  return position;
}

void ns_column_hash_fields(const ns_csv_field *fields, size_t field_stride, uint32_t count,
                           const uint8_t *window, uint64_t *hashes) {
  // The multiplier of splitmix64 and the golden ratio; each word is multiplied in and folded.
  constexpr uint64_t kMultiplier = 0xBF58476D1CE4E5B9;
  for (uint32_t i = 0; i < count; i++, fields += field_stride) {
    const uint8_t *at = window + fields->start;
    size_t left = fields->length_and_flags & NS_CSV_LENGTH_MASK;
    uint64_t hash = (fields->length_and_flags + 0x9E3779B97F4A7C15) * kMultiplier;
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      hash = (hash ^ hash >> 32 ^ word) * kMultiplier;
    }
    if (left > 0) {
      uint64_t word;
      std::memcpy(&word, at, 8);  // the window goes on that far
      hash = (hash ^ hash >> 32 ^ (word & ((uint64_t{1} << 8 * left) - 1))) * kMultiplier;
    }
    hashes[i] = hash ^ hash >> 29;
  }
}

int ns_column_is_utf8(const ns_column *column, uint32_t count) {
  if (column->kind == ns_column_text) return is_utf8<int32_t>(column, count);
  if (column->kind == ns_column_large_text) return is_utf8<int64_t>(column, count);
  return 1;
}

int ns_column_has_bounds(const ns_column *column, uint32_t count, uint64_t byte_count) {
  switch (column->kind) {
    case ns_column_text:
    case ns_column_binary: return has_bounds<int32_t>(column, count, byte_count);
    case ns_column_large_text:
    case ns_column_large_binary: return has_bounds<int64_t>(column, count, byte_count);
    default: return 1;
  }
}

// Moments and bytes, which are text in the formats that have none.
static uint32_t render_as_text(const ns_column *column, uint32_t count, uint8_t *window,
                               uint32_t position, ns_csv_field *fields, size_t field_stride) {
  const int digits = column->unit_digits;
  const auto with = [&](uint32_t flags, auto write) {
    return render(column, count, window, position, fields, field_stride, flags, write);
  };
  switch (column->kind) {
    case ns_column_date32:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_date(value_at<int32_t>(column, i), to);
      });
    case ns_column_date64:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_date(ns::floor_division(value_at<int64_t>(column, i), 86'400'000), to);
      });
    case ns_column_timestamp:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_timestamp(value_at<int64_t>(column, i), digits, column->has_zone != 0, to);
      });
    case ns_column_time32:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_time(value_at<int32_t>(column, i), digits, to);
      });
    case ns_column_time64:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_time(value_at<int64_t>(column, i), digits, to);
      });
    case ns_column_binary:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_base64(span_at<int32_t>(column, i), to);
      });
    case ns_column_large_binary:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_base64(span_at<int64_t>(column, i), to);
      });
    case ns_column_fixed_binary:
      return with(NS_CSV_QUOTED, [&](uint32_t i, char *to) {
        return write_base64(fixed_at(column, i), to);
      });
    default:
      for (uint32_t i = 0; i < count; i++) fields[i * field_stride] = {position, 0};
      return position;
  }
}

uint32_t ns_column_render(const ns_column *column, uint32_t count, uint8_t *window,
                          uint32_t position, ns_csv_field *fields, size_t field_stride) {
  const auto with = [&](uint32_t flags, auto write) {
    return render(column, count, window, position, fields, field_stride, flags, write);
  };
  const auto integers = [&]<typename Value>(Value) {
    return with(0, [&](uint32_t i, char *to) {
      return write_signed(value_at<Value>(column, i), to);
    });
  };
  switch (column->kind) {
    case ns_column_text:
      return render_text<int32_t>(column, count, window, position, fields, field_stride);
    case ns_column_large_text:
      return render_text<int64_t>(column, count, window, position, fields, field_stride);
    case ns_column_boolean:
      return with(0, [&](uint32_t i, char *to) { return write_boolean(column, i, to); });
    case ns_column_int8: return integers(int8_t{});
    case ns_column_int16: return integers(int16_t{});
    case ns_column_int32: return integers(int32_t{});
    case ns_column_int64: return integers(int64_t{});
    case ns_column_uint8: return integers(uint8_t{});
    case ns_column_uint16: return integers(uint16_t{});
    case ns_column_uint32: return integers(uint32_t{});
    case ns_column_uint64:
      return with(0, [&](uint32_t i, char *to) {
        return write_unsigned(value_at<uint64_t>(column, i), to);
      });
    case ns_column_float16:
      return with(0, [&](uint32_t i, char *to) {
        return write_float(ns::half_to_float(value_at<uint16_t>(column, i)), to);
      });
    case ns_column_float32:
      return with(
        0, [&](uint32_t i, char *to) { return write_float(value_at<float>(column, i), to); });
    case ns_column_float64:
      return with(
        0, [&](uint32_t i, char *to) { return write_double(value_at<double>(column, i), to); });
    case ns_column_decimal:
      return with(0, [&](uint32_t i, char *to) {
        return to + ns::decimal_to_text(column, column->first + i, to);
      });
    default: return render_as_text(column, count, window, position, fields, field_stride);
  }
}
