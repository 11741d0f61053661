#include "ns_features.h"

#include <cstring>

// Text: hashes, lower case, words, characters, n-grams.

namespace {

/// One character and how many bytes it has; a byte that is no UTF-8 is a character of its own.
struct Character {
  uint32_t code;
  uint32_t count;
};

constexpr uint32_t no_character = 0xffffffff;

inline bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

inline Character decode(const uint8_t *at, size_t rest) {
  const uint8_t first = at[0];
  if (first < 0x80) return {first, 1};
  if (first >= 0xc2 && first < 0xe0 && rest >= 2 && is_continuation(at[1])) {
    return {(first & 0x1fu) << 6 | (at[1] & 0x3fu), 2};
  }
  if (first >= 0xe0 && first < 0xf0 && rest >= 3 && is_continuation(at[1]) &&
      is_continuation(at[2])) {
    const uint32_t code = (first & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    if (code >= 0x800 && (code < 0xd800 || code > 0xdfff)) return {code, 3};
  }
  if (first >= 0xf0 && first < 0xf5 && rest >= 4 && is_continuation(at[1]) &&
      is_continuation(at[2]) && is_continuation(at[3])) {
    const uint32_t code = (first & 7u) << 18 | (at[1] & 0x3fu) << 12 | (at[2] & 0x3fu) << 6 |
                          (at[3] & 0x3fu);
    if (code >= 0x10000 && code < 0x110000) return {code, 4};
  }
  return {no_character, 1};
}

inline size_t encode(uint32_t code, uint8_t *output) {
  if (code < 0x80) {
    output[0] = static_cast<uint8_t>(code);
    return 1;
  }
  if (code < 0x800) {
    output[0] = static_cast<uint8_t>(0xc0 | code >> 6);
    output[1] = static_cast<uint8_t>(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    output[0] = static_cast<uint8_t>(0xe0 | code >> 12);
    output[1] = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3f));
    output[2] = static_cast<uint8_t>(0x80 | (code & 0x3f));
    return 3;
  }
  output[0] = static_cast<uint8_t>(0xf0 | code >> 18);
  output[1] = static_cast<uint8_t>(0x80 | (code >> 12 & 0x3f));
  output[2] = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3f));
  output[3] = static_cast<uint8_t>(0x80 | (code & 0x3f));
  return 4;
}

/// Writes one character, in lower case if wished; U+0130 alone becomes two, as its full mapping
/// says. No character grows to more than twice its bytes.
inline size_t write(const ns_characters *characters, const uint8_t *at, Character character,
                    bool lower, uint8_t *output) {
  if (lower && character.code < NS_LOWER_COUNT) {
    if (character.code < 0x80) {
      const uint8_t byte = at[0];
      output[0] = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
      return 1;
    }
    if (character.code == 0x130) {
      std::memcpy(output, "i\xcc\x87", 3);
      return 3;
    }
    return encode(characters->lower[character.code], output);
  }
  std::memcpy(output, at, character.count);
  return character.count;
}

inline bool is_word(const ns_characters *characters, uint32_t code) {
  return code < NS_WORD_COUNT && (characters->words[code >> 6] >> (code & 63) & 1);
}

/// What Python's `str.isspace` and `\s` take for blank.
inline bool is_blank(uint32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13) || (code >= 28 && code <= 31);
  return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
         code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

/// Units under construction.
struct Units {
  uint8_t *output;
  uint32_t *starts;
  uint32_t *ends;
  size_t byte_count = 0;
  size_t unit_count = 0;

  void end(size_t start) {
    starts[unit_count] = static_cast<uint32_t>(start);
    ends[unit_count] = static_cast<uint32_t>(byte_count);
    unit_count++;
  }

  void add_space() {
    const size_t start = byte_count;
    output[byte_count++] = ' ';
    end(start);
  }
};

void cut_words(const ns_characters *characters, bool lower, uint32_t least, const uint8_t *text,
               size_t count, Units &units) {
  size_t at = 0;
  while (at < count) {
    Character character = decode(text + at, count - at);
    if (!is_word(characters, character.code)) {
      at += character.count;
      continue;
    }
    const size_t before = units.byte_count;
    if (units.unit_count > 0) units.output[units.byte_count++] = ' ';
    const size_t start = units.byte_count;
    uint32_t length = 0;
    while (is_word(characters, character.code)) {
      units.byte_count +=
          write(characters, text + at, character, lower, units.output + units.byte_count);
      length++;
      at += character.count;
      if (at >= count) break;
      character = decode(text + at, count - at);
    }
    if (length >= least) {
      units.end(start);
    } else {
      units.byte_count = before;
    }
  }
}

void cut_characters(const ns_characters *characters, bool lower, const uint8_t *text, size_t count,
                    Units &units) {
  size_t at = 0;
  while (at < count) {
    const Character character = decode(text + at, count - at);
    size_t next = at + character.count;
    size_t blank_count = is_blank(character.code) ? 1 : 0;
    while (blank_count > 0 && next < count) {
      const Character other = decode(text + next, count - next);
      if (!is_blank(other.code)) break;
      next += other.count;
      blank_count++;
    }
    if (blank_count > 1) {
      units.add_space();
    } else {
      const size_t start = units.byte_count;
      units.byte_count +=
          write(characters, text + at, character, lower, units.output + units.byte_count);
      units.end(start);
    }
    at = next;
  }
}

void cut_word_characters(const ns_characters *characters, bool lower, const uint8_t *text,
                         size_t count, Units &units) {
  size_t at = 0;
  while (at < count) {
    Character character = decode(text + at, count - at);
    if (is_blank(character.code)) {
      at += character.count;
      continue;
    }
    units.add_space();
    while (!is_blank(character.code)) {
      const size_t start = units.byte_count;
      units.byte_count +=
          write(characters, text + at, character, lower, units.output + units.byte_count);
      units.end(start);
      at += character.count;
      if (at >= count) break;
      character = decode(text + at, count - at);
    }
    units.add_space();
    units.end(units.byte_count);
  }
}

inline uint32_t rotated(uint32_t value, int count) { return value << count | value >> (32 - count); }

inline uint32_t mixed_block(uint32_t block) {
  return rotated(block * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/// The n-grams of one run of units.
size_t add_runs(uint32_t length, const uint32_t *starts, const uint32_t *ends, size_t count,
                uint32_t *spans) {
  size_t span_count = 0;
  for (size_t first = 0; first + length <= count; first++) {
    spans[2 * span_count] = starts[first];
    spans[2 * span_count + 1] = ends[first + length - 1];
    span_count++;
  }
  return span_count;
}

}  // namespace

extern "C" uint32_t ns_murmur3(const uint8_t *text, size_t count, uint32_t seed) {
  uint32_t hash = seed;
  const size_t block_count = count / 4;
  for (size_t block = 0; block < block_count; block++) {
    uint32_t word;
    std::memcpy(&word, text + 4 * block, 4);
    hash = rotated(hash ^ mixed_block(word), 13) * 5 + 0xe6546b64u;
  }
  uint32_t rest = 0;
  for (size_t byte = count & 3; byte > 0; byte--) {
    rest = rest << 8 | text[4 * block_count + byte - 1];
  }
  if (count & 3) hash ^= mixed_block(rest);
  hash ^= static_cast<uint32_t>(count);
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

extern "C" size_t ns_text_lower(const ns_characters *characters, const uint8_t *text, size_t count,
                                uint8_t *output) {
  size_t byte_count = 0;
  for (size_t at = 0; at < count;) {
    const Character character = decode(text + at, count - at);
    byte_count += write(characters, text + at, character, true, output + byte_count);
    at += character.count;
  }
  return byte_count;
}

extern "C" size_t ns_text_units(const ns_characters *characters, ns_unit_kind kind, int lower,
                                uint32_t least, const uint8_t *text, size_t count, uint8_t *output,
                                uint32_t *starts, uint32_t *ends) {
  Units units{output, starts, ends};
  switch (kind) {
    case ns_units_words: cut_words(characters, lower, least, text, count, units); break;
    case ns_units_characters: cut_characters(characters, lower, text, count, units); break;
    case ns_units_word_characters:
      cut_word_characters(characters, lower, text, count, units);
      break;
  }
  return units.unit_count;
}

extern "C" size_t ns_text_ngrams(ns_unit_kind kind, uint32_t smallest, uint32_t largest,
                                 const uint32_t *starts, const uint32_t *ends, size_t unit_count,
                                 uint32_t *spans) {
  size_t span_count = 0;
  if (kind != ns_units_word_characters) {
    for (uint32_t length = smallest; length <= largest; length++) {
      span_count += add_runs(length, starts, ends, unit_count, spans + 2 * span_count);
    }
    return span_count;
  }
  size_t first = 0;
  for (size_t unit = 0; unit < unit_count; unit++) {
    if (starts[unit] != ends[unit]) continue;
    // A run that is shorter than an n-gram counts once, whole, and ends there.
    for (uint32_t length = smallest; length <= largest; length++) {
      const size_t count = unit - first;
      const bool is_short = length >= count;
      const uint32_t taken = is_short ? static_cast<uint32_t>(count) : length;
      span_count += add_runs(taken, starts + first, ends + first, count, spans + 2 * span_count);
      if (is_short) break;
    }
    first = unit + 1;
  }
  return span_count;
}

extern "C" int64_t ns_terms_find(const ns_terms *terms, const uint8_t *text, size_t count) {
  const uint32_t hash = ns_murmur3(text, count, 0);
  for (uint32_t slot = hash & terms->mask;; slot = (slot + 1) & terms->mask) {
    const uint32_t place = terms->slots[2 * slot + 1];
    if (place == 0) return -1;
    if (terms->slots[2 * slot] != hash) continue;
    const uint32_t start = terms->starts[place - 1];
    if (terms->starts[place] - start != count) continue;
    if (std::memcmp(terms->bytes + start, text, count) == 0) return place - 1;
  }
}

extern "C" size_t ns_text_count(const ns_terms *terms, uint32_t column_count, int is_signed,
                                const uint8_t *bytes, const uint32_t *spans, size_t span_count,
                                uint32_t stamp, ns_count_cell *cells, uint32_t *touched) {
  size_t touched_count = 0;
  for (size_t span = 0; span < span_count; span++) {
    const uint8_t *text = bytes + spans[2 * span];
    const size_t count = spans[2 * span + 1] - spans[2 * span];
    uint32_t column;
    int32_t step = 1;
    if (terms != nullptr) {
      const int64_t place = ns_terms_find(terms, text, count);
      if (place < 0) continue;
      column = static_cast<uint32_t>(place);
    } else {
      const uint32_t hash = ns_murmur3(text, count, 0);
      const bool is_negative = hash >> 31;
      column = (is_negative ? 0 - hash : hash) % column_count;
      if (is_signed && is_negative) step = -1;
    }
    ns_count_cell &cell = cells[column];
    if (cell.stamp != stamp) {
      cell = {0, stamp};
      touched[touched_count++] = column;
    }
    cell.sum += step;
  }
  return touched_count;
}
