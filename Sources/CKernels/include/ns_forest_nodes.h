// Which leaf of each tree a row reaches: the decision nodes of a forest over a block of rows.
//
// A block is NS_FOREST_ROWS rows. Its rank columns are bytes, 0...255,
// `ranks[column * NS_FOREST_ROWS + row]`; a row goes left at a node if its rank in the node's
// column is <= the node's threshold. What has but two values, such as whether a category is in a
// set, is a *set column*: a mask of a bit a row, `sets[set * NS_FOREST_MASK_BYTES + byte]`, in
// which row 64 * i + j is bit i of byte j and 1 sends it right. The answer is a byte a tree and
// row, `codes[tree * NS_FOREST_ROWS + row]`: the code of the leaf.
//
// Nothing here depends on the rows' values in time or in memory touched, and each instruction set
// gives the same codes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifndef NS_FOREST_ROWS
#define NS_FOREST_ROWS 512
#endif

/// Bytes of a set column for one block.
#define NS_FOREST_MASK_BYTES (NS_FOREST_ROWS / 8)

/// In the column of a test: the other bits are the number of a set column.
#define NS_FOREST_SET 0x80000000u

#ifdef __cplusplus
extern "C" {
#endif

/// A decision: left if the rank in `column` is <= `threshold`, else right; with NS_FOREST_SET, left
/// if the row's bit in the set column is 0.
///
/// A child >= 0 is a node of the same tree, counted from the tree's first; a child < 0 is the leaf
/// ~child, 0..<leaf count.
typedef struct {
  uint32_t column;
  uint32_t threshold;  // 0...254; of no meaning for a set column
  int32_t left;
  int32_t right;
} ns_forest_node;

/// The nodes of a forest, compiled for the blocks; never changes once made.
typedef struct ns_forest_nodes ns_forest_nodes;

/// Compiles a forest.
///
/// Tree `t` has the nodes `nodes[ends[t - 1]] ..< nodes[ends[t]]` (from 0 for the first tree), its
/// root first, at most 255 of them, and one leaf more than nodes; a tree without nodes is the leaf
/// 0. The caller has checked that each is a tree, that columns are < `column_count`, set columns <
/// `set_count` and thresholds < 255. Takes at most 20 bytes a node, 16 a tree and 80 a column, and
/// time linear in the nodes.
///
/// NULL if there is no memory.
ns_forest_nodes *_Nullable ns_forest_nodes_create(const ns_forest_node *_Nonnull nodes,
                                                  const uint32_t *_Nonnull ends,
                                                  uint32_t tree_count, uint32_t column_count,
                                                  uint32_t set_count);

void ns_forest_nodes_destroy(ns_forest_nodes *_Nullable forest);

/// How many codes a tree's leaf table needs: 32, 64, 128 or 256, the least that is >= its leaves.
uint32_t ns_forest_nodes_code_count(const ns_forest_nodes *_Nonnull forest, uint32_t tree);

/// The code of a leaf, 0..<code count; a code that is no leaf's is never answered.
uint32_t ns_forest_nodes_code(const ns_forest_nodes *_Nonnull forest, uint32_t tree,
                              uint32_t leaf);

/// Bytes of scratch that a block needs; one scratch for each thread, aligned to 64 bytes.
size_t ns_forest_nodes_scratch_size(const ns_forest_nodes *_Nonnull forest);

/// Where in a block's scratch the set columns go, aligned to 64 bytes; they stay as they were put.
uint8_t *_Nonnull ns_forest_nodes_sets(const ns_forest_nodes *_Nonnull forest,
                                       void *_Nonnull scratch);

/// Begins a block: makes in `scratch` what every tree of the block shares.
///
/// `ranks` has every column below the forest's column count that a node tests; it is not read
/// after.
void ns_forest_nodes_prepare(const ns_forest_nodes *_Nonnull forest, ns_isa isa,
                             const uint8_t *_Nonnull ranks, void *_Nonnull scratch);

/// The codes of trees `first_tree ..< first_tree + tree_count` for the block that was prepared.
///
/// `codes` gets `tree_count` times NS_FOREST_ROWS bytes, the first for `first_tree`. Aligning it to
/// 64 bytes makes it faster.
void ns_forest_nodes_run(const ns_forest_nodes *_Nonnull forest, ns_isa isa, uint32_t first_tree,
                         uint32_t tree_count, uint8_t *_Nonnull codes, void *_Nonnull scratch);

#ifdef __cplusplus
}
#endif
