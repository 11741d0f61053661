#include "trees.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum { lanes = 8 };

// LightGBM's kZeroThreshold (include/LightGBM/meta.h): a float constant, widened.
static const double zero_limit = 1e-35f;

// A value as it is compared.
static inline double read_value(double value, bool tiny_is_zero, bool is_float) {
  if (is_float) value = (double)(float)value;
  return tiny_is_zero && fabs(value) <= zero_limit ? 0.0 : value;
}

// (int)value as LightGBM's CategoricalDecision takes it on x86: toward zero, and what does not fit
// becomes INT_MIN, which is negative and in no set.
static inline double category_cell(double value, bool is_float) {
  // XGBoost's InvalidCat: a float below zero is no category, even if it is zero without fraction.
  if (is_float) value = (float)value < 0 ? -1.0 : (double)(float)value;
  uint64_t code = value > -1.0 && value < 2147483648.0 ? (uint64_t)(int64_t)value : UINT32_MAX;
  uint64_t bits = UINT64_C(0x4330000000000000) | code;
  double cell;
  memcpy(&cell, &bits, sizeof cell);
  return cell;
}

void trees_fill(
    trees_policy policy, bool tiny_is_zero, bool is_float, const double *features, double *cells,
    uint32_t rowCount) {
  if (policy == trees_category) {
    for (uint32_t row = 0; row < rowCount; row++) cells[row] = category_cell(features[row], is_float);
    return;
  }
  if (policy == trees_category_or_missing) {
    for (uint32_t row = 0; row < rowCount; row++) {
      // What is in no set stays as it is: one more would be 0 in 32 bits, which is NaN's.
      const double cell = category_cell(features[row], is_float);
      cells[row] = isnan(features[row]) ? category_cell(0, false)
          : cell == category_cell(-1, false) ? cell : cell + 1;
    }
    return;
  }
  for (uint32_t row = 0; row < rowCount; row++) {
    double value = read_value(features[row], tiny_is_zero, is_float);
    bool is_absent = isnan(value);
    if (policy == trees_no_value_goes_left || policy == trees_no_value_goes_right) {
      is_absent |= tiny_is_zero ? fabs(value) <= zero_limit : value == 0;
    }
    double absent = policy == trees_missing_is_zero ? 0.0
        : policy == trees_missing_goes_left || policy == trees_no_value_goes_left ? -INFINITY
                                                                                  : NAN;
    cells[row] = is_absent ? absent : value;
  }
}

// One step of all lanes; says whether any of them moved, which a lane at its leaf does not.
static inline __attribute__((always_inline)) uint32_t step(
    const trees_node *nodes, const double *cells, uint32_t at[lanes]) {
  uint32_t moved = 0;
#pragma clang loop unroll(full)
  for (int lane = 0; lane < lanes; lane++) {
    const trees_node *node = nodes + at[lane];
    uint32_t next = node->left + !(cells[node->column + lane] <= node->threshold);
    moved |= next ^ at[lane];
    at[lane] = next;
  }
  return moved;
}

static inline __attribute__((always_inline)) uint32_t step_sets(
    const trees_set_node *nodes, const uint32_t *words, const double *cells, uint32_t at[lanes]) {
  uint32_t moved = 0;
#pragma clang loop unroll(full)
  for (int lane = 0; lane < lanes; lane++) {
    const trees_set_node *node = nodes + at[lane];
    const double *cell = cells + node->column + lane;
    uint32_t category;  // the low half of the cell; noise in a numeric one, whose word is zero
    memcpy(&category, cell, sizeof category);
    uint32_t word = category >> 5 < node->setWordCount ? category >> 5 : node->setWordCount;
    uint32_t in_set = words[node->set + word] >> (category & 31) & 1;
    uint32_t is_left = in_set | (*cell <= node->threshold);
    uint32_t next = node->left + 1 - is_left;
    moved |= next ^ at[lane];
    at[lane] = next;
  }
  return moved;
}

void trees_sum(
    const trees_node *nodes, uint32_t steps, const double *cells, uint32_t rowCount,
    double *sums) {
  for (uint32_t row = 0; row < rowCount; row += lanes) {
    uint32_t at[lanes] = {0};
    for (uint32_t taken = 0; taken < steps; taken++) step(nodes, cells + row, at);
    while (step(nodes, cells + row, at)) {}
    for (int lane = 0; lane < lanes; lane++) sums[row + lane] += nodes[at[lane]].threshold;
  }
}

void trees_sum_sets(
    const trees_set_node *nodes, const uint32_t *words, uint32_t steps, const double *cells,
    uint32_t rowCount, double *sums) {
  for (uint32_t row = 0; row < rowCount; row += lanes) {
    uint32_t at[lanes] = {0};
    for (uint32_t taken = 0; taken < steps; taken++) step_sets(nodes, words, cells + row, at);
    while (step_sets(nodes, words, cells + row, at)) {}
    for (int lane = 0; lane < lanes; lane++) sums[row + lane] += nodes[at[lane]].threshold;
  }
}
