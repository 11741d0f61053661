// Kernels of forest_ranks.h in plain C++, which the compiler turns into each instruction set's
// vectors; included once for each.

#pragma STDC FP_CONTRACT OFF

#include "forest_vectors.h"

inline uint32_t float_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// A negative value just beyond the limit has been rounded to it, which does no harm.
uint32_t find_small(const float *floats) {
  const uint32_t limit = float_bits(kSmall);
  uint32_t smallest = UINT32_MAX;
  for (int row = 0; row < kRows; row++) {
    const uint32_t size = (float_bits(floats[row]) & 0x7fffffffu) - 1;
    smallest = size < smallest ? size : smallest;
  }
  return smallest < limit ? kHasSmall : 0;
}

uint32_t look(const float *floats, bool looks_for_small) {
  uint32_t largest = 0;
  for (int row = 0; row < kRows; row++) {
    const uint32_t size = float_bits(floats[row]) & 0x7fffffffu;
    largest = size > largest ? size : largest;
  }
  return (largest > 0x7f800000u ? kHasMissing : 0) | (looks_for_small ? find_small(floats) : 0);
}

template <typename T>
inline void mark_values(const T *values, uint8_t *missing, uint8_t *none) {
  const T limit = kSmall;
  for (int row = 0; row < kRows; row++) {
    const T value = values[row];
    missing[row] = value != value ? 255 : 0;
    none[row] = value > limit || value < -limit ? 0 : 255;
  }
}

void mark(const Values &values, uint8_t *missing, uint8_t *none) {
  if (values.doubles) {
    mark_values(values.doubles, missing, none);
  } else {
    mark_values(values.floats, missing, none);
  }
}

void patch(const uint8_t *marks, uint8_t rank, uint8_t *ranks) {
  for (int row = 0; row < kRows; row++) {
    ranks[row] = static_cast<uint8_t>((ranks[row] & ~marks[row]) | (rank & marks[row]));
  }
}

template <typename T>
inline void code_values(const T *values, T lower, uint32_t *codes) {
  for (int row = 0; row < kRows; row++) {
    const T value = values[row];
    const bool is_code = value > lower && value < static_cast<T>(2147483648.0);
    const int32_t cut = static_cast<int32_t>(is_code ? value : 0);
    const uint32_t other = value != value ? kMissing : value <= lower ? kNegative : kUnknown;
    codes[row] = is_code ? static_cast<uint32_t>(cut) : other;
  }
}

void codes(const Values &values, bool fraction_is_negative, uint32_t *result) {
  if (values.doubles) {
    // The largest double below zero's neighbours is as good as "less than zero".
    code_values<double>(values.doubles, fraction_is_negative ? -4.9406564584124654e-324 : -1.0,
                        result);
  } else {
    code_values<float>(values.floats, fraction_is_negative ? -1.40129846e-45f : -1.0f, result);
  }
}

void places(const uint32_t *codes, uint32_t universe, uint8_t *result) {
  for (int row = 0; row < kRows; row++) {
    const uint32_t code = codes[row];
    const uint32_t special = universe + (static_cast<int32_t>(code) < 0 ? code & 3 : 0);
    result[row] = static_cast<uint8_t>(code < universe ? code : special);
  }
}

void split(const uint32_t *codes, uint32_t universe, uint8_t *bytes, uint8_t *bits) {
  for (int row = 0; row < kRows; row++) {
    const uint32_t code = codes[row];
    const uint32_t special = universe + (static_cast<int32_t>(code) < 0 ? code & 3 : 0);
    const uint32_t place = code < universe ? code : special;
    bytes[row] = static_cast<uint8_t>(place >> 3);
    bits[row] = static_cast<uint8_t>(1u << (place & 7));
  }
}

inline void large_set(const uint32_t *words, uint32_t limit, const uint32_t *codes,
                      uint8_t *ranks) {
  for (int row = 0; row < kRows; row++) {
    const uint32_t code = codes[row];
    const uint32_t special = limit + (static_cast<int32_t>(code) < 0 ? code & 3 : 0);
    const uint32_t place = code < limit ? code : special;
    ranks[row] = static_cast<uint8_t>((words[place >> 5] >> (place & 31) & 1) - 1);
  }
}

// Row 64 * i + j is bit i of byte j.
void pack(const uint8_t *ranks, uint8_t *mask) {
  for (int part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    Vector bits = {};
    for (int i = 0; i < 8; i++) {
      bits |= load(ranks + kMaskBytes * i + part) & filled(static_cast<uint8_t>(1 << i));
    }
    store(mask + part, bits);
  }
}

// Looks the bytes of eight sets up for a vector of rows at a time, eight vectors make eight masks.
template <typename LookUp>
NS_INLINE void make_eight_masks(const LookUp &look_up, const uint8_t *places,
                                const EightSets &sets, uint8_t *masks) {
  for (int part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    Vector planes[8];
    for (int i = 0; i < 8; i++) planes[i] = look_up(places + kMaskBytes * i + part);
    transpose(planes);
    for (uint32_t i = 0; i < sets.count; i++) {
      store(masks + size_t(sets.columns[i]) * kMaskBytes + part, planes[i]);
    }
  }
}
