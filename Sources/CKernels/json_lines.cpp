#include "json_lines_keys.h"
#include "ns_json_lines.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using namespace ns_json;

// Of the 32 bytes from a value's begin on: which are digits, which points, and which are sure to
// be behind a number. A number's run goes up to the first of these; besides digits and points it
// may have whatever is between '-' and 'e' once bit 5 is set, which exponents are and no comma,
// bracket, space or line feed is.
struct NumberMarks {
  uint32_t others;
  uint32_t digits;
  uint32_t points;
};

constexpr uint8_t kRunFirst = '-', kRunLast = 'e', kRunBit = 0x20;

// Lines that are read side by side.
constexpr int kLaneCount = 2;
// Lines read alone after some that were not alike.
constexpr uint32_t kLanesPause = 16;

inline bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; }

inline const uint8_t *skip_spaces(const uint8_t *at) {
  while (is_space(*at)) at++;
  return at;
}

inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

inline bool is_hex(uint8_t byte) {
  return is_digit(byte) || static_cast<uint8_t>((byte | 0x20) - 'a') < 6;
}

// The end of the number at `at`, or nullptr: RFC 8259, section 6.
inline const uint8_t *end_of_number(const uint8_t *at) {
  if (*at == '-') at++;
  if (!is_digit(*at)) return nullptr;
  if (*at == '0') {
    at++;
  } else {
    while (is_digit(*at)) at++;
  }
  if (*at == '.') {
    if (!is_digit(*++at)) return nullptr;
    while (is_digit(*at)) at++;
  }
  if ((*at | 0x20) == 'e') {
    at++;
    if (*at == '+' || *at == '-') at++;
    if (!is_digit(*at)) return nullptr;
    while (is_digit(*at)) at++;
  }
  return at;
}

// The end of the word at `at`, or nullptr.
inline const uint8_t *end_of_word(const uint8_t *at) {
  if (std::memcmp(at, "null", 4) == 0 || std::memcmp(at, "true", 4) == 0) return at + 4;
  return std::memcmp(at, "false", 5) == 0 ? at + 5 : nullptr;
}

// The end of the escape whose backslash is at `at`, or nullptr.
inline const uint8_t *end_of_escape(const uint8_t *at) {
  switch (at[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
      return at + 2;
    case 'u':
      for (int i = 2; i < 6; i++) {
        if (!is_hex(at[i])) return nullptr;
      }
      return at + 6;
    default: return nullptr;
  }
}

namespace portable {

#if defined(__SSE2__)

constexpr int kStringStep = 16;

inline uint64_t string_marks(const uint8_t *text) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text));
  const __m128i limit = _mm_set1_epi8(0x1F);
  const __m128i marks =
      _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(bytes, limit), limit),
                   _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
  return static_cast<uint32_t>(_mm_movemask_epi8(marks));
}

inline NumberMarks number_marks(const uint8_t *text) {
  NumberMarks marks = {};
  for (int i = 0; i < 2; i++) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text + 16 * i));
    const __m128i values = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    const __m128i places =
        _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(kRunBit)), _mm_set1_epi8(kRunFirst));
    const __m128i run =
        _mm_cmpeq_epi8(_mm_min_epu8(places, _mm_set1_epi8(kRunLast - kRunFirst)), places);
    const __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
    const __m128i points = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'));
    marks.others |= (static_cast<uint32_t>(_mm_movemask_epi8(run)) ^ 0xFFFF) << (16 * i);
    marks.digits |= static_cast<uint32_t>(_mm_movemask_epi8(digits)) << (16 * i);
    marks.points |= static_cast<uint32_t>(_mm_movemask_epi8(points)) << (16 * i);
  }
  return marks;
}

inline bool has_token(const uint8_t *text, const Step &step) {
  for (uint32_t i = 0; i < kTokenLimit; i += 16) {
    const uint32_t wanted = static_cast<uint32_t>(step.mask >> i) & 0xFFFF;
    if (wanted == 0) break;
    const __m128i equal =
        _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(text + i)),
                       _mm_load_si128(reinterpret_cast<const __m128i *>(step.token + i)));
    if ((~static_cast<uint32_t>(_mm_movemask_epi8(equal)) & wanted) != 0) return false;
  }
  return true;
}

#else

constexpr int kStringStep = 8;

inline uint64_t string_marks(const uint8_t *text) {
  uint64_t marks = 0;
  for (int i = 0; i < kStringStep; i++) {
    marks |= uint64_t{text[i] < 0x20 || text[i] == '"' || text[i] == '\\'} << i;
  }
  return marks;
}

inline NumberMarks number_marks(const uint8_t *text) {
  NumberMarks marks = {};
  for (int i = 0; i < 32; i++) {
    const uint8_t place = (text[i] | kRunBit) - kRunFirst;
    marks.others |= uint32_t{place > kRunLast - kRunFirst} << i;
    marks.digits |= uint32_t{is_digit(text[i])} << i;
    marks.points |= uint32_t{text[i] == '.'} << i;
  }
  return marks;
}

inline bool has_token(const uint8_t *text, const Step &step) {
  const size_t length = step.length == 0 ? 1 : step.length;
  return std::memcmp(text, step.token, length) == 0;
}

#endif

#include "json_lines_body.h"

}  // namespace portable

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt"))), apply_to = function)
namespace avx2 {

constexpr int kStringStep = 32;

inline __m256i load(const uint8_t *text) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text));
}

inline uint32_t mask(__m256i marks) { return static_cast<uint32_t>(_mm256_movemask_epi8(marks)); }

inline uint64_t string_marks(const uint8_t *text) {
  const __m256i bytes = load(text);
  const __m256i limit = _mm256_set1_epi8(0x1F);
  return mask(_mm256_or_si256(_mm256_cmpeq_epi8(_mm256_max_epu8(bytes, limit), limit),
                              _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')),
                                              _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')))));
}

inline NumberMarks number_marks(const uint8_t *text) {
  const __m256i bytes = load(text);
  const __m256i values = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
  const __m256i places = _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(kRunBit)),
                                         _mm256_set1_epi8(kRunFirst));
  const __m256i last = _mm256_set1_epi8(kRunLast - kRunFirst);
  return NumberMarks{
      ~mask(_mm256_cmpeq_epi8(_mm256_min_epu8(places, last), places)),
      mask(_mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values)),
      mask(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')))};
}

inline bool has_token(const uint8_t *text, const Step &step) {
  const uint64_t low = mask(_mm256_cmpeq_epi8(load(text), load(step.token)));
  const uint64_t high = mask(_mm256_cmpeq_epi8(load(text + 32), load(step.token + 32)));
  return (~(low | high << 32) & step.mask) == 0;
}

#include "json_lines_body.h"

}  // namespace avx2
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,avx512f,avx512bw,avx512vl,avx512dq"))), \
    apply_to = function)
namespace avx512 {

constexpr int kStringStep = 64;

inline uint64_t string_marks(const uint8_t *text) {
  const __m512i bytes = _mm512_loadu_si512(text);
  return _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20)) |
         _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')) |
         _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\'));
}

inline NumberMarks number_marks(const uint8_t *text) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(text));
  const __m256i places = _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(kRunBit)),
                                         _mm256_set1_epi8(kRunFirst));
  NumberMarks marks = {
      _mm256_cmpgt_epu8_mask(places, _mm256_set1_epi8(kRunLast - kRunFirst)),
      _mm256_cmplt_epu8_mask(_mm256_sub_epi8(bytes, _mm256_set1_epi8('0')), _mm256_set1_epi8(10)),
      _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('.'))};
  // What is done with them next is slow in mask registers, where the compiler would leave them.
  __asm__("" : "+r"(marks.others), "+r"(marks.digits), "+r"(marks.points));
  return marks;
}

inline bool has_token(const uint8_t *text, const Step &step) {
  return _mm512_mask_cmpneq_epi8_mask(step.mask, _mm512_loadu_si512(text),
                                      _mm512_load_si512(step.token)) == 0;
}

#include "json_lines_body.h"

}  // namespace avx512
#pragma clang attribute pop

#endif

}  // namespace

int ns_json_scan(ns_json_scanner *scanner, ns_json_keys *keys, const uint8_t *window,
                 int64_t end) {
#if defined(__x86_64__)
  if (scanner->isa == ns_isa_avx512) return avx512::scan(scanner, keys, window, end);
  if (scanner->isa == ns_isa_avx2) return avx2::scan(scanner, keys, window, end);
#endif
  return portable::scan(scanner, keys, window, end);
}
