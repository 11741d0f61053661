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
