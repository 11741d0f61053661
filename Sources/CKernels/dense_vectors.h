// Vectors of kVectorBytes as the dense kernels use them; included once for each set of
// instructions, inside a namespace of its own.
//
// Every function is one IEEE operation on each lane, whatever the width, so a kernel written with
// them gives the same bits with every set. Where the instructions have no fused multiply-add, the
// compiler calls fmaf for each lane: slow, and equal.

typedef float Floats __attribute__((vector_size(kVectorBytes)));
typedef int32_t Ints __attribute__((vector_size(kVectorBytes)));
typedef double Doubles __attribute__((vector_size(kVectorBytes)));
typedef int64_t Longs __attribute__((vector_size(kVectorBytes)));
typedef uint64_t UnsignedLongs __attribute__((vector_size(kVectorBytes)));

constexpr uint32_t kFloats = kVectorBytes / sizeof(float);
constexpr uint32_t kDoubles = kVectorBytes / sizeof(double);

template <class V, class T>
NS_INLINE V load(const T *source) {
  V value;
  __builtin_memcpy(&value, source, sizeof value);
  return value;
}

template <class V, class T>
NS_INLINE void store(T *target, V value) {
  __builtin_memcpy(target, &value, sizeof value);
}

// The end of an array goes through a whole vector; lanes past `count` are zero.
template <class V, class T>
NS_INLINE V load_some(const T *source, size_t count) {
  V value{};
  __builtin_memcpy(&value, source, count * sizeof(T));
  return value;
}

template <class V, class T>
NS_INLINE void store_some(T *target, V value, size_t count) {
  __builtin_memcpy(target, &value, count * sizeof(T));
}

NS_INLINE Floats fused(Floats a, Floats b, Floats c) { return __builtin_elementwise_fma(a, b, c); }
NS_INLINE Doubles fused(Doubles a, Doubles b, Doubles c) {
  return __builtin_elementwise_fma(a, b, c);
}
NS_INLINE Floats all(float value) { return value - Floats{}; }
NS_INLINE Doubles all(double value) { return value - Doubles{}; }
NS_INLINE Ints bits(Floats value) { return (Ints)value; }
NS_INLINE Longs bits(Doubles value) { return (Longs)value; }
NS_INLINE Floats magnitude(Floats value) { return (Floats)(bits(value) & 0x7fffffff); }
NS_INLINE Floats with_sign(Floats value, Floats sign) {
  return (Floats)(bits(value) | (bits(sign) & INT32_MIN));
}

// Which NaN an operation gives depends on the order of its operands, which compilers choose.
NS_INLINE Floats one_nan(Floats v) { return v == v ? v : all(__builtin_nanf("")); }
NS_INLINE Doubles one_nan(Doubles v) { return v == v ? v : all(__builtin_nan("")); }
