#include "digits.h"
#include "ns_csv.h"
#include "ns_numbers.h"
#include "ns_text.h"

#include <cstring>
#include <limits>

int ns_csv_is_word(const ns_csv_words *words, const uint8_t *text, size_t count) {
  if (!(words->length_mask >> (count < 63 ? count : 63) & 1)) return 0;
  uint32_t start = 0;
  for (uint32_t i = 0; i < words->count; i++) {
    const uint32_t end = words->ends[i];
    if (end - start == count && std::memcmp(words->bytes + start, text, count) == 0) return 1;
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

// Everything that is not a few digits. `magnitude` is past the minus, where there is one.
// Answers false where the field is no number and no null word.
__attribute__((noinline)) bool read_rarely(const uint8_t *begin, const uint8_t *end,
                                           const uint8_t *magnitude, const ns_csv_words *nulls,
                                           double *output) {
  double value;
  if (ns::parse_sixteen(magnitude, static_cast<size_t>(end - magnitude), &value)) {
    *output = magnitude == begin ? value : -value;
    return true;
  }
  if (ns_parse_double(begin, end, output)) return true;
  *output = std::numeric_limits<double>::quiet_NaN();
  return is_word_in_spaces(nulls, begin, end);
}

}  // namespace

uint32_t ns_csv_numbers(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                        const ns_csv_field *fields, uint32_t column, const ns_csv_words *nulls,
                        double *output, size_t stride, uint64_t *failures) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const bool checks_words_first = nulls->has_numbers != 0;
  uint32_t failure_count = 0;
  for (uint32_t i = 0; i < count; i++, output += stride) {
    if (__builtin_expect(records[i].error != NS_CSV_OK, 0)) {
      *output = none;
      continue;
    }
    const ns_csv_field field = fields[records[i].first_field + column];
    const uint8_t *begin = window + field.start;
    const uint8_t *end = begin + (field.length_and_flags & NS_CSV_LENGTH_MASK);
    if (checks_words_first && is_word_in_spaces(nulls, begin, end)) {
      *output = none;
      continue;
    }
    const uint64_t is_negative = *begin == '-' && begin < end;
    const uint8_t *magnitude = begin + is_negative;
    double value;
    if (ns::parse_eight(magnitude, static_cast<size_t>(end - magnitude), &value)) {
      uint64_t bits;  // no branch: every other delay is negative
      std::memcpy(&bits, &value, 8);
      bits |= is_negative << 63;
      std::memcpy(output, &bits, 8);
    } else if (!read_rarely(begin, end, magnitude, nulls, output)) {
      failures[i / 64] |= uint64_t{1} << (i % 64);
      failure_count++;
    }
  }
  return failure_count;
}

uint32_t ns_csv_mark_invalid_utf8(const uint8_t *window, ns_csv_record *records, uint32_t count) {
  if (count == 0) return 0;
  const ns_csv_record &last = records[count - 1];
  if (ns_is_utf8(window + records[0].start, last.start + last.length - records[0].start)) {
    return 0;
  }
  uint32_t invalid_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].error != NS_CSV_OK) continue;
    if (ns_is_utf8(window + records[i].start, records[i].length)) continue;
    records[i].error = NS_CSV_INVALID_UTF8;
    invalid_count++;
  }
  return invalid_count;
}
