// A forest as the kernels run it.
//
// The leaves of a tree stand in order, left to right, and each node is the boundary between two
// neighbours: the last leaf of its left side and the first of its right. A row is beyond a boundary
// if its leaf is to the right of it. The rows beyond a node's boundary are those beyond the one
// where its leaves end, and of those beyond the one where its leaves begin, the ones that the
// node's test sends right:
//
//     beyond[node] = beyond[end] | (beyond[begin] & test)
//
// A leaf's code is the Gray code of its place. Boundary j is then the only one between places j and
// j + 1 and changes one bit, that of the lowest zero of j, so that the masks of boundaries 0, 2,
// 4... add up (exclusive or) to bit 0 of every row's code, those of 1, 5, 9... to bit 1, and so on.
#pragma once

#include "forest_nodes_tests.h"

namespace ns_forest {

/// One node: where three masks are among the boundaries, and where the test's two masks are.
///
/// Eight bytes, taken apart by shifts, because loads and the bytes streamed are what a step is
/// bound by. Offsets are in bytes but that of the high mask, which the addressing multiplies by 8.
struct NearStep {
  NearStep(uint32_t begin, uint32_t end, uint32_t out, Test test)
      : bits(uint64_t(begin) << 6 | uint64_t(end) << 16 | uint64_t(out) << 25 |
             uint64_t(test.low) << 34 | uint64_t(test.high) << 51) {}

  /// The numbers of masks that fit: 13 bits.
  static constexpr uint32_t kMaskLimit = 1u << 13;

  uint64_t begin() const { return uint16_t(bits); }
  uint64_t end() const { return (bits >> 10) & 0x7fc0; }
  uint64_t out() const { return (bits >> 19) & 0x7fc0; }
  uint64_t low() const { return (bits >> 28) & 0xfffc0; }
  uint64_t high() const { return (bits >> 48) * 8; }

  uint64_t bits;
};
static_assert(kMaskBytes == 64, "a step has offsets of masks of 64 bytes");

/// The same for forests of more masks.
struct FarStep {
  FarStep(uint32_t begin, uint32_t end, uint32_t out, Test test)
      : near(begin, end, out, {0, 0}), test(test) {}

  uint64_t begin() const { return near.begin(); }
  uint64_t end() const { return near.end(); }
  uint64_t out() const { return near.out(); }
  uint64_t low() const { return uint64_t(test.low) * kMaskBytes; }
  uint64_t high() const { return uint64_t(test.high) * kMaskBytes; }

  NearStep near;
  Test test;
};

/// Before boundary 0 there are two masks: beyond the first leaf's begin is every row, beyond the
/// last leaf's end is none.
enum : uint32_t { kFirstBegin = 0, kLastEnd = 1, kFirstBoundary = 2 };
constexpr uint32_t kBoundaryBytes = (kFirstBoundary + 256) * kMaskBytes;

/// Where one tree's steps and codes are.
struct TreeProgram {
  uint32_t first_step;
  uint32_t first_code;  // of leaf 0, in `codes`
  uint16_t node_count;  // 0...255
  uint16_t bit_count;   // 5...8
};

/// A compiled forest.
struct Program {
  Program(uint32_t column_count, uint32_t set_count) : tests(column_count, set_count) {}

  TestPlan tests;
  std::vector<TreeProgram> trees;
  std::vector<NearStep> near_steps;  // while the masks' offsets fit
  std::vector<FarStep> far_steps;   // else; the other is empty
  std::vector<uint8_t> codes;

  bool is_near() const { return tests.mask_count <= NearStep::kMaskLimit; }
};

/// Fills a program from trees that were checked; throws std::bad_alloc.
void compile(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
             Program &program);

}  // namespace ns_forest
