#pragma once

// The names of members, and which one is likely to follow which.
//
// A step is a member's name as it stood in the text, from the end of the value before it to the
// begin of its own: `, "name": `. Where a record has the same step after the same step as the last
// one had, comparing the bytes is all there is to do.

#include "ns_json_lines.h"

#include <cstring>

namespace ns_json {

constexpr uint32_t kNone = 0xFFFFFFFF;
constexpr uint32_t kTokenLimit = 64;
// Names that no column has: so many are remembered, up to this length, so that they are passed
// over fast as well.
constexpr uint32_t kOtherNameLimit = 1024;
constexpr uint32_t kOtherNameByteLimit = 48;
// Further steps for names that come first in some records and later in others.
constexpr uint32_t kFirstStepLimit = 1024;

// The steps that every table has: before the first member, the end, and names not remembered.
enum : uint32_t { kBegin = 0, kEnd = 1, kOther = 2, kFixedStepCount = 3 };

struct alignas(64) Step {
  uint8_t token[kTokenLimit];
  uint64_t mask;    // bit i: byte i of the token counts
  uint32_t length;  // of the token; without one, mask and token never match JSON and length is 0
  uint32_t column;  // where the value goes; the column count for nowhere
  uint32_t next;    // the step that came next the last time
  uint32_t before_next;  // the one that came next before that changed
};

struct Name {
  uint32_t start;  // in Keys::bytes
  uint32_t length;
  uint32_t column;
  uint32_t step;        // kNone until it is seen
  uint32_t first_step;  // where it is the first member
};

inline uint64_t hash(const uint8_t *text, size_t count) {
  // Mixes like the finaliser of MurmurHash3 (Austin Appleby, public domain).
  uint64_t state = count * 0x9E3779B97F4A7C15;
  while (count > 0) {
    uint64_t word = 0;
    const size_t taken = count < 8 ? count : 8;
    std::memcpy(&word, text, taken);
    state = (state ^ word) * 0xFF51AFD7ED558CCD;
    state ^= state >> 32;
    text += taken;
    count -= taken;
  }
  return state;
}

}  // namespace ns_json

struct ns_json_keys {
  ns_json::Step *steps;
  ns_json::Name *names;
  uint32_t *slots;  // name, or kNone; open addressing
  uint8_t *bytes;
  uint8_t *scratch;  // for a name with backslashes: 6 * longest_name bytes
  uint64_t slot_mask;
  uint32_t column_count;
  uint32_t step_count;
  uint32_t name_count;
  uint32_t byte_count;
  uint32_t longest_name;
  uint32_t other_name_count;
  uint32_t first_step_count;
  uint32_t lanes_pause;

  // The name's number, or kNone.
  uint32_t find(const uint8_t *text, size_t count, uint64_t *slot) const {
    for (*slot = ns_json::hash(text, count) & slot_mask;; *slot = (*slot + 1) & slot_mask) {
      const uint32_t found = slots[*slot];
      if (found == ns_json::kNone) return ns_json::kNone;
      const ns_json::Name &name = names[found];
      if (name.length == count && std::memcmp(bytes + name.start, text, count) == 0) return found;
    }
  }

  // The step for a name (unescaped), made where it is new; kOther where no more are remembered.
  // `column` is set in either case.
  uint32_t step(const uint8_t *text, size_t count, bool is_first, uint32_t *column);

  // Notes a step's token and that it followed another.
  void learn(uint32_t before, uint32_t step, const uint8_t *token, size_t length);

  uint32_t add_step(uint32_t column);
  uint32_t add_other(const uint8_t *text, size_t count, uint64_t slot);
};
