#include "forest_nodes_tests.h"

namespace ns_forest {

void TestPlan::place() {
  for (uint32_t column = 0; column < first_.size(); column++) {
    const uint32_t first = mask_count;
    const uint32_t first_threshold = uint32_t(thresholds.size());
    for (uint32_t word = 0; word < 4; word++) {
      for (uint64_t bits = used_[size_t(column) * 4 + word]; bits != 0; bits &= bits - 1) {
        thresholds.push_back(uint8_t(word * 64 + uint32_t(__builtin_ctzll(bits))));
      }
    }
    const uint32_t count = uint32_t(thresholds.size()) - first_threshold;
    if (count == 0) continue;
    if (count < kDigitThresholds) {
      columns.push_back({column, first, first_threshold, count});
      first_[column] = first;
      mask_count += count;
    } else {
      thresholds.resize(first_threshold);
      columns.push_back({column, first, first_threshold, 0});
      first_[column] = first | kHasDigits;
      mask_count += kHighMasks + kLowMasks;
    }
  }
  first_set = mask_count;
  mask_count += set_count;
}

}  // namespace ns_forest
