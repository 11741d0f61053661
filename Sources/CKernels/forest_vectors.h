// Vectors of NS_VECTOR_BYTES bytes and the turning of bytes into masks of rows; included once for
// each instruction set, inside a namespace of its own.

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
