#include "ns_csv.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

enum : uint8_t { kUnquoted, kQuoted, kClosed };

// One bit for each of 64 bytes.
struct Marks {
  uint64_t delimiters, line_feeds, quotes, non_ascii;
};

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

#if !defined(__x86_64__) && !defined(__aarch64__)
// The high bit of each of eight bytes, gathered in the low eight bits.
inline uint64_t high_bits(uint64_t bytes) {
  return ((bytes >> 7 & 0x0101010101010101) * 0x0102040810204080) >> 56;
}

inline uint64_t equal(uint64_t bytes, uint64_t value) {
  const uint64_t other = bytes ^ value * 0x0101010101010101;
  const uint64_t low = 0x7F7F7F7F7F7F7F7F;
  return high_bits(~(((other & low) + low) | other | low));
}
#endif

namespace portable {

#if defined(__x86_64__)
inline Marks find(const uint8_t *text, uint8_t delimiter) {
  const __m128i d = _mm_set1_epi8(static_cast<char>(delimiter));
  const __m128i n = _mm_set1_epi8('\n');
  const __m128i q = _mm_set1_epi8('"');
  Marks marks = {0, 0, 0, 0};
  for (int i = 0; i < 4; i++) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text + 16 * i));
    auto mask = [&](__m128i hits) {
      return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(hits))) << (16 * i);
    };
    marks.delimiters |= mask(_mm_cmpeq_epi8(bytes, d));
    marks.line_feeds |= mask(_mm_cmpeq_epi8(bytes, n));
    marks.quotes |= mask(_mm_cmpeq_epi8(bytes, q));
    marks.non_ascii |= mask(bytes);
  }
  return marks;
}
#elif defined(__aarch64__)
inline Marks find(const uint8_t *text, uint8_t delimiter) {
  static const uint8_t kWeights[] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t weights = vld1q_u8(kWeights);
  const uint8x16_t bytes[] = {vld1q_u8(text), vld1q_u8(text + 16), vld1q_u8(text + 32),
                              vld1q_u8(text + 48)};
  auto gather = [&](uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    const uint8x16_t low = vpaddq_u8(vandq_u8(a, weights), vandq_u8(b, weights));
    const uint8x16_t high = vpaddq_u8(vandq_u8(c, weights), vandq_u8(d, weights));
    const uint8x16_t sums = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
  };
  auto equal = [&](uint8_t value) {
    const uint8x16_t wanted = vdupq_n_u8(value);
    return gather(vceqq_u8(bytes[0], wanted), vceqq_u8(bytes[1], wanted),
                  vceqq_u8(bytes[2], wanted), vceqq_u8(bytes[3], wanted));
  };
  const uint8x16_t high = vdupq_n_u8(0x80);
  return {equal(delimiter), equal('\n'), equal('"'),
          gather(vcgeq_u8(bytes[0], high), vcgeq_u8(bytes[1], high), vcgeq_u8(bytes[2], high),
                 vcgeq_u8(bytes[3], high))};
}
#else
inline Marks find(const uint8_t *text, uint8_t delimiter) {
  Marks marks = {0, 0, 0, 0};
  for (int i = 0; i < 64; i += 8) {
    uint64_t bytes = 0;
    for (int k = 0; k < 8; k++) bytes |= static_cast<uint64_t>(text[i + k]) << (8 * k);
    marks.delimiters |= equal(bytes, delimiter) << i;
    marks.line_feeds |= equal(bytes, '\n') << i;
    marks.quotes |= equal(bytes, '"') << i;
    marks.non_ascii |= high_bits(bytes) << i;
  }
  return marks;
}
#endif

#include "csv_scan_put.h"
#include "csv_scan_body.h"

}  // namespace portable

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))), \
                             apply_to = function)
namespace avx2 {

inline Marks find(const uint8_t *text, uint8_t delimiter) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text + 32));
  auto join = [](__m256i a, __m256i b) __attribute__((always_inline)) {
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(a))) |
           static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(b))) << 32;
  };
  auto equal = [&](uint8_t value) __attribute__((always_inline)) {
    const __m256i wanted = _mm256_set1_epi8(static_cast<char>(value));
    return join(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted));
  };
  return {equal(delimiter), equal('\n'), equal('"'), join(low, high)};
}

#include "csv_scan_put.h"
#include "csv_scan_body.h"

}  // namespace avx2
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,lzcnt,popcnt"))), \
    apply_to = function)
namespace avx512 {

inline Marks find(const uint8_t *text, uint8_t delimiter) {
  const __m512i bytes = _mm512_loadu_si512(text);
  auto equal = [&](uint8_t value) __attribute__((always_inline)) {
    return _cvtmask64_u64(
        _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(value))));
  };
  return {equal(delimiter), equal('\n'), equal('"'),
          _cvtmask64_u64(_mm512_movepi8_mask(bytes))};
}

struct Places {
  alignas(64) uint8_t bytes[64];
  alignas(64) uint32_t low[16], high[16];
  constexpr Places() : bytes(), low(), high() {
    for (int i = 0; i < 64; i++) bytes[i] = static_cast<uint8_t>(i);
    for (unsigned i = 0; i < 16; i++) {
      low[i] = i / 2 + i % 2 * 16;
      high[i] = 8 + i / 2 + i % 2 * 16;
    }
  }
};
constexpr Places kPlaces;

// As in csv_scan_put.h, sixteen fields at a time.
inline void put_fields(ns_csv_field *fields, uint64_t stops, uint64_t quoted_stops, uint32_t base,
                       uint32_t previous) {
  const __m512i low = _mm512_load_si512(kPlaces.low);
  const __m512i high = _mm512_load_si512(kPlaces.high);
  __m512i places =
      _mm512_maskz_compress_epi8(_cvtu64_mask64(stops), _mm512_load_si512(kPlaces.bytes));
  __m512i before = _mm512_set1_epi32(static_cast<int>(previous));
  uint64_t quoted = quoted_stops == 0 ? 0 : _pext_u64(quoted_stops, stops);
  for (int left = __builtin_popcountll(stops); left > 0; left -= 16, fields += 16) {
    const __m512i ends = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(places)),
                                          _mm512_set1_epi32(static_cast<int>(base)));
    __m512i starts =
        _mm512_add_epi32(_mm512_alignr_epi32(ends, before, 15), _mm512_set1_epi32(1));
    __m512i lengths = _mm512_sub_epi32(ends, starts);
    const __mmask16 in_quotes = static_cast<__mmask16>(quoted);
    if (in_quotes != 0) {
      starts = _mm512_mask_add_epi32(starts, in_quotes, starts, _mm512_set1_epi32(1));
      // Two quotes less; the flag is the highest bit.
      lengths = _mm512_mask_add_epi32(lengths, in_quotes, lengths,
                                      _mm512_set1_epi32(static_cast<int>(NS_CSV_QUOTED - 2)));
    }
    _mm512_storeu_si512(fields, _mm512_permutex2var_epi32(starts, low, lengths));
    if (left > 8) {
      _mm512_storeu_si512(fields + 8, _mm512_permutex2var_epi32(starts, high, lengths));
    }
    before = ends;
    places = _mm512_alignr_epi64(places, places, 2);
    quoted >>= 16;
  }
}

#include "csv_scan_body.h"

}  // namespace avx512
#pragma clang attribute pop
#endif

}  // namespace

int ns_csv_scan(ns_csv_scanner *scanner, const uint8_t *window, int64_t end, int is_final) {
#if defined(__x86_64__)
  if (scanner->isa == ns_isa_avx512) return avx512::scan(scanner, window, end, is_final != 0);
  if (scanner->isa == ns_isa_avx2) return avx2::scan(scanner, window, end, is_final != 0);
#endif
  return portable::scan(scanner, window, end, is_final != 0);
}
