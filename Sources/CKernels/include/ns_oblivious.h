// Which leaf of each oblivious tree a row reaches: all nodes of a level share one test.
//
// Blocks and rank columns are those of ns_forest_nodes.h. The answer is a code a tree and row,
// `codes[tree * NS_FOREST_ROWS + row]`, whose bit `d` says that the row's rank in the column of the
// tree's level `d` is > the level's threshold, or that the row's bit in its set column is 1.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_forest_nodes.h"
#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The test of one level, of the rank in `column` or, with NS_FOREST_SET, of a set column.
typedef struct {
  uint32_t column;
  uint32_t threshold;  // 0...254
} ns_oblivious_level;

/// The levels of oblivious trees, compiled for the blocks; never changes once made.
typedef struct ns_oblivious ns_oblivious;

/// Compiles oblivious trees.
///
/// Tree `t` has the levels `levels[ends[t - 1]] ..< levels[ends[t]]` (from 0 for the first tree),
/// at most 16. The caller has checked that, and that columns are < `column_count`, set columns
/// < `set_count` and thresholds < 255. Takes at most 10 bytes a level and 80 a column, and time
/// linear in the levels.
///
/// NULL if there is no memory.
ns_oblivious *_Nullable ns_oblivious_create(const ns_oblivious_level *_Nonnull levels,
                                            const uint32_t *_Nonnull ends, uint32_t tree_count,
                                            uint32_t column_count, uint32_t set_count);

void ns_oblivious_destroy(ns_oblivious *_Nullable forest);

/// Bytes of each code: 1 if no tree has more than 8 levels, else 2 (a uint16_t) for every tree.
uint32_t ns_oblivious_code_size(const ns_oblivious *_Nonnull forest);

/// Bytes of scratch that a block needs; one scratch for each thread, aligned to 64 bytes.
size_t ns_oblivious_scratch_size(const ns_oblivious *_Nonnull forest);

/// Where in a block's scratch the set columns go, aligned to 64 bytes; they stay as they were put.
uint8_t *_Nonnull ns_oblivious_sets(const ns_oblivious *_Nonnull forest, void *_Nonnull scratch);

/// Makes the set columns of rows whose `value` equals each of `wanted`.
///
/// values: of NS_FOREST_ROWS rows. sets: `wantedCount` masks.
void ns_oblivious_compare(const uint32_t *_Nonnull values, const uint32_t *_Nonnull wanted,
                          size_t wantedCount, uint8_t *_Nonnull sets);

/// Begins a block: makes in `scratch` what every tree of the block shares.
///
/// `ranks` has every column below the forest's column count that a level tests; it is not read
/// after.
void ns_oblivious_prepare(const ns_oblivious *_Nonnull forest, ns_isa isa,
                          const uint8_t *_Nonnull ranks, void *_Nonnull scratch);

/// The codes of trees `first_tree ..< first_tree + tree_count` for the block that was prepared.
///
/// `codes` gets `tree_count` times NS_FOREST_ROWS codes, the first for `first_tree`. Aligning it to
/// 64 bytes makes it faster.
void ns_oblivious_run(const ns_oblivious *_Nonnull forest, ns_isa isa, uint32_t first_tree,
                      uint32_t tree_count, void *_Nonnull codes, const void *_Nonnull scratch);

#ifdef __cplusplus
}
#endif
