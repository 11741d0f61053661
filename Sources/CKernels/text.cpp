#include "ns_text.h"

#include "json_escape.h"

#include <cstring>

namespace {

inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

// Number of bytes of the character at `text`, or 0 where there is none (Unicode, table 3-7).
inline size_t character_length(const uint8_t *text, size_t count) {
  const uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || length > count) return 0;
  const uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text[1] < lowest || text[1] > highest) return 0;
  for (size_t i = 2; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

int ns_is_utf8(const uint8_t *text, size_t count) {
  size_t at = 0;
  while (at < count) {
    while (at + 64 <= count) {
      uint64_t words[8];
      std::memcpy(words, text + at, 64);
      uint64_t all = 0;
      for (const uint64_t word : words) all |= word;
      if (all & 0x8080808080808080) break;
      at += 64;
    }
    for (const size_t stop = at + 64; at < count && at < stop;) {
      const size_t length = character_length(text + at, count - at);
      if (length == 0) return 0;
      at += length;
    }
  }
  return 1;
}

int ns_is_json_number(const uint8_t *text, size_t count) {
  size_t at = 0;
  if (at < count && text[at] == '-') at++;
  if (at == count || !is_digit(text[at])) return 0;
  if (text[at] == '0') {
    at++;
  } else {
    while (at < count && is_digit(text[at])) at++;
  }
  if (at < count && text[at] == '.') {
    const size_t first = ++at;
    while (at < count && is_digit(text[at])) at++;
    if (at == first) return 0;
  }
  if (at < count && (text[at] | 0x20) == 'e') {
    at++;
    if (at < count && (text[at] == '+' || text[at] == '-')) at++;
    const size_t first = at;
    while (at < count && is_digit(text[at])) at++;
    if (at == first) return 0;
  }
  return at == count;
}

size_t ns_json_escape(const uint8_t *text, size_t count, uint8_t *output) {
  return static_cast<size_t>(ns::escape<false>(text, count, false, output) - output);
}

int ns_csv_needs_quotes(const uint8_t *text, size_t count, uint8_t delimiter) {
  for (size_t at = 0; at < count; at++) {
    const uint8_t byte = text[at];
    if (byte == delimiter || byte == '"' || byte == '\n' || byte == '\r') return 1;
  }
  return 0;
}

size_t ns_csv_double_quotes(const uint8_t *text, size_t count, uint8_t *output) {
  uint8_t *to = output;
  for (size_t at = 0; at < count; at++) {
    if (text[at] == '"') *to++ = '"';
    *to++ = text[at];
  }
  return static_cast<size_t>(to - output);
}

size_t ns_csv_single_quotes(const uint8_t *text, size_t count, uint8_t *output) {
  uint8_t *to = output;
  for (size_t at = 0; at < count; at++) {
    *to++ = text[at];
    if (text[at] == '"' && at + 1 < count && text[at + 1] == '"') at++;
  }
  return static_cast<size_t>(to - output);
}
