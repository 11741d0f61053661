// The functions of ns_activations.h for vectors of kVectorBytes; included after dense_vectors.h.
//
// Constants were fitted by least squares, weighted until the error was minimax (Lawson 1961).

// 2^n for -126 <= n <= 127, and for -1022 <= n <= 1023.
NS_INLINE Floats power_of_two(Ints n) { return (Floats)((n + 127) << 23); }
NS_INLINE Doubles power_of_two(Longs n) { return (Doubles)((n + 1023) << 52); }

// e^x = 2^n e^r with |r| <= ln(2) / 2, scaled in two steps because 2^n may be no normal number.
NS_INLINE Floats exp_of(Floats x) {
  x = x > 89.0f ? all(89.0f) : x;
  x = x < -105.0f ? all(-105.0f) : x;
  const Floats magic = all(0x1.8p23f);
  const Floats shifted = fused(x, all(0x1.715476p0f), magic);
  const Floats n = shifted - magic;
  Floats r = fused(n, all(-0x1.62e4p-1f), x);
  r = fused(n, all(-0x1.7f7d1cp-20f), r);
  Floats q = fused(all(0x1.6dbd4ap-10f), r, all(0x1.123b2ap-7f));
  q = fused(q, r, all(0x1.555450p-5f));
  q = fused(q, r, all(0x1.555490p-3f));
  q = fused(q, r, all(0.5f));
  const Floats p = fused(q, r * r, r) + 1.0f;
  const Ints whole = bits(shifted) - bits(magic);
  const Ints half = whole >> 1;
  const Floats scaled = p * power_of_two(half) * power_of_two(whole - half);
  return x == x ? scaled : x;
}

NS_INLINE Doubles exp_of(Doubles x) {
  x = x > 710.0 ? all(710.0) : x;
  x = x < -746.0 ? all(-746.0) : x;
  const Doubles magic = all(0x1.8p52);
  const Doubles shifted = fused(x, all(0x1.71547652b82fep0), magic);
  const Doubles n = shifted - magic;
  Doubles r = fused(n, all(-0x1.62e42fefa39efp-1), x);
  r = fused(n, all(-0x1.abc9e3b39803fp-56), r);
  Doubles q = fused(all(0x1.af799c8fd5355p-26), r, all(0x1.28b0810f3ded2p-22));
  q = fused(q, r, all(0x1.71dde7bf92826p-19));
  q = fused(q, r, all(0x1.a019965a20bfap-16));
  q = fused(q, r, all(0x1.a01a01b715d33p-13));
  q = fused(q, r, all(0x1.6c16c185bc202p-10));
  q = fused(q, r, all(0x1.111111110e25ep-7));
  q = fused(q, r, all(0x1.555555554ffcbp-5));
  q = fused(q, r, all(0x1.555555555555ep-3));
  q = fused(q, r, all(0x1.000000000000cp-1));
  const Doubles p = fused(q, r * r, r) + 1.0;
  const Longs whole = bits(shifted) - bits(magic);
  // Shifted as an unsigned number, because AVX2 has no arithmetic shift of 64 bits.
  const Longs half = (Longs)((UnsignedLongs)(whole + 2048) >> 1) - 1024;
  const Doubles scaled = p * power_of_two(half) * power_of_two(whole - half);
  return x == x ? scaled : x;
}

// 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results keep their precision.
template <class V>
NS_INLINE V sigmoid_of(V x) {
  const V e = exp_of(x < 0 ? x : -x);
  return (x < 0 ? e : V{} + 1) / (e + 1);
}

NS_INLINE Floats tanh_of(Floats x) {
  const Floats z = x * x;
  Floats p = fused(all(-0x1.95bd28p-8f), z, all(0x1.5853d0p-6f));
  p = fused(p, z, all(-0x1.b90e06p-5f));
  p = fused(p, z, all(0x1.110c92p-3f));
  p = fused(p, z, all(-0x1.555548p-2f));
  const Floats small = fused(p * z, x, x);
  const Floats t = magnitude(x);
  const Floats large = 1.0f - 2.0f / (exp_of(t + t) + 1.0f);
  return t < 0.5625f ? small : with_sign(large, x);
}

NS_INLINE Floats erf_of(Floats x) {
  const Floats z = x * x;
  Floats p = fused(all(0x1.5f1beep-14f), z, all(-0x1.aaecc2p-11f));
  p = fused(p, z, all(0x1.54db34p-8f));
  p = fused(p, z, all(-0x1.b81084p-6f));
  p = fused(p, z, all(0x1.ce2e20p-4f));
  p = fused(p, z, all(-0x1.812744p-2f));
  p = fused(p, z, all(0x1.06eba8p-3f));
  const Floats small = fused(p, x, x);
  Floats t = magnitude(x);
  t = t > 4.0f ? all(4.0f) : t;
  Floats q = fused(all(0x1.5847d8p-18f), t, all(-0x1.925e3ep-15f));
  q = fused(q, t, all(-0x1.37f3a6p-15f));
  q = fused(q, t, all(0x1.7b7a70p-9f));
  q = fused(q, t, all(-0x1.728be8p-6f));
  q = fused(q, t, all(0x1.aeed4ap-4f));
  q = fused(q, t, all(0x1.457488p-1f));
  q = fused(q, t, all(0x1.20e858p+0f));
  const Floats large = 1.0f - exp_of(-(q * t));
  return t < 0.921875f ? small : with_sign(large, x);
}

// Hendrycks and Gimpel 2016, arXiv:1606.08415; infinities times zero are avoided by hand.
NS_INLINE Floats gelu_of(Floats x) {
  const Floats g = x * 0.5f * (1.0f + erf_of(x * 0x1.6a09e6p-1f));
  return x < -6.0f ? all(0.0f) : g;
}

NS_INLINE Floats gelu_tanh_of(Floats x) {
  const Floats cubic = fused(x * x * x, all(0.044715f), x);
  const Floats g = x * 0.5f * (1.0f + tanh_of(cubic * 0x1.988454p-1f));
  return x < -6.0f ? all(0.0f) : g;
}

template <ns_activation kind>
NS_INLINE Floats activation_of(Floats x, float first, float second) {
  switch (kind) {
    case ns_activation_none: return x;
    case ns_activation_relu: return x < 0 ? all(0.0f) : x;
    case ns_activation_leaky_relu: return x < 0 ? x * first : x;
    case ns_activation_clip:
      x = x < first ? all(first) : x;
      return x > second ? all(second) : x;
    case ns_activation_sigmoid: return sigmoid_of(x);
    case ns_activation_tanh: return tanh_of(x);
    case ns_activation_gelu: return gelu_of(x);
    case ns_activation_gelu_tanh: return gelu_tanh_of(x);
    case ns_activation_exp: return exp_of(x);
    case ns_activation_erf: return erf_of(x);
  }
}

template <ns_activation kind>
static void activate(float first, float second, const float *input, float *output, size_t count) {
  size_t i = 0;
  for (; i + kFloats <= count; i += kFloats) {
    store(output + i, one_nan(activation_of<kind>(load<Floats>(input + i), first, second)));
  }
  if (i == count) return;
  const Floats rest = load_some<Floats>(input + i, count - i);
  const Floats value = one_nan(activation_of<kind>(rest, first, second));
  __builtin_memcpy(output + i, &value, (count - i) * sizeof(float));
}

template <bool is_sigmoid>
static void activate_doubles(const double *input, double *output, size_t count) {
  for (size_t i = 0; i < count; i += kDoubles) {
    const size_t used = count - i < kDoubles ? count - i : kDoubles;
    const Doubles x = load_some<Doubles>(input + i, used);
    const Doubles value = one_nan(is_sigmoid ? sigmoid_of(x) : exp_of(x));
    __builtin_memcpy(output + i, &value, used * sizeof(double));
  }
}

// One row's softmax. Sums are kept in lanes of 64 bytes whatever the vector's width, lane j adding
// elements j, j + lanes, ..., and the lanes are added in halves.
template <class V, class T>
static void softmax_row(T *row, size_t count) {
  constexpr size_t lanes = 64 / sizeof(T);
  constexpr size_t step = sizeof(V) / sizeof(T);
  T top = row[0];
  for (size_t i = 0; i < count; i++) top = row[i] > top || row[i] != row[i] ? row[i] : top;
  T sums[lanes] = {};
  for (size_t i = 0; i < count; i += step) {
    const size_t used = count - i < step ? count - i : step;
    V e = exp_of(load_some<V>(row + i, used) - top);
    __builtin_memcpy(row + i, &e, used * sizeof(T));
    e = load_some<V>(row + i, used);
    T *sum = sums + i % lanes;
    store(sum, load<V>(sum) + e);
  }
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; i++) sums[i] += sums[i + half];
  }
  for (size_t i = 0; i < count; i += step) {
    const size_t used = count - i < step ? count - i : step;
    const V value = one_nan(load_some<V>(row + i, used) / sums[0]);
    __builtin_memcpy(row + i, &value, used * sizeof(T));
  }
}

static void softmax_rows(float *rows, size_t row_stride, uint32_t row_count, uint32_t count) {
  for (uint32_t row = 0; row < row_count; row++) {
    softmax_row<Floats>(rows + row * row_stride, count);
  }
}

static void softmax_rows(double *rows, size_t row_stride, uint32_t row_count, uint32_t count) {
  for (uint32_t row = 0; row < row_count; row++) {
    softmax_row<Doubles>(rows + row * row_stride, count);
  }
}

static void activate_any(ns_activation activation, float first, float second, const float *input,
                         float *output, size_t count) {
  switch (activation) {
#define NS_CASE(kind) \
  case kind: return activate<kind>(first, second, input, output, count);
    NS_CASE(ns_activation_none)
    NS_CASE(ns_activation_relu)
    NS_CASE(ns_activation_leaky_relu)
    NS_CASE(ns_activation_clip)
    NS_CASE(ns_activation_sigmoid)
    NS_CASE(ns_activation_tanh)
    NS_CASE(ns_activation_gelu)
    NS_CASE(ns_activation_gelu_tanh)
    NS_CASE(ns_activation_exp)
    NS_CASE(ns_activation_erf)
#undef NS_CASE
  }
}
