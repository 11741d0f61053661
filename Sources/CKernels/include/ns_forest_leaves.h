// Sums of leaf values: the last stage of scoring trees.
//
// Rows come as leaf codes, one byte for each row and tree, in blocks of NS_FOREST_ROWS. Sums of
// doubles and floats are exact: each row's leaves are added one by one in the order of the trees to
// what the sum already holds, so that they equal those of a plain loop bit for bit. Sums of fixed
// point do not depend on any order. Every `ns_isa` gives the same bits. Nothing here checks a code.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_forest_ranks.h"
#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What leaves are added as.
typedef enum {
  ns_forest_leaves_double = 0,
  ns_forest_leaves_float = 1,  // values are rounded to the nearest float
  ns_forest_leaves_fixed = 2,  // int32 multiples of a unit of the output
} ns_forest_leaves_kind;

/// What one tree adds to one output: `values[start + code * stride]` for the codes below codeCount.
///
/// A tree whose leaves are vectors has a table for each of its outputs, with the leaf's width as
/// stride.
typedef struct {
  size_t start;
  uint32_t stride;
  uint32_t codeCount;  // 1 ... 256
  uint32_t tree;
  uint32_t output;
} ns_forest_leaf_table;

/// Tables made ready for adding; unchanged by use, so that threads may share it.
typedef struct ns_forest_leaves ns_forest_leaves;

/// Makes the tables of a forest, given in ascending order of trees.
///
/// Memory is at most some 640 bytes a table, and 16 a value where a table has more than 32.
/// NULL if there is no memory or, for fixed point, if a value is not finite.
/// To be freed with ns_forest_leaves_destroy.
ns_forest_leaves *_Nullable ns_forest_leaves_create(
    ns_isa isa, ns_forest_leaves_kind kind, const ns_forest_leaf_table *_Nonnull tables,
    size_t tableCount, const double *_Nonnull values);

void ns_forest_leaves_destroy(ns_forest_leaves *_Nullable leaves);

/// Adds the leaves of the trees firstTree ..< firstTree + treeCount to a block's sums.
///
/// codes: `codes[(tree - firstTree) * NS_FOREST_ROWS + row]`, each below the codeCount of its
/// tree's tables, aligned to 64 bytes. sums: `sums[output * NS_FOREST_ROWS + row]`, aligned to 64
/// bytes. Trees without a table add nothing. The leaves' kind is ns_forest_leaves_double. Groups of
/// 8 to 32 trees keep codes and tables in the first-level cache.
void ns_forest_leaves_add_f64(
    const ns_forest_leaves *_Nonnull leaves, uint32_t firstTree, uint32_t treeCount,
    const uint8_t *_Nonnull codes, double *_Nonnull sums);

/// ns_forest_leaves_add_f64 for the kind ns_forest_leaves_float.
void ns_forest_leaves_add_f32(
    const ns_forest_leaves *_Nonnull leaves, uint32_t firstTree, uint32_t treeCount,
    const uint8_t *_Nonnull codes, float *_Nonnull sums);

/// ns_forest_leaves_add_f64 for the kind ns_forest_leaves_fixed; sums begin at zero.
///
/// No sum of all trees overflows. A row's sum times the output's unit differs from the exact sum of
/// its leaves by at most half a unit for each tree.
void ns_forest_leaves_add_i32(
    const ns_forest_leaves *_Nonnull leaves, uint32_t firstTree, uint32_t treeCount,
    const uint8_t *_Nonnull codes, int32_t *_Nonnull sums);

/// The unit of an output's fixed-point sums: a power of two with which
/// Σ over the output's tables of (max |value| / unit + 1/2) < 2^31, the least but for a margin of
/// some 1e-8 of the sum. 1 if the output has no leaf but zero; never below 2^-1022.
double ns_forest_leaves_unit(const ns_forest_leaves *_Nonnull leaves, uint32_t output);

#ifdef __cplusplus
}
#endif
