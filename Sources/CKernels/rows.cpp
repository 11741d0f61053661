#include "ns_rows.h"

#include "ns_json_lines.h"
#include "ns_text.h"
#include "json_record.h"
#include "shortest.h"

#include <cstring>

namespace {

// The high bit of each byte that is `value`.
inline uint64_t equal(uint64_t bytes, uint8_t value) {
  const uint64_t other = bytes ^ uint64_t{value} * 0x0101010101010101;
  const uint64_t low = 0x7F7F7F7F7F7F7F7F;
  return ~(((other & low) + low) | other | low);
}

// Eight bytes can be read wherever text is left.
inline bool needs_quotes(const uint8_t *text, size_t count, uint8_t delimiter) {
  for (size_t at = 0; at < count; at += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, text + at, 8);
    const uint64_t marks =
        equal(bytes, delimiter) | equal(bytes, '"') | equal(bytes, '\n') | equal(bytes, '\r');
    const size_t left = count - at;
    if (marks << (left < 8 ? 64 - 8 * left : 0) != 0) return true;
  }
  return false;
}

uint8_t *write_fields(const uint8_t *window, const ns_csv_field *fields,
                      const ns_row_layout &layout, uint8_t *to) {
  const ns_csv_layout &chosen = *layout.fields;
  for (uint32_t i = 0; i < chosen.column_count; i++) {
    if (i > 0) *to++ = layout.delimiter;
    const ns_csv_field field = fields[chosen.columns[i]];
    const uint8_t *text = window + field.start;
    const size_t count = field.length_and_flags & NS_CSV_LENGTH_MASK;
    const bool is_quoted = (field.length_and_flags & NS_CSV_QUOTED) != 0;
    // A null word in quotes is text; a lone empty field without quotes would be a blank line.
    const bool must_quote = (is_quoted && ns_csv_is_word(chosen.nulls, text, count)) ||
                            (chosen.column_count == 1 && count == 0);
    if (!must_quote && !needs_quotes(text, count, layout.delimiter)) {
      to = ns::copy_padded(to, text, count);
      continue;
    }
    *to++ = '"';
    // Quotes of text that does not come from CSV stand once.
    if (field.length_and_flags & NS_CSV_ESCAPED) {
      to = ns::copy_padded(to, text, count);
    } else {
      to += ns_csv_double_quotes(text, count, to);
    }
    *to++ = '"';
  }
  return to;
}

uint8_t *write_integer(double value, uint8_t *to) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (!(value >= -kLimit && value < kLimit) ||
      static_cast<double>(static_cast<int64_t>(value)) != value) {
    std::memcpy(to, "null", 4);
    return to + 4;
  }
  const int64_t whole = static_cast<int64_t>(value);
  uint64_t rest = whole < 0 ? 0 - static_cast<uint64_t>(whole) : static_cast<uint64_t>(whole);
  if (whole < 0) *to++ = '-';
  uint8_t digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = static_cast<uint8_t>('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  std::memcpy(to, digits + first, sizeof digits - first);
  return to + (sizeof digits - first);
}

inline uint8_t *write_number(double value, uint8_t kind, uint8_t *to) {
  if (kind == ns_row_integer) return write_integer(value, to);
  char *text = reinterpret_cast<char *>(to);
  char *end = kind == ns_row_float32 ? ns::write_number(static_cast<float>(value), text)
                                     : ns::write_number(value, text);
  return reinterpret_cast<uint8_t *>(end);
}

}  // namespace

size_t ns_write_rows(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                     const ns_csv_field *fields, int is_json, const ns_row_layout *layout,
                     const double *predictions, const double *explanations, uint8_t *output) {
  static const char kInstance[] = "{\"instance\":     ";
  const auto write_json = is_json ? ns_json_write : ns_csv_write_json;
  const bool is_object = layout->form != ns_row_json_array;
  uint8_t *to = output;
  for (uint32_t i = 0; i < count; i++) {
    if (layout->form == ns_row_csv) {
      to = write_fields(window, fields + records[i].first_field, *layout, to);
    } else {
      const bool is_key = layout->form == ns_row_json_key;
      if (!is_key) to = ns::copy_padded(to, reinterpret_cast<const uint8_t *>(kInstance), 12);
      to += write_json(window, records + i, fields, layout->fields, is_object, to);
      to -= is_key;
    }
    uint32_t start = 0;
    for (uint32_t n = 0; n < layout->number_count; n++) {
      const uint32_t end = layout->piece_ends[n];
      to = ns::copy_padded(to, layout->pieces + start, end - start);
      start = end;
      const uint32_t place = layout->places[n];
      const double *numbers = place & NS_ROW_EXPLAINS ? explanations : predictions;
      to = write_number(numbers[place & ~NS_ROW_EXPLAINS], layout->kinds[n], to);
    }
    to = ns::copy_padded(to, layout->pieces + start, layout->piece_ends[layout->number_count] - start);
    predictions += layout->prediction_width;
    explanations += layout->explanation_width;
  }
  return static_cast<size_t>(to - output);
}

void ns_mark_not_finite(const double *numbers, size_t row_count, size_t width, uint64_t *records) {
  constexpr uint64_t kExponent = 0x7FF0000000000000;
  uint64_t sum = 0;
  for (size_t i = 0; i < row_count * width; i++) {
    uint64_t bits;
    std::memcpy(&bits, numbers + i, 8);
    // Carries into the highest bit where all bits of the exponent are set.
    sum |= (bits & kExponent) + 0x0010000000000000;
  }
  if (sum >> 63 == 0) return;
  for (size_t row = 0; row < row_count; row++) {
    for (size_t i = 0; i < width; i++) {
      uint64_t bits;
      std::memcpy(&bits, numbers + row * width + i, 8);
      if ((bits & kExponent) == kExponent) records[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
}

void ns_csv_mark_errors(const ns_csv_record *records, uint32_t count, uint64_t *marks) {
  uint32_t all = NS_CSV_OK;
  for (uint32_t i = 0; i < count; i++) all |= records[i].error;
  if (all == NS_CSV_OK) return;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].error != NS_CSV_OK) marks[i / 64] |= uint64_t{1} << (i % 64);
  }
}
