#include "ns_dense.h"

#include <utility>

#include "dense_sets.h"

#pragma STDC FP_CONTRACT OFF

namespace {

// Measured: the sums of a block of so many rows, and a panel's weights for so many inputs, leave
// room in the second and the first cache.
constexpr uint32_t kBlockRows = 96;
constexpr uint32_t kDepthLimit = 512;

void activate_rows(ns_isa isa, const ns_dense_layer &layer, float *output, size_t output_stride,
                   uint32_t row_count) {
  if (output_stride == layer.output_count) {
    return ns_activate(isa, layer.activation, layer.first, layer.second, output, output,
                       size_t(row_count) * output_stride);
  }
  for (uint32_t row = 0; row < row_count; row++, output += output_stride) {
    ns_activate(isa, layer.activation, layer.first, layer.second, output, output,
                layer.output_count);
  }
}

namespace portable {
constexpr uint32_t kVectorBytes = 16;
constexpr int kRowLimit = 4, kVectorLimit = 4, kUnroll = 1;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "dense_columns.h"
#include "dense_layer.h"
}  // namespace portable

#if defined(__x86_64__)
NS_BEGIN_AVX2
namespace avx2 {
constexpr uint32_t kVectorBytes = 32;
constexpr int kRowLimit = 6, kVectorLimit = 2, kUnroll = 4;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "dense_columns.h"
#include "dense_layer.h"
}  // namespace avx2
NS_END_SET

NS_BEGIN_AVX512
namespace avx512 {
constexpr uint32_t kVectorBytes = 64;
constexpr int kRowLimit = 12, kVectorLimit = 2, kUnroll = 4;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "dense_columns.h"
#include "dense_layer.h"
}  // namespace avx512
NS_END_SET
#endif

size_t panel_count(uint32_t output_count) {
  return (size_t(output_count) + kPanelColumns - 1) / kPanelColumns;
}

// Rows of what lies between two layers: not a power of two apart, or they would share cache sets.
size_t padded_width(const ns_dense_layer *layers, uint32_t layer_count) {
  size_t width = 0;
  for (uint32_t i = 0; i + 1 < layer_count; i++) {
    if (layers[i].output_count > width) width = layers[i].output_count;
  }
  return (width + 15) / 16 * 16 + 16;
}

void run(ns_isa isa, const ns_dense_layer &layer, const ns_dense_input &input, uint32_t row_count,
         float *output, size_t stride, bool is_final) {
#if defined(__x86_64__)
  switch (isa) {
    case ns_isa_avx512:
      return avx512::run_layer(isa, layer, input, row_count, output, stride, is_final);
    case ns_isa_avx2:
      return avx2::run_layer(isa, layer, input, row_count, output, stride, is_final);
    case ns_isa_portable: break;
  }
#endif
  portable::run_layer(isa, layer, input, row_count, output, stride, is_final);
}

}  // namespace

size_t ns_dense_packed_size(uint32_t input_count, uint32_t output_count) {
  return panel_count(output_count) * kPanelColumns * (size_t(input_count) + 1) * sizeof(float);
}

void ns_dense_pack(const float *weights, size_t input_step, size_t output_step, const float *bias,
                   uint32_t input_count, uint32_t output_count, float *packed) {
  for (size_t first = 0; first < output_count; first += kPanelColumns) {
    for (uint32_t i = 0; i < kPanelColumns; i++) {
      const bool is_real = first + i < output_count;
      packed[i] = is_real && bias != nullptr ? bias[first + i] : 0;
    }
    packed += kPanelColumns;
    for (size_t k = 0; k < input_count; k++, packed += kPanelColumns) {
      const float *row = weights + k * input_step + first * output_step;
      for (uint32_t i = 0; i < kPanelColumns; i++) {
        packed[i] = first + i < output_count ? row[i * output_step] : 0;
      }
    }
  }
}

void ns_dense_run(ns_isa isa, const ns_dense_layer *layer, ns_dense_input input, uint32_t row_count,
                  float *output, size_t output_stride) {
  run(isa, *layer, input, row_count, output, output_stride, true);
}

size_t ns_dense_scratch_size(const ns_dense_layer *layers, uint32_t layer_count) {
  return 2 * kBlockRows * padded_width(layers, layer_count) * sizeof(float);
}

void ns_dense_run_layers(ns_isa isa, const ns_dense_layer *layers, uint32_t layer_count,
                         ns_dense_input input, uint32_t row_count, float *output,
                         size_t output_stride, void *scratch) {
  const size_t width = padded_width(layers, layer_count);
  float *const buffers = static_cast<float *>(scratch);
  for (uint32_t row = 0; row < row_count; row += kBlockRows) {
    const uint32_t rows = row_count - row < kBlockRows ? row_count - row : kBlockRows;
    ns_dense_input from = input;
    from.values += row * input.row_step;
    for (uint32_t i = 0; i + 1 < layer_count; i++) {
      float *const to = buffers + (i & 1) * kBlockRows * width;
      run(isa, layers[i], from, rows, to, width, false);
      from = {to, width, 1};
    }
    float *const last = output + row * output_stride;
    run(isa, layers[layer_count - 1], from, rows, last, output_stride, true);
  }
}

void ns_dense_run_doubles(ns_isa isa, const double *weights, const double *bias,
                          uint32_t input_count, uint32_t output_count, const double *input,
                          size_t row_step, size_t column_step, uint32_t row_count, double *output) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) {
    return avx512::run_doubles({input, row_step, column_step, weights, 1, input_count, bias,
                                input_count, output, output_count, -__builtin_inf()},
                               row_count, output_count);
  }
  if (isa == ns_isa_avx2) {
    return avx2::run_doubles({input, row_step, column_step, weights, 1, input_count, bias,
                              input_count, output, output_count, -__builtin_inf()},
                             row_count, output_count);
  }
#endif
  portable::run_doubles({input, row_step, column_step, weights, 1, input_count, bias, input_count,
                         output, output_count, -__builtin_inf()},
                        row_count, output_count);
}
