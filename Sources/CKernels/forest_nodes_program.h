// A forest as the kernels run it: reaches, then flips, then a transposition for each tree.
//
// A reach is the mask of the rows that come to a node. A split makes the reaches of both children
// of a node from its own; a flip changes one bit of the code of the rows in a reach that a test
// sends one way. Leaves need no reach: a tree of n leaves takes at most n - 2 splits, and n - 1
// flips where each right turn can be given a code one bit away from the code it leaves.
#pragma once

#include "forest_nodes_masks.h"

namespace ns_forest {

/// Both operands of a step as offsets, in units of 8 bytes: into the masks and into the reaches.
template <typename Offset>
struct Step {
  Offset mask;
  Offset reach;
};

/// Reaches 0 and 1 are all rows and no rows; split i of a tree makes reaches 2 + 2 i (those that
/// go right) and 3 + 2 i (those that go left).
enum : uint32_t { kAllRows = 0, kNoRows = 1, kFirstReach = 2, kUnit = 8 };

/// Where one tree's steps and codes are.
struct TreeProgram {
  uint32_t first_step;   // splits, then `round_count` rounds of one flip for each bit of the code
  uint32_t first_code;   // of leaf 0, in `codes`
  uint16_t split_count;  // 0...254
  uint16_t round_count;  // 0...255
  uint16_t bit_count;    // 5...8
  uint16_t leaf_count;   // 1...256
};

/// A compiled forest.
struct Program {
  explicit Program(uint32_t column_count) : masks(column_count) {}

  MaskPlan masks;
  std::vector<TreeProgram> trees;
  std::vector<Step<uint16_t>> near_steps;  // while the masks' offsets fit
  std::vector<Step<uint32_t>> far_steps;   // else; the other is empty
  std::vector<uint8_t> codes;
  uint32_t split_limit = 0;  // of all trees

  bool is_near() const { return masks.mask_count() * (kMaskBytes / kUnit) <= 65536; }
  size_t mask_bytes() const { return size_t(masks.mask_count()) * kMaskBytes; }
  size_t scratch_bytes() const {
    return mask_bytes() + (kFirstReach + 2 * size_t(split_limit)) * kMaskBytes;
  }
};

/// Fills a program from trees that were checked; throws std::bad_alloc.
void compile(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
             Program &program);

}  // namespace ns_forest
