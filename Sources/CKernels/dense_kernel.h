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
  float floor;    // smaller sums become this: 0 for ns_activation_relu, else -infinity
  bool is_final;  // what is not a number becomes the one NaN; no need where a layer follows
};

template <int kRows, int kVectors>
NS_INLINE void begin_sums(const Step &s, Floats (&sums)[kRows][kVectors]) {
  if (s.start != nullptr) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      const Floats start = load<Floats>(s.start + v * kFloats);
      NS_UNROLL for (int r = 0; r < kRows; r++) sums[r][v] = start;
    }
    return;
  }
  NS_UNROLL for (int r = 0; r < kRows; r++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      sums[r][v] = load<Floats>(s.output + r * s.output_stride + v * kFloats);
    }
  }
}

template <bool kIsFinal, int kRows, int kVectors>
NS_INLINE void end_sums(const Step &s, Floats (&sums)[kRows][kVectors]) {
  const Floats floor = all(s.floor);
  NS_UNROLL for (int r = 0; r < kRows; r++) {
    NS_UNROLL for (int v = 0; v < kVectors; v++) {
      const Floats sum = floor > sums[r][v] ? floor : sums[r][v];
      store(s.output + r * s.output_stride + v * kFloats, kIsFinal ? one_nan(sum) : sum);
    }
  }
}

template <int kRows, int kVectors>
NS_INLINE void add_products(const float *input, size_t row_step, const float *weights,
                            Floats (&sums)[kRows][kVectors]) {
  Floats w[kVectors];
  NS_UNROLL for (int v = 0; v < kVectors; v++) w[v] = load<Floats>(weights + v * kFloats);
  NS_UNROLL for (int r = 0; r < kRows; r++) {
    const Floats x = all(input[r * row_step]);
    NS_UNROLL for (int v = 0; v < kVectors; v++) sums[r][v] = fused(x, w[v], sums[r][v]);
  }
}

// In the order of k for each sum, whatever the shape of the kernel.
//
// The loop is unrolled for the branch predictor, which knows the end of a short one.
template <int kRows, int kVectors>
static void multiply(const Step &s) {
  Floats sums[kRows][kVectors];
  begin_sums<kRows, kVectors>(s, sums);
  const float *input = s.input;
  const float *weights = s.weights;
  const size_t row_step = s.row_step, column_step = s.column_step;
  for (uint32_t i = s.depth / kUnroll; i > 0; i--) {
    NS_UNROLL for (int k = 0; k < kUnroll; k++) {
      add_products<kRows, kVectors>(input, row_step, weights, sums);
      weights += kPanelColumns;
      input += column_step;
    }
  }
  for (uint32_t i = s.depth % kUnroll; i > 0; i--) {
    add_products<kRows, kVectors>(input, row_step, weights, sums);
    weights += kPanelColumns;
    input += column_step;
  }
  if (s.is_final) {
    end_sums<true, kRows, kVectors>(s, sums);
  } else {
    end_sums<false, kRows, kVectors>(s, sums);
  }
}

typedef void (*Multiply)(const Step &);

// The kernels for 1, 2, ... rows.
template <int kVectors, class Sequence>
struct Kernels;
template <int kVectors, int... kRows>
struct Kernels<kVectors, std::integer_sequence<int, kRows...>> {
  static constexpr Multiply table[] = {multiply<kRows + 1, kVectors>...};
};

NS_INLINE Multiply kernel_for(uint32_t rows, bool is_narrow) {
  typedef std::make_integer_sequence<int, kRowLimit> Rows;
  return (is_narrow ? Kernels<1, Rows>::table : Kernels<kVectorLimit, Rows>::table)[rows - 1];
}

constexpr uint32_t kTileColumns = kVectorLimit * kFloats;

// Runs a kernel whose last columns do not exist: in a tile of its own.
static void multiply_part(Step s, uint32_t rows, uint32_t columns) {
  float tile[kRowLimit * kTileColumns] = {};
  float *const output = s.output;
  const size_t stride = s.output_stride;
  s.output = tile;
  s.output_stride = kTileColumns;
  if (s.start == nullptr) {
    for (uint32_t r = 0; r < rows; r++) {
      for (uint32_t c = 0; c < columns; c++) tile[r * kTileColumns + c] = output[r * stride + c];
    }
  }
  kernel_for(rows, columns <= kFloats)(s);
  for (uint32_t r = 0; r < rows; r++) {
    for (uint32_t c = 0; c < columns; c++) output[r * stride + c] = tile[r * kTileColumns + c];
  }
}

// All rows times one panel of weights, in groups of nearly equal size: a lone row would wait for
// each of its sums.
static void multiply_panel(Step s, uint32_t row_count, uint32_t columns) {
  const uint32_t group_count = (row_count + kRowLimit - 1) / kRowLimit;
  const uint32_t least = row_count / group_count, larger_count = row_count % group_count;
  for (uint32_t c = 0; c < columns; c += kTileColumns) {
    Step group = s;
    group.weights += c;
    if (s.start != nullptr) group.start += c;
    group.output += c;
    for (uint32_t g = 0; g < group_count; g++) {
      const uint32_t rows = least + (g < larger_count);
      if (columns - c >= kTileColumns) {
        kernel_for(rows, false)(group);
      } else {
        multiply_part(group, rows, columns - c);
      }
      group.input += rows * s.row_step;
      group.output += rows * s.output_stride;
    }
  }
}
