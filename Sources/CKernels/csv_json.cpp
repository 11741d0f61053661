#include "digits.h"
#include "json_escape.h"
#include "json_record.h"
#include "ns_text.h"

#include <cstring>

namespace {

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
    if (is_number(text, count)) return ns::copy_padded(to, text, count);
    if (ns_csv_is_word(nulls, text, count)) {
      std::memcpy(to, "null", 4);
      return to + 4;
    }
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
  return ns::write_record(record, fields, layout, is_object, output,
                          [=](ns_csv_field field, uint8_t *to) {
                            return write_value(window, field, layout->nulls, to);
                          });
}
