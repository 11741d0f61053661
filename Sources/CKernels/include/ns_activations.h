// Functions applied to each number, and softmax, on our own polynomials.
//
// The bits depend on the number alone: not on the instruction set, the place in an array or the
// array's length. What is not a number gives the one quiet NaN 0x7fc00000 (0x7ff8000000000000).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a layer does to each of its sums.
///
/// Errors are in units in the last place of the exact result, subnormal results included; for gelu
/// they are absolute, because its tail is a difference of nearly equal numbers.
typedef enum {
  ns_activation_none = 0,
  ns_activation_relu = 1,        // 0 where x < 0, else x
  ns_activation_leaky_relu = 2,  // x * first where x < 0, else x
  ns_activation_clip = 3,        // the nearest number in [first, second]
  ns_activation_sigmoid = 4,     // 1 / (1 + e^-x); 2.5 units
  ns_activation_tanh = 5,        // 1.5 units
  ns_activation_gelu = 6,        // x / 2 * (1 + erf(x / sqrt(2))); 1.5e-7 * max(1, |x|)
  ns_activation_gelu_tanh = 7,   // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))); the same
  ns_activation_exp = 8,         // 1.1 units
  ns_activation_erf = 9,         // 1.25 units
} ns_activation;

/// Applies an activation to `count` floats; `output` may be `input`, and neither need be aligned.
void ns_activate(
    ns_isa isa, ns_activation activation, float first, float second, const float *_Nonnull input,
    float *_Nonnull output, size_t count);

/// e^x for `count` doubles, within 5e-16 of the exact result; `output` may be `input`.
void ns_exp_doubles(
    ns_isa isa, const double *_Nonnull input, double *_Nonnull output, size_t count);

/// 1 / (1 + e^-x) for `count` doubles, as exact; `output` may be `input`.
void ns_sigmoid_doubles(
    ns_isa isa, const double *_Nonnull input, double *_Nonnull output, size_t count);

/// Makes each row of `count` floats (at least 1), `row_stride` apart, its softmax.
///
/// The row's largest number is subtracted first. A row with a NaN, with +infinity or with
/// -infinity alone becomes NaN throughout.
void ns_softmax(
    ns_isa isa, float *_Nonnull rows, size_t row_stride, uint32_t row_count, uint32_t count);

/// ns_softmax for doubles.
void ns_softmax_doubles(
    ns_isa isa, double *_Nonnull rows, size_t row_stride, uint32_t row_count, uint32_t count);

#ifdef __cplusplus
}
#endif
