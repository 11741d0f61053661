// Exact TreeSHAP: what each feature contributes to the score of a tree ensemble.
//
// The values are those of Lundberg, Erion and Lee, "Consistent individualized feature attribution
// for tree ensembles" (2018), algorithm 2 ("path dependent"): a feature that is not known sends a
// row to both children of a split, weighted by their covers. With o 1 where a row satisfies every
// test of a feature on the way to a leaf and 0 where not, and z the part of the cover that does, a
// leaf contributes to its feature i
//
//     value * (o[i] - z[i]) * integral from 0 to 1 of product over j != i of
//         (z[j] * (1 - t) + o[j] * t) dt,
//
// because |S|! (d - 1 - |S|)! / d! is the integral of t^|S| (1 - t)^(d - 1 - |S|). The integrand is
// a polynomial, so that Gauss and Legendre's rule with half as many points as a path has features
// gives the integral up to rounding. At a fixed t the products of all leaves are shared along the
// tree: one walk down multiplies what stands above a node, one walk up adds what stands below it.
//
// The error of a contribution is some units in the last place of the tree's leaves: below 1e-13 of
// them on ordinary trees. LightGBM's own values differ by as little; XGBoost adds in float32 and is
// itself up to 2e-6 off with 1000 trees.
//
// Rows come as the byte ranks of the tree scorer, in blocks of NS_SHAP_ROWS: `ranks[column *
// NS_SHAP_ROWS + row]`. A feature may have several columns.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  NS_SHAP_ROWS = 512,           // rows of a block
  NS_SHAP_DEPTH_LIMIT = 4096,   // splits on the way to a leaf
  NS_SHAP_FEATURE_LIMIT = 512,  // distinct features on the way to a leaf
};

/// A split, or a leaf.
typedef struct {
  double cover;      // how much of the training set came here: rows, or the sum of their hessians
  double value;      // of a leaf; not read in a split
  uint32_t left;     // index among the nodes of the tree; 0 makes this node a leaf
  uint32_t right;    // likewise; 0 if and only if left is
  uint32_t column;   // of ranks
  uint32_t feature;  // whose contribution the split belongs to
  uint32_t rank;     // left if the row's rank in the column <= rank; at most 255
} ns_shap_node;

/// A tree: some consecutive nodes, the root first; they come after those of the tree before.
typedef struct {
  uint32_t first_node;
  uint32_t node_count;
  uint32_t output;  // the score that the tree is added to
} ns_shap_tree;

/// The shape of an ensemble.
typedef struct {
  uint32_t node_count;
  uint32_t tree_count;
  uint32_t output_count;
  uint32_t feature_count;
  uint32_t column_count;
} ns_shap_shape;

/// Why there is no explainer.
typedef enum {
  ns_shap_ok = 0,
  ns_shap_no_memory = 1,
  ns_shap_bad_index = 2,      // of a node, output, feature, column or rank; or not a tree
  ns_shap_bad_cover = 3,      // not finite, negative, zero in a split, or not the children's sum
  ns_shap_too_deep = 4,       // one of the limits above
} ns_shap_status;

/// Where building stopped; the node counts within the tree.
typedef struct {
  ns_shap_status status;
  uint32_t tree;
  uint32_t node;
} ns_shap_failure;

/// An ensemble made ready; it may be used by many threads at once.
typedef struct ns_shap ns_shap;

/// Makes an ensemble ready.
///
/// Covers are taken as parts of the sum of both children's, so that a row's contributions and the
/// expected value always sum to its score; a sum that differs from the parent's cover by more than
/// a thousandth is refused. Memory is at most 128 bytes for each node, and the features' count
/// times 8 while building.
///
/// - Parameters:
///   - biases: what is added to the expected value of each output; `output_count` of them.
/// - Returns: NULL if that fails, and `failure` then says why.
ns_shap *_Nullable ns_shap_create(
    const ns_shap_node *_Nonnull nodes, const ns_shap_tree *_Nonnull trees, ns_shap_shape shape,
    const double *_Nonnull biases, ns_shap_failure *_Nonnull failure);

void ns_shap_free(ns_shap *_Nullable shap);

/// The bytes of memory that the ensemble takes.
size_t ns_shap_byte_count(const ns_shap *_Nonnull shap);

/// The bytes of scratch memory that ns_shap_run needs; they are aligned to 64.
size_t ns_shap_scratch_byte_count(const ns_shap *_Nonnull shap);

/// The expected value of an output: the mean of its scores over the covers, and its bias.
double ns_shap_expected(const ns_shap *_Nonnull shap, uint32_t output);

/// Contributions of every feature to a range of outputs for one block of rows.
///
/// Trees are added one by one in their order; the bits depend on nothing but the row and the trees
/// of the output.
///
/// - Parameters:
///   - row_count: 1 ... NS_SHAP_ROWS; later rows are read and get undefined contributions.
///   - contributions: `contributions[((output - first_output) * (feature_count + 1) + feature) *
///     NS_SHAP_ROWS + row]`; the last one of an output is its expected value.
///   - scratch: ns_shap_scratch_byte_count bytes at a multiple of 64, not shared by threads.
void ns_shap_run(
    const ns_shap *_Nonnull shap, ns_isa isa, const uint8_t *_Nonnull ranks, uint32_t row_count,
    uint32_t first_output, uint32_t output_count, double *_Nonnull contributions,
    void *_Nonnull scratch);

#ifdef __cplusplus
}
#endif
