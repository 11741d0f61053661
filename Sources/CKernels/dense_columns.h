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

// Lane i of the first half of each 16 bytes, of a and b in turn; and of the second half.
template <int... kLane>
NS_INLINE Floats firsts(Floats a, Floats b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(
      a, b, (kLane / 4 * 4 + kLane % 4 / 2 + (kLane % 2 != 0 ? int(kFloats) : 0))...);
}

template <int... kLane>
NS_INLINE Floats seconds(Floats a, Floats b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(
      a, b, (kLane / 4 * 4 + 2 + kLane % 4 / 2 + (kLane % 2 != 0 ? int(kFloats) : 0))...);
}

// Four columns of kFloats rows, from rows whose numbers are side by side.
NS_INLINE void load_four_columns(const float *source, size_t row_step, Floats (&columns)[4]) {
  typedef std::make_integer_sequence<int, kFloats> Lanes;
  Floats rows[4];
  NS_UNROLL for (uint32_t i = 0; i < 4; i++) {
    NS_UNROLL for (uint32_t part = 0; part < kFloats / 4; part++) {
      __builtin_memcpy(reinterpret_cast<char *>(&rows[i]) + part * 16,
                       source + (part * 4 + i) * row_step, 16);
    }
  }
  const Floats a = firsts(rows[0], rows[2], Lanes()), b = firsts(rows[1], rows[3], Lanes());
  const Floats c = seconds(rows[0], rows[2], Lanes()), d = seconds(rows[1], rows[3], Lanes());
  columns[0] = firsts(a, b, Lanes());
  columns[1] = seconds(a, b, Lanes());
  columns[2] = firsts(c, d, Lanes());
  columns[3] = seconds(c, d, Lanes());
}

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
  const V value = one_nan(floor > sum ? floor : sum);
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

// `kVectors` whole vectors of rows whose numbers are side by side.
template <int kOutputs, int kVectors>
static void multiply_whole_rows(const Columns<float> &c, uint32_t row) {
  Floats sums[kOutputs][kVectors];
  NS_UNROLL for (int n = 0; n < kOutputs; n++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) sums[n][v] = all(c.start[n]);
  }
  const float *input = c.input + row * c.row_step;
  const float *weights = c.weights;
  uint32_t k = 0;
  for (; k + 4 <= c.depth; k += 4) {
    Floats x[kVectors][4];
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      load_four_columns(input + v * kFloats * c.row_step, c.row_step, x[v]);
    }
    NS_UNROLL for (int i = 0; i < 4; i++, weights += c.weight_step) {
      NS_UNROLL for (int n = 0; n < kOutputs; n++) {
        const Floats w = all(weights[n * c.output_step]);
        NS_UNROLL for (int v = 0; v < kVectors; v++) sums[n][v] = fused(x[v][i], w, sums[n][v]);
      }
    }
    input += 4;
  }
  for (; k < c.depth; k++, input++, weights += c.weight_step) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      const Floats x = load_rows<Floats>(input + v * kFloats * c.row_step, c.row_step, kFloats);
      NS_UNROLL for (int n = 0; n < kOutputs; n++) {
        sums[n][v] = fused(x, all(weights[n * c.output_step]), sums[n][v]);
      }
    }
  }
  NS_UNROLL for (int n = 0; n < kOutputs; n++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      store_rows(c, c.output + (row + v * kFloats) * c.output_stride + n, sums[n][v], kFloats);
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
  } else if constexpr (sizeof(T) == sizeof(float)) {
    if (c.column_step == 1) {
      for (; row + 2 * kLanes <= row_count; row += 2 * kLanes) {
        multiply_whole_rows<kOutputs, 2>(c, row);
      }
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
