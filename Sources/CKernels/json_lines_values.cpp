#include "ns_json_lines.h"

#include <cstring>
#include <limits>

#include "json_record.h"

namespace {

inline uint32_t hex_value(uint8_t byte) {
  return byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

inline uint32_t hex_four(const uint8_t *text) {
  return hex_value(text[0]) << 12 | hex_value(text[1]) << 8 | hex_value(text[2]) << 4 |
         hex_value(text[3]);
}

inline uint8_t *write_character(uint32_t code, uint8_t *to) {
  if (code < 0x80) {
    *to++ = static_cast<uint8_t>(code);
  } else if (code < 0x800) {
    *to++ = static_cast<uint8_t>(0xC0 | code >> 6);
    *to++ = static_cast<uint8_t>(0x80 | (code & 0x3F));
  } else {
    if (code < 0x10000) {
      *to++ = static_cast<uint8_t>(0xE0 | code >> 12);
    } else {
      *to++ = static_cast<uint8_t>(0xF0 | code >> 18);
      *to++ = static_cast<uint8_t>(0x80 | (code >> 12 & 0x3F));
    }
    *to++ = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F));
    *to++ = static_cast<uint8_t>(0x80 | (code & 0x3F));
  }
  return to;
}

inline bool is_surrogate(uint32_t code) { return code >= 0xD800 && code < 0xE000; }

}  // namespace

void ns_json_shift(ns_json_scanner *s, int64_t count) {
  s->line_feed -= count;
  s->position -= count;
  const uint32_t distance = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < s->record_count; i++) s->records[i].start -= distance;
  for (uint32_t i = 0; i < s->field_count; i++) s->fields[i].start -= distance;
}

int64_t ns_json_lines_end(const uint8_t *window, int64_t begin, int64_t end) {
  while (end > begin && window[end - 1] != '\n') end--;
  return end;
}

size_t ns_json_unescape(const uint8_t *text, size_t count, uint8_t *output) {
  const uint8_t *end = text + count;
  uint8_t *to = output;
  while (text < end) {
    const void *found = std::memchr(text, '\\', static_cast<size_t>(end - text));
    const uint8_t *stop = found == nullptr ? end : static_cast<const uint8_t *>(found);
    std::memmove(to, text, static_cast<size_t>(stop - text));
    to += stop - text;
    if (stop == end) break;
    text = stop + 2;
    switch (stop[1]) {
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'n': *to++ = '\n'; break;
      case 'r': *to++ = '\r'; break;
      case 't': *to++ = '\t'; break;
      case 'u': {
        uint32_t code = hex_four(text);
        text += 4;
        if (is_surrogate(code)) {
          const bool has_second =
              code < 0xDC00 && end - text >= 6 && text[0] == '\\' && text[1] == 'u';
          const uint32_t second = has_second ? hex_four(text + 2) : 0;
          if (second >= 0xDC00 && second < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
            text += 6;
          } else {
            code = 0xFFFD;
          }
        }
        to = write_character(code, to);
        break;
      }
      default: *to++ = stop[1]; break;
    }
  }
  return static_cast<size_t>(to - output);
}

namespace {

// Columns whose failures are looked at together, and words of failures for each.
constexpr uint32_t kGroup = 32;
constexpr uint32_t kWordCount = 16;

struct Tile {
  const uint8_t *window;
  const ns_csv_record *records;
  const ns_csv_field *fields;
  uint32_t count;
};

// Corrects what a column was read as where it has strings, true or false. Answers how many of its
// values are no numbers; `failed` gets their bits.
__attribute__((noinline)) uint32_t correct(const Tile &tile, uint32_t column,
                                           const ns_csv_words *nulls, double *output,
                                           size_t stride, uint64_t *failed) {
  uint32_t failure_count = 0;
  for (uint32_t i = 0; i < tile.count; i++) {
    if (tile.records[i].error != NS_CSV_OK) continue;
    const ns_csv_field field = tile.fields[tile.records[i].first_field + column];
    const uint8_t *text = tile.window + field.start;
    const uint64_t bit = uint64_t{1} << (i % 64);
    double &value = output[i * stride];
    if (field.length_and_flags & NS_CSV_QUOTED) {
      value = std::numeric_limits<double>::quiet_NaN();
      const bool is_null =
          ns_csv_is_word(nulls, text, field.length_and_flags & NS_CSV_LENGTH_MASK) != 0;
      failed[i / 64] = is_null ? failed[i / 64] & ~bit : failed[i / 64] | bit;
    } else if ((failed[i / 64] & bit) && (*text == 't' || *text == 'f')) {
      value = *text == 't' ? 1 : 0;
      failed[i / 64] &= ~bit;
    }
    failure_count += failed[i / 64] >> (i % 64) & 1;
  }
  return failure_count;
}

}  // namespace

uint32_t ns_json_number_columns(ns_isa isa, const uint8_t *window, const ns_csv_record *records,
                                uint32_t count, const ns_csv_field *fields,
                                const uint32_t *columns, uint32_t column_count,
                                const ns_csv_words *nulls, double *output, size_t column_stride,
                                size_t stride, uint64_t *failures, size_t failure_stride) {
  static const uint8_t none = 0;
  static const uint32_t no_end = 0;
  static const ns_csv_words empty_word = {&none, &no_end, 1, 1, 0};
  const Tile tile = {window, records, fields, count};
  uint32_t failure_count = 0;
  for (uint32_t first = 0; first < column_count; first += kGroup) {
    const uint32_t group = column_count - first < kGroup ? column_count - first : kGroup;
    uint64_t failed[kGroup * kWordCount] = {};
    uint32_t flags[kGroup] = {};
    double *to = output + first * column_stride;
    ns_csv_number_columns(isa, window, records, count, fields, columns + first, group, &empty_word,
                          to, column_stride, stride, failed, kWordCount);
    for (uint32_t i = 0; i < count; i++) {
      if (records[i].error != NS_CSV_OK) continue;
      const ns_csv_field *row = fields + records[i].first_field;
      for (uint32_t c = 0; c < group; c++) flags[c] |= row[columns[first + c]].length_and_flags;
    }
    for (uint32_t c = 0; c < group; c++) {
      uint64_t *words = failed + c * kWordCount;
      uint64_t any = flags[c] & NS_CSV_QUOTED;
      for (uint32_t i = 0; i < kWordCount; i++) any |= words[i];
      if (any == 0) continue;
      failure_count += correct(tile, columns[first + c], nulls, to + c * column_stride, stride, words);
      uint64_t *target = failures + (first + c) * failure_stride;
      for (uint32_t i = 0; i < (count + 63) / 64; i++) target[i] |= words[i];
    }
  }
  return failure_count;
}

size_t ns_json_write(const uint8_t *window, const ns_csv_record *record,
                     const ns_csv_field *fields, const ns_csv_layout *layout, int is_object,
                     uint8_t *output) {
  const auto write_value = [=](ns_csv_field field, uint8_t *to) {
    const size_t length = field.length_and_flags & NS_CSV_LENGTH_MASK;
    if (field.length_and_flags & NS_CSV_QUOTED) {
      *to++ = '"';
      to = ns::copy_padded(to, window + field.start, length);
      *to++ = '"';
      return to;
    }
    if (length > 0) return ns::copy_padded(to, window + field.start, length);
    std::memcpy(to, "null", 4);
    return to + 4;
  };
  return ns::write_record(record, fields, layout, is_object, output, write_value);
}
