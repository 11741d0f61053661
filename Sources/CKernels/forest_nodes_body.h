// The kernels of forest_nodes.cpp and oblivious.cpp for vectors of NS_VECTOR_BYTES bytes; included
// once for each instruction set, inside a namespace of its own.

typedef uint64_t Vector __attribute__((vector_size(NS_VECTOR_BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(NS_VECTOR_BYTES)));
typedef Vector LooseVector __attribute__((aligned(1), may_alias));

#define NS_INLINE static inline __attribute__((always_inline))

NS_INLINE Vector load(const uint8_t *from) {
  return *reinterpret_cast<const LooseVector *>(from);
}

NS_INLINE void store(uint8_t *to, Vector value) { *reinterpret_cast<LooseVector *>(to) = value; }

NS_INLINE Vector filled(uint8_t byte) { return reinterpret_cast<Vector>(Bytes{} + byte); }

// Trades bits between bytes: those of `high` that `mask` names for those of `low` a shift above.
template <int kShift>
NS_INLINE void trade(Vector &low, Vector &high, Vector mask) {
#if NS_VECTOR_BYTES == 64
  // A select is one instruction.
  const Vector new_high = ((low >> kShift) & mask) | (high & ~mask);
  low = (low & mask) | ((high << kShift) & ~mask);
  high = new_high;
#else
  const Vector difference = ((low >> kShift) ^ high) & mask;
  high ^= difference;
  low ^= difference << kShift;
#endif
}

// Eight vectors of bytes to eight planes of bits, and back: bit i of byte j of plane p is bit p of
// byte j of vector i. Three rounds of trades, as for any 8 x 8 transposition (Warren, "Hacker's
// Delight", 7-3).
NS_INLINE void transpose(Vector v[8]) {
  const Vector nibbles = filled(0x0f), pairs = filled(0x33), bits = filled(0x55);
  for (int i = 0; i < 4; i++) trade<4>(v[i], v[i + 4], nibbles);
  for (int i = 0; i < 8; i += 4) {
    trade<2>(v[i], v[i + 2], pairs);
    trade<2>(v[i + 1], v[i + 3], pairs);
  }
  for (int i = 0; i < 8; i += 2) trade<1>(v[i], v[i + 1], bits);
}

// above[k] = (the number in four planes > k), for k = 0 ..< 16.
NS_INLINE void compare_nibble(const Vector planes[4], Vector above[16]) {
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

// The masks of a column with many thresholds: from the high nibble of the rank and the low one.
static void masks_by_nibbles(const uint8_t *ranks, const uint8_t *thresholds, uint32_t count,
                             uint8_t *masks) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    Vector planes[8], low[16], reaches[17];  // reaches[h] = (high nibble >= h)
    for (int i = 0; i < 8; i++) planes[i] = load(ranks + i * 64 + part);
    transpose(planes);
    compare_nibble(planes, low);
    compare_nibble(planes + 4, reaches + 1);
    reaches[0] = ~Vector{};
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t k = thresholds[i];
      const Vector *reach = reaches + (k >> 4);
      store(masks + i * kMaskBytes + part, reach[1] | (reach[0] & low[k & 15]));
    }
  }
}

// The masks of a column with few thresholds: a comparison each.
static void masks_by_compare(const uint8_t *ranks, const uint8_t *thresholds, uint32_t count,
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

static void make_masks(const MaskPlan &plan, const uint8_t *ranks, uint8_t *masks) {
  memset(masks, 0xff, kMaskBytes);
  for (const MaskColumn &column : plan.columns) {
    const uint8_t *from = ranks + size_t(column.column) * kRows;
    const uint8_t *thresholds = &plan.thresholds[column.first - 1];
    uint8_t *to = masks + size_t(column.first) * kMaskBytes;
    if (column.count < kNibbleThresholds) {
      masks_by_compare(from, thresholds, column.count, to);
    } else {
      masks_by_nibbles(from, thresholds, column.count, to);
    }
  }
}
