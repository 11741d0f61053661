#pragma once

// A record's fields as one JSON object or array.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ns_csv.h"

namespace ns {

// Copies at least count bytes; 16 can be read and written beyond.
inline uint8_t *copy_padded(uint8_t *to, const uint8_t *from, size_t count) {
  if (count <= 16) {
    std::memcpy(to, from, 16);
  } else {
    std::memcpy(to, from, count);
  }
  return to + count;
}

// Writes the layout's columns; write_value(field, to) appends one value and gives its end.
template <typename WriteValue>
inline size_t write_record(const ns_csv_record *record, const ns_csv_field *fields,
                           const ns_csv_layout *layout, bool is_object, uint8_t *output,
                           WriteValue write_value) {
  uint8_t *to = output;
  uint32_t key_start = 0;
  *to++ = is_object ? '{' : '[';
  for (uint32_t i = 0; i < layout->column_count; i++) {
    if (is_object) {
      const uint32_t key_end = layout->key_ends[i];
      to = copy_padded(to, layout->keys + key_start, key_end - key_start);
      key_start = key_end;
    } else if (i > 0) {
      *to++ = ',';
    }
    to = write_value(fields[record->first_field + layout->columns[i]], to);
  }
  *to++ = is_object ? '}' : ']';
  return static_cast<size_t>(to - output);
}

}  // namespace ns
