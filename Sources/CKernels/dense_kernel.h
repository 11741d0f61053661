// The micro-kernel: a few rows times a few vectors of packed weights, all sums in registers;
// included after dense_vectors.h.

// One call's work.
struct Step {
  const float *input;  // as in ns_dense_input
  size_t row_step;
  size_t column_step;
  const float *weights;  // `depth` groups, kPanelColumns apart
  const float *start;    // what the sums begin with, for all rows; null: what is in `output`
  uint32_t depth;
  float *output;
  size_t output_stride;
  uint32_t columns;  // that are stored
  float floor;       // smaller sums become this: 0 for ns_activation_relu, else -infinity
};

// How many of `columns` lie in vector v.
NS_INLINE uint32_t columns_in(uint32_t columns, uint32_t v) {
  const uint32_t left = columns < v * kFloats ? 0 : columns - v * kFloats;
  return left < kFloats ? left : kFloats;
}

NS_INLINE Floats load_columns(const float *source, uint32_t count) {
  return count == kFloats ? load<Floats>(source) : load_some<Floats>(source, count);
}

template <int kRows, int kVectors>
NS_INLINE void begin_sums(const Step &s, Floats (&sums)[kRows][kVectors]) {
  NS_UNROLL for (int v = 0; v < kVectors; v++) {
    const Floats start = s.start == nullptr ? Floats{} : load<Floats>(s.start + v * kFloats);
    NS_UNROLL for (int r = 0; r < kRows; r++) sums[r][v] = start;
  }
  if (s.start != nullptr) return;
  NS_UNROLL for (int r = 0; r < kRows; r++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      const float *source = s.output + r * s.output_stride + v * kFloats;
      sums[r][v] = load_columns(source, columns_in(s.columns, v));
    }
  }
}

template <int kRows, int kVectors>
NS_INLINE void end_sums(const Step &s, Floats (&sums)[kRows][kVectors]) {
  const Floats floor = all(s.floor);
  NS_UNROLL for (int r = 0; r < kRows; r++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      const Floats sum = sums[r][v];
      const Floats above = sum > floor ? sum : floor;
      const Floats value = sum == sum ? above : all(__builtin_nanf(""));
      float *target = s.output + r * s.output_stride + v * kFloats;
      const uint32_t count = columns_in(s.columns, v);
      if (count == kFloats) {
        store(target, value);
      } else {
        store_some(target, value, count);
      }
    }
  }
}

// In the order of k for each sum, whatever the shape of the kernel.
template <int kRows, int kVectors>
static void multiply(const Step &s) {
  Floats sums[kRows][kVectors];
  begin_sums<kRows, kVectors>(s, sums);
  const float *input = s.input;
  const float *weights = s.weights;
  const size_t row_step = s.row_step, column_step = s.column_step;
  for (uint32_t k = s.depth; k > 0; k--) {
    Floats w[kVectors];
    NS_UNROLL for (int v = 0; v < kVectors; v++) w[v] = load<Floats>(weights + v * kFloats);
    NS_UNROLL for (int r = 0; r < kRows; r++) {
      const Floats x = all(input[r * row_step]);
      NS_UNROLL for (int v = 0; v < kVectors; v++) sums[r][v] = fused(x, w[v], sums[r][v]);
    }
    weights += kPanelColumns;
    input += column_step;
  }
  end_sums<kRows, kVectors>(s, sums);
}

typedef void (*Multiply)(const Step &);

// The kernels for 1, 2, ... rows.
template <int kVectors, class Sequence>
struct Kernels;
template <int kVectors, int... kRows>
struct Kernels<kVectors, std::integer_sequence<int, kRows...>> {
  static constexpr Multiply table[] = {multiply<kRows + 1, kVectors>...};
};

NS_INLINE Multiply kernel_for(uint32_t rows, uint32_t columns) {
  typedef std::make_integer_sequence<int, kRowLimit> Rows;
  const auto &table = columns > kFloats ? Kernels<kVectorLimit, Rows>::table
                                        : Kernels<1, Rows>::table;
  return table[rows - 1];
}

// All rows times one panel of weights, in groups of nearly equal size: a lone row would wait for
// each of its sums.
static void multiply_panel(Step s, uint32_t row_count, uint32_t panel_columns) {
  const uint32_t group_count = (row_count + kRowLimit - 1) / kRowLimit;
  const uint32_t least = row_count / group_count, larger_count = row_count % group_count;
  for (uint32_t c = 0; c < panel_columns; c += kVectorLimit * kFloats) {
    Step group = s;
    group.weights += c;
    if (s.start != nullptr) group.start += c;
    group.output += c;
    group.columns = panel_columns - c;
    if (group.columns > kVectorLimit * kFloats) group.columns = kVectorLimit * kFloats;
    for (uint32_t g = 0; g < group_count; g++) {
      const uint32_t rows = least + (g < larger_count);
      kernel_for(rows, group.columns)(group);
      group.input += rows * s.row_step;
      group.output += rows * s.output_stride;
    }
  }
}
