#include "json_lines_keys.h"

#include <cstdlib>

using namespace ns_json;

uint32_t ns_json_keys::add_step(uint32_t column) {
  Step &step = steps[step_count];
  std::memset(&step, 0, sizeof step);
  step.token[0] = 0xFF;
  step.mask = 1;
  step.column = column;
  step.next = kEnd;
  step.before_next = kEnd;
  return step_count++;
}

uint32_t ns_json_keys::add_other(const uint8_t *text, size_t count, uint64_t slot) {
  if (count > kOtherNameByteLimit || other_name_count == kOtherNameLimit) return kNone;
  std::memcpy(bytes + byte_count, text, count);
  names[name_count] =
      Name{byte_count, static_cast<uint32_t>(count), column_count, kNone, kNone};
  byte_count += static_cast<uint32_t>(count);
  other_name_count++;
  slots[slot] = name_count;
  return name_count++;
}

uint32_t ns_json_keys::step(const uint8_t *text, size_t count, bool is_first, uint32_t *column) {
  *column = column_count;
  if (count > longest_name) return kOther;
  uint64_t slot;
  uint32_t found = find(text, count, &slot);
  if (found == kNone) found = add_other(text, count, slot);
  if (found == kNone) return kOther;
  Name &name = names[found];
  *column = name.column;
  if (is_first) {
    // The token of a first step begins with the brace: it must not serve a later member.
    if (name.first_step == kNone && first_step_count < kFirstStepLimit) {
      name.first_step = add_step(name.column);
      first_step_count++;
    }
    return name.first_step == kNone ? kOther : name.first_step;
  }
  if (name.step == kNone) name.step = add_step(name.column);
  return name.step;
}

void ns_json_keys::learn(uint32_t before, uint32_t step, const uint8_t *token, size_t length) {
  const bool is_empty_object = before == kBegin && step == kEnd;  // its token has both braces
  if (step != kOther && !is_empty_object && length <= kTokenLimit) {
    Step &known = steps[step];
    std::memset(known.token, 0, kTokenLimit);
    std::memcpy(known.token, token, length);
    known.length = static_cast<uint32_t>(length);
    known.mask = ~uint64_t{0} >> (64 - length);
  }
  Step &from = steps[before];
  if (from.next == step) return;
  from.before_next = from.next;
  from.next = step;
}

ns_json_keys *ns_json_keys_make(const uint8_t *names, const uint32_t *ends, uint32_t count) {
  ns_json_keys *keys = static_cast<ns_json_keys *>(std::calloc(1, sizeof(ns_json_keys)));
  if (keys == nullptr) return nullptr;
  const size_t byte_count = count == 0 ? 0 : ends[count - 1];
  const size_t name_limit = size_t{count} + kOtherNameLimit;
  const size_t step_limit = name_limit + kFirstStepLimit + kFixedStepCount;
  uint64_t slot_count = 4096;
  while (slot_count < 2 * name_limit) slot_count *= 2;
  keys->longest_name = kOtherNameByteLimit;
  uint32_t start = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (ends[i] - start > keys->longest_name) keys->longest_name = ends[i] - start;
    start = ends[i];
  }
  keys->steps = static_cast<Step *>(
      std::aligned_alloc(64, (step_limit * sizeof(Step) + 63) & ~size_t{63}));
  keys->names = static_cast<Name *>(std::malloc(name_limit * sizeof(Name)));
  keys->slots = static_cast<uint32_t *>(std::malloc(slot_count * sizeof(uint32_t)));
  keys->bytes = static_cast<uint8_t *>(
      std::malloc(byte_count + kOtherNameLimit * size_t{kOtherNameByteLimit}));
  keys->scratch = static_cast<uint8_t *>(std::malloc(6 * size_t{keys->longest_name} + 64));
  if (keys->steps == nullptr || keys->names == nullptr || keys->slots == nullptr ||
      keys->bytes == nullptr || keys->scratch == nullptr) {
    ns_json_keys_free(keys);
    return nullptr;
  }
  std::memset(keys->slots, 0xFF, slot_count * sizeof(uint32_t));
  keys->slot_mask = slot_count - 1;
  keys->column_count = count;
  for (uint32_t i = 0; i < kFixedStepCount; i++) keys->add_step(count);
  if (byte_count > 0) std::memcpy(keys->bytes, names, byte_count);
  keys->byte_count = static_cast<uint32_t>(byte_count);
  start = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t slot;
    const uint32_t length = ends[i] - start;
    if (keys->find(keys->bytes + start, length, &slot) == kNone) keys->slots[slot] = i;
    keys->names[i] = Name{start, length, i, kNone, kNone};
    keys->name_count++;
    start = ends[i];
  }
  return keys;
}

void ns_json_keys_free(ns_json_keys *keys) {
  std::free(keys->steps);
  std::free(keys->names);
  std::free(keys->slots);
  std::free(keys->bytes);
  std::free(keys->scratch);
  std::free(keys);
}
