#include "digits.h"
#include "json_escape.h"
#include "ns_csv.h"
#include "ns_text.h"

#include <cstring>

namespace {

// Copies at least count bytes; 16 can be read and written beyond.
inline uint8_t *copy(uint8_t *to, const uint8_t *from, size_t count) {
  if (count <= 16) {
    std::memcpy(to, from, 16);
  } else {
    std::memcpy(to, from, count);
  }
  return to + count;
}

inline bool is_number(const uint8_t *text, size_t count) {
  const bool is_short_whole =
      count - 1 < 8 && ns::non_digits(ns::aligned_right(text, count)) == 0 &&
      (*text != '0' || count == 1);
  return is_short_whole || ns_is_json_number(text, count);
}

inline uint8_t *write_value(const uint8_t *window, ns_csv_field field, const ns_csv_words *nulls,
                            uint8_t *to) {
  const uint8_t *text = window + field.start;
  const size_t count = field.length_and_flags & NS_CSV_LENGTH_MASK;
  if (!(field.length_and_flags & NS_CSV_QUOTED)) {
    if (is_number(text, count)) return copy(to, text, count);
    if (ns_csv_is_word(nulls, text, count)) return copy(to, (const uint8_t *)"null            ", 4);
  }
  *to++ = '"';
  to = ns::escape<true>(text, count, field.length_and_flags & NS_CSV_ESCAPED, to);
  *to++ = '"';
  return to;
}

}  // namespace

size_t ns_csv_write_json(const uint8_t *window, const ns_csv_record *record,
                         const ns_csv_field *fields, const ns_csv_layout *layout, int is_object,
                         uint8_t *output) {
  uint8_t *to = output;
  uint32_t key_start = 0;
  *to++ = is_object ? '{' : '[';
  for (uint32_t i = 0; i < layout->column_count; i++) {
    if (is_object) {
      const uint32_t key_end = layout->key_ends[i];
      to = copy(to, layout->keys + key_start, key_end - key_start);
      key_start = key_end;
    } else if (i > 0) {
      *to++ = ',';
    }
    const ns_csv_field field = fields[record->first_field + layout->columns[i]];
    to = write_value(window, field, layout->nulls, to);
  }
  *to++ = is_object ? '}' : ']';
  return static_cast<size_t>(to - output);
}
