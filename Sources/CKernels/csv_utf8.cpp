// Whether text is UTF-8, 32 bytes at a time.

#include "ns_csv.h"
#include "ns_text.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
namespace avx2 {

// What can be wrong with two bytes in a row, as found by three tables of sixteen that are indexed
// by the first byte's halves and by the second's upper half: it is wrong where all three agree.
// Source: J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per byte" (2021).
enum : uint8_t {
  kTooShort = 1 << 0,    // a lead byte, then none that continues
  kTooLong = 1 << 1,     // an ASCII byte, then one that continues
  kOverlong3 = 1 << 2,   // E0 80...9F
  kTooLarge = 1 << 3,    // F4 90... and above
  kSurrogate = 1 << 4,   // ED A0...BF
  kOverlong2 = 1 << 5,   // C0 or C1
  kTooLarge4 = 1 << 6,   // F5... 80...8F; and F0 80...8F, overlong
  kTwoContinue = 1 << 7  // two that continue, right only in a character of three bytes or four
};
constexpr uint8_t kCarry = kTooShort | kTooLong | kTwoContinue;

inline __m256i twice(__m128i table) { return _mm256_broadcastsi128_si256(table); }

inline __m256i upper_half(__m256i bytes) {
  return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
}

inline __m256i special_cases(__m256i bytes, __m256i before) {
  constexpr char kTwo = static_cast<char>(kTwoContinue);
  constexpr char kLow = static_cast<char>(kCarry);
  constexpr char kLarge = static_cast<char>(kCarry | kTooLarge | kTooLarge4);
  const __m256i first_upper = twice(_mm_setr_epi8(
      kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTwo, kTwo,
      kTwo, kTwo, kTooShort | kOverlong2, kTooShort, kTooShort | kOverlong3 | kSurrogate,
      kTooShort | kTooLarge | kTooLarge4));
  const __m256i first_lower = twice(_mm_setr_epi8(
      static_cast<char>(kCarry | kOverlong3 | kOverlong2 | kTooLarge4),
      static_cast<char>(kCarry | kOverlong2), kLow, kLow, static_cast<char>(kCarry | kTooLarge),
      kLarge, kLarge, kLarge, kLarge, kLarge, kLarge, kLarge, kLarge,
      static_cast<char>(kCarry | kTooLarge | kTooLarge4 | kSurrogate), kLarge, kLarge));
  constexpr char kContinues =
      static_cast<char>(kTooLong | kOverlong2 | kTwoContinue);
  const __m256i second_upper = twice(_mm_setr_epi8(
      kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort,
      static_cast<char>(kContinues | kOverlong3 | kTooLarge4),
      static_cast<char>(kContinues | kOverlong3 | kTooLarge),
      static_cast<char>(kContinues | kSurrogate | kTooLarge),
      static_cast<char>(kContinues | kSurrogate | kTooLarge), kTooShort, kTooShort, kTooShort,
      kTooShort));
  const __m256i lower = _mm256_and_si256(before, _mm256_set1_epi8(0x0F));
  return _mm256_and_si256(_mm256_and_si256(_mm256_shuffle_epi8(first_upper, upper_half(before)),
                                           _mm256_shuffle_epi8(first_lower, lower)),
                          _mm256_shuffle_epi8(second_upper, upper_half(bytes)));
}

// The bytes `count` places before each of `bytes`, whose 32 predecessors are `previous`.
template <int count>
inline __m256i before(__m256i bytes, __m256i previous) {
  return _mm256_alignr_epi8(bytes, _mm256_permute2x128_si256(previous, bytes, 0x21), 16 - count);
}

// Not 0 where something is wrong.
inline __m256i errors(__m256i bytes, __m256i previous) {
  const __m256i special = special_cases(bytes, before<1>(bytes, previous));
  // A third or fourth byte has to continue, which `special` cannot tell from a byte too many.
  const __m256i third = _mm256_subs_epu8(before<2>(bytes, previous), _mm256_set1_epi8(0x60));
  const __m256i fourth = _mm256_subs_epu8(before<3>(bytes, previous), _mm256_set1_epi8(0x70));
  const __m256i continues =
      _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8(static_cast<char>(0x80)));
  return _mm256_xor_si256(continues, special);
}

// Whether the last bytes begin a character that is not finished.
inline bool is_unfinished(__m256i bytes) {
  __m256i limits = _mm256_set1_epi8(static_cast<char>(0xFF));
  limits = _mm256_insert_epi8(limits, static_cast<char>(0xEF), 29);
  limits = _mm256_insert_epi8(limits, static_cast<char>(0xDF), 30);
  limits = _mm256_insert_epi8(limits, static_cast<char>(0xBF), 31);
  const __m256i over = _mm256_subs_epu8(bytes, limits);
  return !_mm256_testz_si256(over, over);
}

bool is_utf8(const uint8_t *text, size_t count) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i previous = zero, wrong = zero;
  bool is_open = false;
  size_t at = 0;
  for (; at + 32 <= count; at += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text + at));
    if (_mm256_movemask_epi8(bytes) == 0 && !is_open) {
      previous = bytes;
      continue;
    }
    wrong = _mm256_or_si256(wrong, errors(bytes, previous));
    is_open = is_unfinished(bytes);
    previous = bytes;
  }
  alignas(32) uint8_t rest[32] = {0};
  std::memcpy(rest, text + at, count - at);
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i *>(rest));
  wrong = _mm256_or_si256(wrong, errors(bytes, previous));
  return _mm256_testz_si256(wrong, wrong) && !is_unfinished(bytes);
}

}  // namespace avx2
#pragma clang attribute pop
#endif

bool is_utf8(ns_isa isa, const uint8_t *text, size_t count) {
#if defined(__x86_64__)
  if (isa != ns_isa_portable) return avx2::is_utf8(text, count);
#else
  (void)isa;
#endif
  return ns_is_utf8(text, count) != 0;
}

}  // namespace

uint32_t ns_csv_mark_invalid_utf8(ns_isa isa, const uint8_t *window, ns_csv_record *records,
                                  uint32_t count) {
  if (count == 0) return 0;
  const ns_csv_record &last = records[count - 1];
  const uint32_t start = records[0].start;
  if (is_utf8(isa, window + start, last.start + last.length - start)) return 0;
  uint32_t invalid_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].error != NS_CSV_OK) continue;
    if (is_utf8(isa, window + records[i].start, records[i].length)) continue;
    records[i].error = NS_CSV_INVALID_UTF8;
    invalid_count++;
  }
  return invalid_count;
}
