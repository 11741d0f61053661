#pragma once

// The inside of a JSON string (RFC 8259, section 7), sixteen bytes at a time.

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ns {

inline uint8_t *escape_byte(uint8_t byte, uint8_t *to) {
  static const char digits[] = "0123456789abcdef";
  if (byte >= 0x20 && byte != '"' && byte != '\\') {
    *to = byte;
    return to + 1;
  }
  *to++ = '\\';
  switch (byte) {
    case '\n': *to = 'n'; return to + 1;
    case '\r': *to = 'r'; return to + 1;
    case '\t': *to = 't'; return to + 1;
    case '\b': *to = 'b'; return to + 1;
    case '\f': *to = 'f'; return to + 1;
    case '"':
    case '\\': *to = byte; return to + 1;
    default:
      std::memcpy(to, "u00", 3);
      to[3] = static_cast<uint8_t>(digits[byte >> 4]);
      to[4] = static_cast<uint8_t>(digits[byte & 15]);
      return to + 5;
  }
}

// Answers where the output ends; there is room for 6 * count bytes. `is_doubled` says that every
// quote stands twice in the text. kPadded says that 16 bytes can be read wherever text is left,
// and 16 be written beyond the room.
template <bool kPadded>
inline uint8_t *escape(const uint8_t *text, size_t count, bool is_doubled, uint8_t *to) {
  size_t at = 0;
  while (at < count) {
    const size_t left = count - at;
    size_t stop = count;
    if (kPadded || left >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text + at));
      const __m128i marks = _mm_or_si128(
          _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(0x1F)), _mm_set1_epi8(0x1F)),
          _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
      unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(marks));
      const size_t taken = left < 16 ? left : 16;
      mask &= (1u << taken) - 1;
      if (mask == 0) {
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to), bytes);
        at += taken;
        to += taken;
        continue;
      }
      stop = at + taken;
    }
    while (at < stop) {
      const uint8_t byte = text[at++];
      to = escape_byte(byte, to);
      if (is_doubled && byte == '"') at++;
    }
  }
  return to;
}

}  // namespace ns
