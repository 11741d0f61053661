// The comparisons that a forest makes, each once a block: a bit a row for (rank > threshold).
#pragma once

#include <cstdint>
#include <vector>

#include "ns_forest_nodes.h"

namespace ns_forest {

/// Rows of a block, and the bytes of a mask: a bit a row.
///
/// Row 64 * i + j is bit i of byte j. This order lets eight vectors of 64 bytes, a byte a row,
/// become eight masks and back without moving a byte.
constexpr uint32_t kRows = NS_FOREST_ROWS;
constexpr uint32_t kMaskBytes = kRows / 8;
static_assert(kRows == 512, "the order of a mask's bits is for 512 rows");

/// Masks of one rank column: `count` of them, from mask `first`.
struct MaskColumn {
  uint32_t column;
  uint32_t first;
  uint32_t count;
};

/// All masks of a forest, numbered from 1, by column and then by threshold; mask 0 has every bit.
class MaskPlan {
 public:
  explicit MaskPlan(uint32_t column_count) : used_(size_t(column_count) * 4), first_(column_count) {}

  /// Says that a test of the forest is (rank in `column` > `threshold`).
  void add(uint32_t column, uint32_t threshold) {
    used_[size_t(column) * 4 + (threshold >> 6)] |= uint64_t(1) << (threshold & 63);
  }

  /// Numbers the masks, once all tests are known.
  void number() {
    for (uint32_t column = 0; column < first_.size(); column++) {
      const uint32_t first = mask_count();
      first_[column] = first;
      for (uint32_t k = 0; k < 256; k++) {
        const uint64_t word = used_[size_t(column) * 4 + (k >> 6)] >> (k & 63);
        if (word == 0) {
          k |= 63;
        } else if (word & 1) {
          thresholds.push_back(uint8_t(k));
        }
      }
      if (mask_count() > first) columns.push_back({column, first, mask_count() - first});
    }
  }

  /// The mask of a test that was added.
  uint32_t find(uint32_t column, uint32_t threshold) const {
    const uint64_t *words = &used_[size_t(column) * 4];
    uint32_t mask = first_[column];
    for (uint32_t i = 0; i < threshold >> 6; i++) mask += uint32_t(__builtin_popcountll(words[i]));
    const uint64_t below = (uint64_t(1) << (threshold & 63)) - 1;
    return mask + uint32_t(__builtin_popcountll(words[threshold >> 6] & below));
  }

  uint32_t mask_count() const { return uint32_t(thresholds.size()) + 1; }

  /// Frees what only numbering needs.
  void seal() {
    used_ = {};
    first_ = {};
    thresholds.shrink_to_fit();
    columns.shrink_to_fit();
  }

  std::vector<MaskColumn> columns;
  std::vector<uint8_t> thresholds;  // of mask i + 1

 private:
  std::vector<uint64_t> used_;  // 256 bits a column
  std::vector<uint32_t> first_;
};

}  // namespace ns_forest
