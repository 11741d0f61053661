// Fields as one column of texts.

#include "ns_csv.h"
#include "ns_json_lines.h"
#include "ns_text.h"

#include <cstring>

size_t ns_csv_text_room(const ns_csv_record *records, uint32_t count, const ns_csv_field *fields,
                        uint32_t column) {
  size_t room = NS_CSV_PADDING;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].error != NS_CSV_OK) continue;
    room += fields[records[i].first_field + column].length_and_flags & NS_CSV_LENGTH_MASK;
  }
  return room;
}

size_t ns_csv_texts(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                    const ns_csv_field *fields, uint32_t column, const ns_csv_words *nulls,
                    uint8_t *output, uint32_t *ends, uint64_t *missing) {
  uint8_t *to = output;
  for (uint32_t i = 0; i < count; i++) {
    const bool is_error = records[i].error != NS_CSV_OK;
    const ns_csv_field field =
        is_error ? ns_csv_field{0, 0} : fields[records[i].first_field + column];
    const uint8_t *from = window + field.start;
    const size_t length = field.length_and_flags & NS_CSV_LENGTH_MASK;
    const bool is_quoted = (field.length_and_flags & NS_CSV_QUOTED) != 0;
    if (is_error || (!is_quoted && (nulls == nullptr ? length == 0
                                                     : ns_csv_is_word(nulls, from, length)))) {
      missing[i / 64] |= uint64_t{1} << (i % 64);
    } else if (field.length_and_flags & NS_CSV_ESCAPED) {
      to += ns_csv_single_quotes(from, length, to);
    } else if (field.length_and_flags & NS_CSV_JSON_ESCAPED) {
      to += ns_json_unescape(from, length, to);
    } else {
      if (length <= 32) {
        std::memcpy(to, from, 32);  // the window and the output go on that far
      } else if (length <= 64) {
        std::memcpy(to, from, 32);
        std::memcpy(to + length - 32, from + length - 32, 32);
      } else {
        std::memcpy(to, from, length);
      }
      to += length;
    }
    ends[i] = static_cast<uint32_t>(to - output);
  }
  return static_cast<size_t>(to - output);
}
