// Ranks of feature values among a forest's thresholds: the first stage of scoring trees.
//
// A *column* is what a node compares one byte with: the rank of a feature's value among at most 255
// thresholds. A *set column* is a bit: whether a category is outside a set. Rows come in blocks of
// NS_FOREST_ROWS and always as whole blocks: the rows past the end hold anything that may be read.
// Every `ns_isa` gives the same ranks and bits. Nothing here checks an index: what builds the
// columns has.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Rows of one block.
#define NS_FOREST_ROWS 512

/// Thresholds that one column holds at most.
#define NS_FOREST_COLUMN_THRESHOLDS 255

/// What a column makes of a value that is missing; the first five are those of `trees_policy`.
typedef enum {
  ns_forest_missing_is_zero = 0,      // NaN has the rank of zero
  ns_forest_missing_goes_left = 1,    // NaN has the rank 0
  ns_forest_missing_goes_right = 2,   // NaN has the rank 255
  ns_forest_no_value_goes_left = 3,   // NaN and what is at most 1e-35f in size have the rank 0
  ns_forest_no_value_goes_right = 4,  // NaN and what is at most 1e-35f in size have the rank 255
  ns_forest_category = 5,             // a set of categories, which has flags of its own
} ns_forest_policy;

/// How a column reads values; bits of `ns_forest_column.flags`.
enum {
  /// A numeric value of at most 1e-35f in size is zero, as LightGBM has it.
  ns_forest_small_is_zero = 1,
  /// NaN is in the set.
  ns_forest_set_has_missing = 2,
  /// What is negative (at most -1, see below) is in the set.
  ns_forest_set_has_negative = 4,
  /// A category beyond the set's words is in the set.
  ns_forest_set_has_unknown = 8,
  /// What is between -1 and 0 is negative, as XGBoost has it, and not category 0.
  ns_forest_fraction_is_negative = 16,
};

/// One column of ranks.
///
/// Numeric: the rank of x is the number of thresholds t < x, so that x <= thresholds[k] if and only
/// if rank <= k; -0.0 equals 0.0. The thresholds `thresholds[start ..< start + count]` are strictly
/// ascending, none is NaN, count is 0 ... 255.
///
/// Category: 0 if the value, cut toward zero, is a member of the set and 1 if not. Category c is
/// a member if bit c & 31 of `words[start + (c >> 5)]` is set, c >> 5 < count; the flags say what
/// becomes of other values. Anything from 2^31 on, infinity too, is a category beyond the words;
/// count <= 2^26.
typedef struct {
  uint32_t feature;
  uint32_t start;
  uint32_t count;
  uint8_t policy;  // an ns_forest_policy
  uint8_t flags;
} ns_forest_column;

/// Columns made ready for ranking; unchanged by use, so that threads may share it.
typedef struct ns_forest_ranker ns_forest_ranker;

/// Makes a ranker.
///
/// Columns of the same feature share the reading of its values, those with the same thresholds
/// also the search, wherever they stand in the list. `is_float32` says that values are rounded to
/// the nearest float before anything else; thresholds are then floats. Every isa that this build
/// does not know, or whose extras the CPU lacks, means the next simpler one. Memory is at most some
/// 300 bytes a column, 36 a threshold and 4 a set's word; time is that of sorting the columns. NULL
/// if there is no memory. To be freed with ns_forest_ranker_destroy.
ns_forest_ranker *_Nullable ns_forest_ranker_create(
    ns_isa isa, const ns_forest_column *_Nonnull columns, size_t columnCount,
    const double *_Nonnull thresholds, const uint32_t *_Nonnull words, int is_float32);

void ns_forest_ranker_destroy(ns_forest_ranker *_Nullable ranker);

/// Ranks one block: `ranks[column * NS_FOREST_ROWS + row]` from `features[feature * stride + row]`,
/// and the masks `sets[set * NS_FOREST_MASK_BYTES + byte]`, see ns_forest_nodes.h.
///
/// Numeric columns are numbered by themselves in the order of the list that was given to
/// ns_forest_ranker_create, and so are set columns. stride >= NS_FOREST_ROWS unless there is one
/// feature. Ranks and sets are aligned to 64 bytes; features need no alignment.
void ns_forest_rank_f64(
    const ns_forest_ranker *_Nonnull ranker, const double *_Nonnull features, size_t stride,
    uint8_t *_Nonnull ranks, uint8_t *_Nonnull sets);

/// ns_forest_rank_f64 for values that are floats; the same ranks as for the same values as doubles.
void ns_forest_rank_f32(
    const ns_forest_ranker *_Nonnull ranker, const float *_Nonnull features, size_t stride,
    uint8_t *_Nonnull ranks, uint8_t *_Nonnull sets);

/// Makes rank columns of set columns: 0 or 255, `ranks[set * NS_FOREST_ROWS + row]`.
void ns_forest_expand_sets(const uint8_t *_Nonnull sets, size_t setCount, uint8_t *_Nonnull ranks);

#ifdef __cplusplus
}
#endif
