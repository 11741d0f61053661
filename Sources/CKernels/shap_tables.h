// What ns_shap.h makes of a tree, and what one run over a block of rows keeps in scratch memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ns_shap.h"

namespace ns_shap_tables {

// Points of the integral that one walk over a tree takes together.
constexpr uint32_t kPassPoints = 5;
// Rows that one walk takes together, at most; a variant may take fewer.
constexpr uint32_t kGroupRowLimit = 32;
// More points are never needed: 64 of them are exact for 128 features, and for 512 their error is
// below 1e-12 of the result.
constexpr uint32_t kPointLimit = 64;

// A split with its children in a chosen order: if only one is a leaf, it is the far one. Being
// "again" means that a split above it has the same feature; "older" is the nearest such split.
struct split {
  double part;        // of the cover that satisfies this feature's tests and goes near
  double older_part;  // of the cover that satisfies the tests of this feature above; 1 if none
  double ratio;       // part / older_part: the near child's share of both children's cover
  double far_ratio;   // the far child's
  double near_value;  // of a leaf
  double far_value;
  uint32_t column;
  uint32_t feature;
  uint32_t older;  // index among the tree's splits
  uint8_t rank;
  bool near_is_right;
  bool again;
  bool older_is_near;  // whether the older split leads here by its near child
  bool near_is_leaf;
  bool far_is_leaf;
};

enum kind : uint8_t { kTwig, kDescend, kTurn, kJoinLeaf, kJoin };

// One step of the walk. A twig is a split of two leaves; others descend to their near child, turn
// to the far one unless it is a leaf, and join what came of both.
struct step {
  kind what;
  bool again;
  uint8_t side;    // 1 if the split is its parent's far child
  uint16_t depth;  // of the split
  uint32_t split;
  uint32_t slot;  // of the split's feature among those of the tree
};

// A tree: ranges of the ensemble's splits, steps, and features by slot.
struct tree {
  uint32_t first_split, split_count;
  uint32_t first_step, step_count;
  uint32_t first_slot, slot_count;
  uint32_t output;
  uint32_t depth;  // of the deepest split, plus one
  uint32_t point_count;
  uint32_t points;  // their place among those of the ensemble
};

// Bits of a block's rows.
struct alignas(64) row_bits {
  uint64_t words[NS_SHAP_ROWS / 64];
};

// Which rows go near. For a split that is there again, only those that satisfy the tests above,
// which are the rows of `older`.
struct split_bits {
  row_bits near, older;
};

// What a split multiplies and adds with, for up to kPassPoints values of t.
//
// Rows that go near have `near`, others `far`, and those that failed an older test of the feature
// `failed`. In a twig these are what its leaves sum to; in other splits the factor of the near
// child, and 1 minus the factor is the far child's.
struct alignas(64) constants {
  double near[kPassPoints], far[kPassPoints];
  double square[kPassPoints];  // 1 / (older factor)^2, if again
  double failed;
  double near_weight, far_weight;  // of the split's integral in the feature's contribution
  double far_value;
};

// Gauss and Legendre's points of one order on 0 ..< 1, and their weights, whose sum is 1.
struct points {
  uint32_t count;
  double t[kPointLimit], one_minus_t[kPointLimit], weight[kPointLimit];
};

// One walk: the rows' bits and constants by split, and the room it works in.
struct walk {
  const step *steps;
  uint32_t step_count;
  const split_bits *bits;
  const constants *splits;
  const double *weights;  // of the points
  uint32_t slot_count;
  uint32_t row_count;
  bool first;            // the slots hold nothing yet
  double *above;         // [depth][point][row of the group]
  double *below;         // [depth][side][point][row of the group]
  double *sums;          // [group][slot][row of the group]
};

// The walks and comparisons of one set of instructions.
struct kernels {
  void (*compare)(const uint8_t *ranks, uint8_t rank, row_bits *at_most);
  void (*walks[kPassPoints])(const walk &);  // by the number of points, minus one
  // Adds the walk's sums to contributions [feature][row of the block].
  void (*add_sums)(const walk &, const uint32_t *features, double *contributions);
};

// The largest counts of any tree, which scratch memory is made for.
struct maxima {
  uint32_t splits, depth, slots;
};

const kernels &portable_kernels();
const kernels &avx2_kernels();
const kernels &avx512_kernels();

}  // namespace ns_shap_tables

struct ns_shap {
  ns_shap_shape shape;
  std::vector<ns_shap_tables::split> splits;  // of each tree in the order of a walk, root first
  std::vector<ns_shap_tables::step> steps;
  std::vector<uint32_t> slots;             // features
  std::vector<ns_shap_tables::tree> trees;  // those that have splits
  std::vector<ns_shap_tables::points> points;
  std::vector<double> expected;
  ns_shap_tables::maxima most;
};
