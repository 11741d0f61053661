// The comparisons of a forest, (rank > threshold), from bit tables that are made once a block.
#pragma once

#include <cstddef>
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

/// Where the masks are that make up one test: masks[high + 1] | (masks[high] & masks[low]).
///
/// A rank is two digits of base 16, and it is > k if its high digit is greater than that of k, or
/// is at least that and the low digit is greater. So 32 masks a column make all of its 255 tests,
/// where a mask for each would not stay in the first cache.
struct Test {
  uint32_t high;
  uint32_t low;
};

/// Masks 0 and 1 are all rows and no rows: the high part of a test that is one mask by itself.
enum : uint32_t { kEveryMask = 0, kNoMask = 1, kFirstMask = 2 };

/// A test that every row passes.
constexpr Test kAlways = {kEveryMask, kEveryMask};

/// A column's masks, from mask `first`. With digits: (high digit >= h) for h = 0...16, then
/// (low digit > l) for l = 0 ..< 15. Without: one for each of its thresholds.
struct TestColumn {
  uint32_t column;
  uint32_t first;
  uint32_t first_threshold;  // in `thresholds`
  uint32_t threshold_count;  // 0 with digits
};

/// All masks that a forest's tests need.
class TestPlan {
 public:
  /// From so many thresholds a column has digits: 32 masks are then cheaper than one for each.
  static constexpr uint32_t kDigitThresholds = 10;
  static constexpr uint32_t kHighMasks = 17, kLowMasks = 15;

  TestPlan(uint32_t column_count, uint32_t set_count)
      : set_count(set_count), used_(size_t(column_count) * 4), first_(column_count) {}

  /// Says that a test of the forest is (rank in `column` > `threshold`).
  void add(uint32_t column, uint32_t threshold) {
    if (column & NS_FOREST_SET) return;
    used_[size_t(column) * 4 + (threshold >> 6)] |= uint64_t(1) << (threshold & 63);
  }

  /// Places the masks, once all tests are known.
  void place();

  /// The masks of a test that was added, before `seal`.
  Test find(uint32_t column, uint32_t threshold) const {
    if (column & NS_FOREST_SET) return {kEveryMask, first_set + (column & ~NS_FOREST_SET)};
    const uint32_t first = first_[column];
    if (first & kHasDigits) {
      const uint32_t high = (first & ~kHasDigits) + (threshold >> 4), digit = threshold & 15;
      const uint32_t lows = (first & ~kHasDigits) + kHighMasks;
      return {high, digit == 15 ? uint32_t(kNoMask) : lows + digit};
    }
    return {kEveryMask, first + count_below(column, threshold)};
  }

  size_t mask_bytes() const { return size_t(mask_count) * kMaskBytes; }

  /// Frees what only the making needs.
  void seal() {
    used_ = {};
    first_ = {};
  }

  std::vector<TestColumn> columns;
  std::vector<uint8_t> thresholds;  // of the columns without digits
  uint32_t set_count;
  uint32_t first_set = 0;  // the masks of sets are the last ones; others fill them in
  uint32_t mask_count = kFirstMask;

 private:
  static constexpr uint32_t kHasDigits = 1u << 31;

  uint32_t count_below(uint32_t column, uint32_t threshold) const {
    const uint64_t *words = &used_[size_t(column) * 4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < threshold >> 6; i++) count += uint32_t(__builtin_popcountll(words[i]));
    const uint64_t below = (uint64_t(1) << (threshold & 63)) - 1;
    return count + uint32_t(__builtin_popcountll(words[threshold >> 6] & below));
  }

  std::vector<uint64_t> used_;   // 256 bits a column
  std::vector<uint32_t> first_;  // of each column, with kHasDigits
};

}  // namespace ns_forest
