// What the kernels of forest_nodes.cpp and oblivious.cpp share, for vectors of NS_VECTOR_BYTES
// bytes; included once for each instruction set, inside a namespace of its own.

#include "forest_vectors.h"

// above[k] = (the digit in four planes > k), for k = 0 ..< 16; the last is no rows.
NS_INLINE void compare_digit(const Vector planes[4], Vector above[16]) {
  above[0] = planes[0];
  above[1] = Vector{};
  for (int bit = 1; bit < 4; bit++) {
    const int half = 1 << bit;
    for (int k = 0; k < half; k++) {
      above[k + half] = above[k] & planes[bit];
      above[k] |= planes[bit];
    }
  }
}

static void make_digits(const uint8_t *ranks, uint8_t *masks) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    Vector planes[8], above[16];
    for (int i = 0; i < 8; i++) planes[i] = load(ranks + i * 64 + part);
    transpose(planes);
    uint8_t *to = masks + part;
    store(to, ~Vector{});
    compare_digit(planes + 4, above);
    for (uint32_t k = 0; k < 16; k++) store(to + (k + 1) * kMaskBytes, above[k]);
    to += TestPlan::kHighMasks * kMaskBytes;
    compare_digit(planes, above);
    for (uint32_t k = 0; k < 15; k++) store(to + k * kMaskBytes, above[k]);
  }
}

static void make_singles(const uint8_t *ranks, const uint8_t *thresholds, uint32_t count,
                         uint8_t *masks) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    for (uint32_t i = 0; i < count; i++) {
      const Bytes threshold = Bytes{} + thresholds[i];
      Vector mask = {};
      for (int bit = 0; bit < 8; bit++) {
        const Bytes rank = reinterpret_cast<Bytes>(load(ranks + bit * 64 + part));
        mask |= reinterpret_cast<Vector>(rank > threshold) & filled(uint8_t(1 << bit));
      }
      store(masks + i * kMaskBytes + part, mask);
    }
  }
}

// Makes every mask of a plan for one block of ranks.
static void make_masks(const TestPlan &plan, const uint8_t *ranks, uint8_t *masks) {
  memset(masks + kEveryMask * kMaskBytes, 0xff, kMaskBytes);
  memset(masks + kNoMask * kMaskBytes, 0, kMaskBytes);
  for (const TestColumn &column : plan.columns) {
    const uint8_t *from = ranks + size_t(column.column) * kRows;
    uint8_t *to = masks + size_t(column.first) * kMaskBytes;
    if (column.threshold_count == 0) {
      make_digits(from, to);
    } else {
      const uint8_t *thresholds = plan.thresholds.data() + column.first_threshold;
      make_singles(from, thresholds, column.threshold_count, to);
    }
  }
}

// The rows that pass a test whose masks begin at `high` and at `low`.
NS_INLINE Vector passing(const uint8_t *high, const uint8_t *low) {
  return load(high + kMaskBytes) | (load(high) & load(low));
}
