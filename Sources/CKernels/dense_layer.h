// Whole layers from the kernels; included after dense_kernel.h and dense_columns.h.

// Layers with at most this many outputs take columns of input as they are.
constexpr uint32_t kFewOutputs = 4;

static void run_few(const ns_dense_layer &layer, const ns_dense_input &input, uint32_t row_count,
                    float *output, size_t output_stride, float floor) {
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

// One block of rows. Weights are read kDepthLimit at a time, so that those of a panel stay in the
// first cache and the inputs in the second; sums under way wait in the output, which does not
// change their bits.
static void run_block(const ns_dense_layer &layer, const ns_dense_input &input, uint32_t row_count,
                      float *output, size_t output_stride, float floor) {
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

static bool is_done_by_kernel(ns_activation activation) {
  return activation == ns_activation_none || activation == ns_activation_relu;
}

static void run_layer(ns_isa isa, const ns_dense_layer &layer, ns_dense_input input,
                      uint32_t row_count, float *output, size_t output_stride) {
  const float floor = layer.activation == ns_activation_relu ? 0 : -__builtin_inff();
  const bool is_few = layer.output_count <= kFewOutputs && input.row_step == 1;
  for (uint32_t row = 0; row < row_count; row += kBlockRows) {
    const uint32_t rows = row_count - row < kBlockRows ? row_count - row : kBlockRows;
    (is_few ? run_few : run_block)(layer, input, rows, output, output_stride, floor);
    if (!is_done_by_kernel(layer.activation)) {
      activate_rows(isa, layer, output, output_stride, rows);
    }
    input.values += rows * input.row_step;
    output += rows * output_stride;
  }
}

static void run_doubles(const Columns<double> &columns, uint32_t row_count, uint32_t output_count) {
  multiply_columns<Doubles>(columns, row_count, output_count);
}
