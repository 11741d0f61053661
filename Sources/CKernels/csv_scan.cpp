#include "ns_csv.h"

#include <immintrin.h>

namespace {

enum : uint8_t { kUnquoted, kQuoted, kClosed };

}  // namespace

void ns_csv_begin_record(ns_csv_scanner *s, int64_t position) {
  s->record_start = position;
  s->text_start = position;
  s->field_start = position;
  s->field_ordinal = 0;
  s->field_flags = 0;
  s->mode = kUnquoted;
  s->record_error = NS_CSV_OK;
  s->discards_record = 0;
  s->stops_after_record = 0;
  s->skipped_quote = -1;
}

void ns_csv_resume_in_quotes(ns_csv_scanner *s, int64_t record_start) {
  ns_csv_begin_record(s, s->scan_position);
  s->record_start = record_start;
  s->mode = kQuoted;
}

void ns_csv_end_too_long(ns_csv_scanner *s, int64_t stop) {
  if (s->discards_record || s->text_start == s->skipped_text_start) return;
  ns_csv_record &record = s->records[s->record_count++];
  record.start = static_cast<uint32_t>(s->text_start);
  const int64_t length = stop - s->text_start;
  record.length = static_cast<uint32_t>(length < NS_CSV_EXCERPT_LIMIT ? length
                                                                       : NS_CSV_EXCERPT_LIMIT);
  record.first_field = s->field_count;
  record.field_count = 0;
  record.error = NS_CSV_RECORD_TOO_LONG;
}

void ns_csv_shift(ns_csv_scanner *s, int64_t count) {
  s->scan_position -= count;
  s->record_start -= count;
  s->text_start -= count;
  s->field_start -= count;
  s->field_stop -= count;
  s->skipped_quote -= count;
  const uint32_t distance = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < s->record_count; i++) s->records[i].start -= distance;
  const uint32_t under_way =
      s->field_ordinal < s->expected_field_count ? s->field_ordinal : s->expected_field_count;
  for (uint32_t i = 0; i < s->field_count + under_way; i++) s->fields[i].start -= distance;
}

namespace {

namespace sse2 {

inline uint64_t find(const uint8_t *text, uint8_t delimiter) {
  const __m128i d = _mm_set1_epi8(static_cast<char>(delimiter));
  const __m128i n = _mm_set1_epi8('\n');
  const __m128i q = _mm_set1_epi8('"');
  uint64_t marks = 0;
  for (int i = 0; i < 4; i++) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text + 16 * i));
    const __m128i hits = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, d), _mm_cmpeq_epi8(bytes, n)), _mm_cmpeq_epi8(bytes, q));
    marks |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(hits))) << (16 * i);
  }
  return marks;
}

#include "csv_scan_body.h"

}  // namespace sse2

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
namespace avx2 {

inline uint64_t find(const uint8_t *text, uint8_t delimiter) {
  const __m256i d = _mm256_set1_epi8(static_cast<char>(delimiter));
  const __m256i n = _mm256_set1_epi8('\n');
  const __m256i q = _mm256_set1_epi8('"');
  uint64_t marks = 0;
  for (int i = 0; i < 2; i++) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text + 32 * i));
    const __m256i hits =
        _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(bytes, d), _mm256_cmpeq_epi8(bytes, n)),
                        _mm256_cmpeq_epi8(bytes, q));
    marks |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(hits))) << (32 * i);
  }
  return marks;
}

#include "csv_scan_body.h"

}  // namespace avx2
#pragma clang attribute pop

}  // namespace

int ns_csv_best_isa(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? NS_ISA_AVX2
                                                                          : NS_ISA_SSE2;
}

int ns_csv_scan(ns_csv_scanner *scanner, const uint8_t *window, int64_t end, int is_final) {
  return scanner->isa == NS_ISA_AVX2 ? avx2::scan(scanner, window, end, is_final != 0)
                                     : sse2::scan(scanner, window, end, is_final != 0);
}
