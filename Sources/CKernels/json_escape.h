#pragma once

// The inside of a JSON string (RFC 8259, section 7), sixteen bytes at a time.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ns {

// Sixteen bytes, and a bit for each.
typedef uint8_t Bytes __attribute__((ext_vector_type(16)));
typedef bool Bits __attribute__((ext_vector_type(16)));

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
      Bytes bytes;
      std::memcpy(&bytes, text + at, 16);
      const auto marks = (bytes < 0x20) | (bytes == '"') | (bytes == '\\');
      unsigned mask = __builtin_bit_cast(uint16_t, __builtin_convertvector(marks, Bits));
      const size_t taken = left < 16 ? left : 16;
      mask &= (1u << taken) - 1;
      if (mask == 0) {
        std::memcpy(to, &bytes, 16);
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
