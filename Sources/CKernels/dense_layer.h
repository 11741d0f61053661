// Whole layers from the kernels; included after dense_kernel.h and dense_columns.h.

// Layers with at most this many outputs have rows in lanes.
constexpr uint32_t kFewOutputs = 4;

static void run_few(const ns_dense_layer &layer, const ns_dense_input &input, uint32_t row_count,
                    float *output, size_t output_stride, float floor, bool) {
  Columns<float> c{};
  c.input = input.values;
  c.row_step = input.row_step;
  c.column_step = input.column_step;
  c.start = layer.packed;
  c.weights = layer.packed + kPanelColumns;
  c.weight_step = kPanelColumns;
  c.output_step = 1;
  c.depth = layer.input_count;
  c.output = output;
  c.output_stride = output_stride;
  c.floor = floor;
  multiply_columns<Floats>(c, row_count, layer.output_count);
}

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

// One block of rows. Weights are read kDepthLimit at a time, so that those of a panel stay in the
// first cache and the inputs in the second; sums under way wait in the output, which does not
// change their bits.
static void run_block(const ns_dense_layer &layer, const ns_dense_input &input, uint32_t row_count,
                      float *output, size_t output_stride, float floor, bool is_final) {
  const size_t panel_size = size_t(kPanelColumns) * (layer.input_count + 1);
  for (uint32_t k = 0; k < layer.input_count; k += kDepthLimit) {
    const uint32_t left = layer.input_count - k;
    Step s{};
    s.input = input.values + k * input.column_step;
    s.row_step = input.row_step;
    s.column_step = input.column_step;
    s.depth = left < kDepthLimit ? left : kDepthLimit;
    s.output_stride = output_stride;
    s.floor = left <= kDepthLimit ? floor : -__builtin_inff();
    s.is_final = is_final && left <= kDepthLimit;
    const float *panel = layer.packed;
    for (uint32_t n = 0; n < layer.output_count; n += kPanelColumns, panel += panel_size) {
      s.weights = panel + size_t(kPanelColumns) * (k + 1);
      s.start = k == 0 ? panel : nullptr;
      s.output = output + n;
      const uint32_t columns = layer.output_count - n;
      multiply_panel(s, row_count, columns < kPanelColumns ? columns : kPanelColumns);
    }
  }
}

// `is_final` says that the output is no layer's input: its NaNs become the one NaN.
static void run_layer(ns_isa isa, const ns_dense_layer &layer, ns_dense_input input,
                      uint32_t row_count, float *output, size_t output_stride, bool is_final) {
  const float floor = layer.activation == ns_activation_relu ? 0 : -__builtin_inff();
  const bool is_done = layer.activation == ns_activation_none ||
                       layer.activation == ns_activation_relu;
  const bool is_few = layer.output_count <= kFewOutputs;
  for (uint32_t row = 0; row < row_count; row += kBlockRows) {
    const uint32_t rows = row_count - row < kBlockRows ? row_count - row : kBlockRows;
    (is_few ? run_few : run_block)(layer, input, rows, output, output_stride, floor, is_final);
    if (!is_done) {
      activate_rows(isa, layer, output, output_stride, rows);
    }
    input.values += rows * input.row_step;
    output += rows * output_stride;
  }
}

static void run_doubles(const Columns<double> &columns, uint32_t row_count, uint32_t output_count) {
  multiply_columns<Doubles>(columns, row_count, output_count);
}
