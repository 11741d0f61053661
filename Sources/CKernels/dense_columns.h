// Few outputs from columns of numbers: a lane is a row; included after dense_vectors.h.

// Weight k of output n is weights[k * weight_step + n * output_step].
template <class T>
struct Columns {
  const T *input;
  size_t row_step;
  size_t column_step;
  const T *weights;
  size_t weight_step;
  size_t output_step;
  const T *start;  // one for each output; null is zero
  uint32_t depth;
  T *output;
  size_t output_stride;
  T floor;
};

// The numbers of `used` rows in one column, further lanes zero.
template <class V, class T>
NS_INLINE V load_rows(const T *source, size_t row_step, uint32_t used) {
  if (row_step == 1) return load_some<V>(source, used);
  V value{};
  for (uint32_t i = 0; i < used; i++) value[i] = source[i * row_step];
  return value;
}

template <class V, class T>
NS_INLINE void store_rows(const Columns<T> &c, T *target, V sum, uint32_t used) {
  const V floor = all(c.floor);
  const V above = sum > floor ? sum : floor;
  const V value = one_nan(sum == sum ? above : sum);
  for (uint32_t i = 0; i < used; i++) target[i * c.output_stride] = value[i];
}

// `kVectors` whole vectors of rows, or one with `used` rows in it.
template <class V, class T, int kOutputs, int kVectors>
static void multiply_rows(const Columns<T> &c, uint32_t row, uint32_t used) {
  constexpr uint32_t kLanes = sizeof(V) / sizeof(T);
  V sums[kOutputs][kVectors];
  NS_UNROLL for (int n = 0; n < kOutputs; n++) {
    const V start = all(c.start == nullptr ? T{0} : c.start[n]);
    NS_UNROLL for (int v = 0; v < kVectors; v++) sums[n][v] = start;
  }
  const T *input = c.input + row * c.row_step;
  const T *weights = c.weights;
  for (uint32_t k = 0; k < c.depth; k++) {
    V x[kVectors];
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      x[v] = kVectors == 1 ? load_rows<V>(input, c.row_step, used) : load<V>(input + v * kLanes);
    }
    NS_UNROLL for (int n = 0; n < kOutputs; n++) {
      const V w = all(weights[n * c.output_step]);
      NS_UNROLL for (int v = 0; v < kVectors; v++) sums[n][v] = fused(x[v], w, sums[n][v]);
    }
    input += c.column_step;
    weights += c.weight_step;
  }
  NS_UNROLL for (int n = 0; n < kOutputs; n++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      T *target = c.output + (row + v * kLanes) * c.output_stride + n;
      store_rows(c, target, sums[n][v], kVectors == 1 ? used : kLanes);
    }
  }
}

template <class V, class T, int kOutputs>
static void multiply_outputs(const Columns<T> &c, uint32_t row_count) {
  constexpr uint32_t kLanes = sizeof(V) / sizeof(T);
  uint32_t row = 0;
  if (c.row_step == 1) {
    for (; row + 4 * kLanes <= row_count; row += 4 * kLanes) {
      multiply_rows<V, T, kOutputs, 4>(c, row, kLanes);
    }
  }
  for (; row < row_count; row += kLanes) {
    const uint32_t used = row_count - row < kLanes ? row_count - row : kLanes;
    multiply_rows<V, T, kOutputs, 1>(c, row, used);
  }
}

// Up to four outputs at a time.
template <class V, class T>
static void multiply_columns(Columns<T> c, uint32_t row_count, uint32_t output_count) {
  for (uint32_t n = 0; n < output_count; n += 4) {
    switch (output_count - n) {
      case 1: multiply_outputs<V, T, 1>(c, row_count); break;
      case 2: multiply_outputs<V, T, 2>(c, row_count); break;
      case 3: multiply_outputs<V, T, 3>(c, row_count); break;
      default: multiply_outputs<V, T, 4>(c, row_count); break;
    }
    c.weights += 4 * c.output_step;
    if (c.start != nullptr) c.start += 4;
    c.output += 4;
  }
}
