// Walks over decision trees: the exact scorer of the module Scoring.
//
// Rows come as cells: column-major doubles, `cells[column + row]`, made by trees_fill from feature
// values so that a missing value needs no test in the walk. Eight rows walk at once, because one
// row's loads and mispredictions would otherwise be waited for one after another; `rowCount` is
// therefore always a multiple of eight, and cells and sums reach that far.
//
// The children of a node stand side by side: left, and left + 1. A leaf is a node that leads to
// itself: its column holds NaN in every row, so that no comparison is true, and left is its own
// index minus one. Its threshold is its value. Nothing here checks an index: what builds the nodes
// has.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// A numeric split, or a leaf.
typedef struct {
  double threshold;  // left if cell <= threshold
  uint32_t column;   // where the column's first cell stands among all cells
  uint32_t left;
} trees_node;

/// A numeric split, a categorical one, or a leaf, for trees that have categorical splits.
///
/// A categorical split has the threshold NaN and goes left if the bit of the cell's category is set
/// among `words[set ..< set + setWordCount]`; the word after them is zero. Other nodes have the set
/// 0 with no words, and word 0 is zero.
typedef struct {
  double threshold;
  uint32_t column;
  uint32_t left;
  uint32_t set;
  uint32_t setWordCount;
} trees_set_node;

/// What becomes of a feature value.
typedef enum {
  trees_missing_is_zero = 0,        // NaN becomes zero
  trees_missing_goes_left = 1,      // NaN becomes minus infinity, which is below every threshold
  trees_missing_goes_right = 2,     // NaN stays, and no comparison with it is true
  trees_no_value_goes_left = 3,     // NaN and zero become minus infinity
  trees_no_value_goes_right = 4,    // NaN and zero become NaN
  trees_category = 5,               // 2^52 + the category, 2^52 + UINT32_MAX if it can be in no set
  trees_category_or_missing = 6,    // the same plus 1 if it can be in a set, 2^52 + 0 if it is NaN
} trees_policy;

/// Makes one column of cells from feature values.
///
/// First, if asked, values are rounded to the nearest float, those below zero then being no category,
/// and numbers of at most 1e-35f in size become zero.
void trees_fill(
    trees_policy policy, bool tiny_is_zero, bool is_float, const double *_Nonnull features, double *_Nonnull cells,
    uint32_t rowCount);

/// Adds to each row's sum the value of the leaf it reaches.
///
/// `steps` are taken before it is first asked whether every row has reached its leaf.
void trees_sum(
    const trees_node *_Nonnull nodes, uint32_t steps, const double *_Nonnull cells,
    uint32_t rowCount, double *_Nonnull sums);

/// trees_sum for trees with categorical splits.
void trees_sum_sets(
    const trees_set_node *_Nonnull nodes, const uint32_t *_Nonnull words, uint32_t steps,
    const double *_Nonnull cells, uint32_t rowCount, double *_Nonnull sums);
