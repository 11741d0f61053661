#include "csv_numbers.h"
#include "digits.h"
#include "ns_csv.h"
#include "ns_numbers.h"

#include <cstring>
#include <limits>

int ns_csv_is_word(const ns_csv_words *words, const uint8_t *text, size_t count) {
  if (!(words->length_mask >> (count < 63 ? count : 63) & 1)) return 0;
  uint32_t start = 0;
  for (uint32_t i = 0; i < words->count; i++) {
    const uint32_t end = words->ends[i];
    // The first bytes tell nearly all texts from all words, without a call.
    if (end - start == count &&
        (count == 0 || (words->bytes[start] == *text &&
                        std::memcmp(words->bytes + start, text, count) == 0))) {
      return 1;
    }
    start = end;
  }
  return 0;
}

namespace {

bool is_word_in_spaces(const ns_csv_words *words, const uint8_t *begin, const uint8_t *end) {
  while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
  while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
  return ns_csv_is_word(words, begin, static_cast<size_t>(end - begin)) != 0;
}

ns_csv_numbers::Reader reader(ns_isa isa) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return ns_csv_numbers::read_avx512;
  if (isa == ns_isa_avx2) return ns_csv_numbers::read_avx2;
#else
  (void)isa;
#endif
  return ns_csv_numbers::read_portable;
}

}  // namespace

namespace ns_csv_numbers {

__attribute__((noinline)) bool read_any(const Tile &tile, ns_csv_field field, double *output) {
  const uint8_t *begin = tile.window + field.start;
  const uint8_t *end = begin + (field.length_and_flags & NS_CSV_LENGTH_MASK);
  const bool checks_words_first = tile.nulls->has_numbers != 0;
  if (checks_words_first && is_word_in_spaces(tile.nulls, begin, end)) {
    *output = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (ns_parse_double(begin, end, output)) return true;
  *output = std::numeric_limits<double>::quiet_NaN();
  return !checks_words_first && is_word_in_spaces(tile.nulls, begin, end);
}

uint64_t read_portable(const Tile &tile, const Rows &rows, uint32_t column, double *output) {
  const bool checks_words_first = tile.nulls->has_numbers != 0;
  uint64_t failures = 0;
  for (uint32_t i = 0; i < rows.count; i++) {
    if (!(rows.readable >> i & 1)) {
      output[i] = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    const ns_csv_field field = tile.fields[rows.first_fields[i] + column];
    const uint8_t *begin = tile.window + field.start;
    const uint8_t *end = begin + (field.length_and_flags & NS_CSV_LENGTH_MASK);
    const uint64_t is_negative = *begin == '-' && begin < end;
    const uint8_t *magnitude = begin + is_negative;
    const size_t length = static_cast<size_t>(end - magnitude);
    double value;
    if (!checks_words_first && (ns::parse_eight(magnitude, length, &value) ||
                                ns::parse_sixteen(magnitude, length, &value))) {
      uint64_t bits;  // no branch: every other delay is negative
      std::memcpy(&bits, &value, 8);
      bits |= is_negative << 63;
      std::memcpy(output + i, &bits, 8);
    } else if (!read_any(tile, field, output + i)) {
      failures |= uint64_t{1} << i;
    }
  }
  return failures;
}

}  // namespace ns_csv_numbers

uint32_t ns_csv_number_columns(ns_isa isa, const uint8_t *window, const ns_csv_record *records,
                               uint32_t count, const ns_csv_field *fields, const uint32_t *columns,
                               uint32_t column_count, const ns_csv_words *nulls, double *output,
                               size_t column_stride, size_t stride, uint64_t *failures,
                               size_t failure_stride) {
  const ns_csv_numbers::Reader read = reader(isa);
  const ns_csv_numbers::Tile tile = {window, fields, nulls};
  uint32_t failure_count = 0;
  // All columns of a few records at a time, because their text is still in the first cache then.
  for (uint32_t i = 0; i < count; i += 64) {
    uint32_t first_fields[64];
    ns_csv_numbers::Rows rows = {first_fields, 0, count - i < 64 ? count - i : 64};
    for (uint32_t row = 0; row < rows.count; row++) {
      const bool is_readable = records[i + row].error == NS_CSV_OK;
      first_fields[row] = is_readable ? records[i + row].first_field : 0;
      rows.readable |= uint64_t{is_readable} << row;
    }
    for (uint32_t c = 0; c < column_count; c++) {
      double values[64];
      double *to = output + c * column_stride + i * stride;
      const uint64_t failed = read(tile, rows, columns[c], stride == 1 ? to : values);
      for (uint32_t row = 0; stride != 1 && row < rows.count; row++) to[row * stride] = values[row];
      if (failed == 0) continue;
      failures[c * failure_stride + i / 64] |= failed;
      failure_count += static_cast<uint32_t>(__builtin_popcountll(failed));
    }
  }
  return failure_count;
}
