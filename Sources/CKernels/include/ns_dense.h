// Dense layers: rows times a matrix of weights, plus a bias, through an activation.
//
//     output[r][n] = activation(bias[n] + input[r][0] * w[0][n] + input[r][1] * w[1][n] + ...)
//
// Each sum is one chain of fused multiply-adds from the bias (or zero) over the inputs in their
// order. Its bits therefore depend on the row and the weights alone: not on the instruction set,
// the row's place or the number of rows. What is not a number is the one quiet NaN 0x7fc00000.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_activations.h"
#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Every packed matrix begins at a multiple of this many bytes.
#define NS_DENSE_ALIGNMENT 64

/// A layer; the weights belong to the caller and outlive it.
typedef struct {
  const float *_Nonnull packed;  // by ns_dense_pack
  uint32_t input_count;          // at least 1
  uint32_t output_count;         // at least 1
  ns_activation activation;
  float first;   // the slope of ns_activation_leaky_relu, or the least result of _clip
  float second;  // the largest result of ns_activation_clip
} ns_dense_layer;

/// How many bytes the packed weights and bias need; a multiple of NS_DENSE_ALIGNMENT.
size_t ns_dense_packed_size(uint32_t input_count, uint32_t output_count);

/// Packs weights, once for a model, in the same way for every instruction set.
///
/// The weight from input k to output n is weights[k * input_step + n * output_step]. `bias` has
/// `output_count` numbers or is null. `packed` has ns_dense_packed_size bytes and is aligned to
/// NS_DENSE_ALIGNMENT.
void ns_dense_pack(
    const float *_Nonnull weights, size_t input_step, size_t output_step,
    const float *_Nullable bias, uint32_t input_count, uint32_t output_count,
    float *_Nonnull packed);

/// Where a block of rows lies: row r's number k is at values[r * row_step + k * column_step].
///
/// One of the steps is 1 as a rule: {values, columns, 1} is row-major, {values, 1, rows}
/// column-major. Nothing need be aligned.
typedef struct {
  const float *_Nonnull values;
  size_t row_step;
  size_t column_step;
} ns_dense_input;

/// Runs one layer over `row_count` rows; output[r * output_stride + n], which is not the input.
void ns_dense_run(
    ns_isa isa, const ns_dense_layer *_Nonnull layer, ns_dense_input input, uint32_t row_count,
    float *_Nonnull output, size_t output_stride);

/// How many bytes ns_dense_run_layers needs beside its output.
size_t ns_dense_scratch_size(const ns_dense_layer *_Nonnull layers, uint32_t layer_count);

/// Runs layers one after the other, a block of rows at a time so that what lies between two layers
/// stays in the cache.
///
/// Each layer has as many inputs as the one before it has outputs. The result has the bits that
/// ns_dense_run called for each layer gives. `scratch` has ns_dense_scratch_size bytes, aligned to
/// NS_DENSE_ALIGNMENT.
void ns_dense_run_layers(
    ns_isa isa, const ns_dense_layer *_Nonnull layers, uint32_t layer_count, ns_dense_input input,
    uint32_t row_count, float *_Nonnull output, size_t output_stride, void *_Nonnull scratch);

/// A linear model in doubles: bias[n] + the sum of input[r][k] * weights[n * input_count + k].
///
/// The result for row r is output[r * output_count + n]. The sum is a chain of fused multiply-adds
/// in the order of k, as above. Row r's number k is at input[r * row_step + k * column_step].
/// A null bias is zero.
void ns_dense_run_doubles(
    ns_isa isa, const double *_Nonnull weights, const double *_Nullable bias,
    uint32_t input_count, uint32_t output_count, const double *_Nonnull input, size_t row_step,
    size_t column_step, uint32_t row_count, double *_Nonnull output);

#ifdef __cplusplus
}
#endif
