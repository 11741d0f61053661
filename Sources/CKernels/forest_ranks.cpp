#include "forest_ranks.h"

namespace ns_forest {
namespace {
namespace portable {

#define NS_VECTOR_BYTES 16
#include "forest_ranks_body.h"

uint32_t round(const double *values, float *floats, bool to_nearest, bool looks_for_small) {
  if (to_nearest) {
    for (int row = 0; row < kRows; row++) floats[row] = static_cast<float>(values[row]);
    return look(floats, looks_for_small);
  }
  int missing = 0;
  for (int row = 0; row < kRows; row++) missing |= values[row] != values[row];
  return (missing ? kHasMissing : 0) | kHasSmall;
}

void small_set(const uint8_t *set, uint32_t, const uint8_t *bytes, const uint8_t *bits,
               uint8_t *ranks) {
  for (int row = 0; row < kRows; row++) ranks[row] = set[bytes[row]] & bits[row] ? 0 : 255;
}

void eight_sets(const uint8_t *table, uint32_t, const uint8_t *places, const EightSets &sets,
                uint8_t *masks) {
  const auto look_up = [table](const uint8_t *from) {
    alignas(16) uint8_t bytes[16];
    for (int i = 0; i < 16; i++) bytes[i] = table[from[i]];
    return load(bytes);
  };
  make_eight_masks(look_up, places, sets, masks);
}

}  // namespace portable

// The number of thresholds below the value, among 2^depth - 1 ascending ones.
inline uint8_t exact_rank(const double *thresholds, int depth, double value) {
  const double *first = thresholds;
  for (int level = depth - 1; level >= 0; level--) {
    const size_t step = size_t(1) << level;
    // Arithmetic, because the compiler makes a branch of a conditional sum.
    first += static_cast<size_t>(first[step - 1] < value) << level;
  }
  return static_cast<uint8_t>(first - thresholds);
}

inline double without_small(double value) {
  return value <= kSmall && value >= -static_cast<double>(kSmall) ? 0.0 : value;
}

// One block of one feature, and what has been worked out about it.
struct Block {
  const ns_forest_ranker &ranker;
  uint8_t *ranks;
  uint8_t *sets;
  Values values;
  uint32_t seen;
  bool has_marks;
  alignas(64) float floats[kRows];
  alignas(64) uint8_t missing[kRows];
  alignas(64) uint8_t none[kRows];

  Block(const ns_forest_ranker &ranker, uint8_t *ranks, uint8_t *sets)
      : ranker(ranker), ranks(ranks), sets(sets) {}

  void read(const double *feature, bool looks_for_small) {
    seen = ranker.kernels->round(feature, floats, ranker.is_float32, looks_for_small);
    values = {ranker.is_float32 ? nullptr : feature, floats};
    has_marks = false;
  }

  void read(const float *feature, bool looks_for_small) {
    seen = ranker.kernels->look(feature, looks_for_small);
    values = {nullptr, feature};
    has_marks = false;
  }
};

// Ranks doubles, or floats as doubles, one by one.
void search_doubles(const ns_forest_ranker &ranker, const NumericGroup &group,
                    const Values &values, uint8_t *ranks) {
  const double *thresholds = ranker.doubles.data() + group.search.doubles;
  const int depth = group.search.depth;
  double copies[kRows];
  const double *doubles = values.doubles;
  if (!doubles) {
    for (int row = 0; row < kRows; row++) copies[row] = values.floats[row];
    doubles = copies;
  }
  if (group.small_is_zero && group.small_matters) {
    for (int row = 0; row < kRows; row++) copies[row] = without_small(doubles[row]);
    doubles = copies;
  }
  for (int row = 0; row < kRows; row++) ranks[row] = exact_rank(thresholds, depth, doubles[row]);
}

// Finds the ranks again that vector code was not sure of; they may be too high.
void search_close(const ns_forest_ranker &ranker, const NumericGroup &group, const double *values,
                  const uint64_t *close, uint8_t *ranks) {
  const double *thresholds = ranker.doubles.data() + group.search.doubles;
  for (int row = 0; row < kRows; row += 64) {
    for (uint64_t marks = close[row / 64]; marks; marks &= marks - 1) {
      const int at = row + __builtin_ctzll(marks);
      const double value = group.small_is_zero ? without_small(values[at]) : values[at];
      if (ranks[at] == 0 || thresholds[ranks[at] - 1] < value) continue;
      ranks[at] = exact_rank(thresholds, group.search.depth, value);
    }
  }
}

void search_floats(const ns_forest_ranker &ranker, const NumericGroup &group, const Values &values,
                   uint8_t *ranks) {
  const bool is_checked = group.search.may_be_close && values.doubles;
  uint64_t close[kRows / 64];
  const Tables tables = {ranker.floats.data() + group.search.tree,
                         ranker.floats.data() + group.search.after,
                         ranker.checks.data() + group.search.checks};
  const bool is_close = ranker.kernels->search(group.search, tables, values.floats, ranks,
                                               is_checked ? close : nullptr);
  if (is_close) search_close(ranker, group, values.doubles, close, ranks);
}

// search_floats where a value is small but not zero and the group makes it zero.
void search_without_small(const ns_forest_ranker &ranker, const NumericGroup &group,
                          const Values &values, uint8_t *ranks) {
  alignas(64) double doubles[kRows];
  alignas(64) float floats[kRows];
  if (values.doubles) {
    for (int row = 0; row < kRows; row++) doubles[row] = without_small(values.doubles[row]);
    ranker.kernels->round(doubles, floats, false, false);
  } else {
    for (int row = 0; row < kRows; row++) {
      floats[row] = static_cast<float>(without_small(values.floats[row]));
    }
  }
  search_floats(ranker, group, {values.doubles ? doubles : nullptr, floats}, ranks);
}

void search(const Block &block, const NumericGroup &group, uint8_t *ranks) {
  if (group.search.depth == 0) {
    memset(ranks, 0, kRows);
  } else if (block.ranker.is_portable || group.search.is_plain) {
    search_doubles(block.ranker, group, block.values, ranks);
  } else if (group.small_is_zero && group.small_matters && (block.seen & kHasSmall)) {
    search_without_small(block.ranker, group, block.values, ranks);
  } else {
    search_floats(block.ranker, group, block.values, ranks);
  }
}

// Gives a column its ranks for missing values.
void patch(Block &block, const NumericColumn &column) {
  const bool none_is_missing = column.policy == ns_forest_no_value_goes_left ||
                               column.policy == ns_forest_no_value_goes_right;
  if (!none_is_missing && !(block.seen & kHasMissing)) return;
  const Kernels &kernels = *block.ranker.kernels;
  if (!block.has_marks) kernels.mark(block.values, block.missing, block.none);
  block.has_marks = true;
  const bool is_left = column.policy == ns_forest_missing_goes_left ||
                       column.policy == ns_forest_no_value_goes_left;
  const uint8_t rank =
      column.policy == ns_forest_missing_is_zero ? column.zero_rank : is_left ? 0 : 255;
  kernels.patch(none_is_missing ? block.none : block.missing, rank,
                block.ranks + static_cast<size_t>(column.column) * kRows);
}

void rank_group(Block &block, const NumericGroup &group) {
  const NumericColumn *columns = block.ranker.columns.data();
  uint8_t *ranks = block.ranks + static_cast<size_t>(columns[group.first].column) * kRows;
  search(block, group, ranks);
  for (uint32_t i = group.first + 1; i < group.last; i++) {
    memcpy(block.ranks + static_cast<size_t>(columns[i].column) * kRows, ranks, kRows);
  }
  for (uint32_t i = group.first; i < group.last; i++) patch(block, columns[i]);
}

void rank_small_sets(const Block &block, const SetGroup &group, const uint32_t *codes) {
  const Kernels &kernels = *block.ranker.kernels;
  alignas(64) uint8_t bytes[kRows];
  alignas(64) uint8_t bits[kRows];
  alignas(64) uint8_t ranks[kRows];
  kernels.split(codes, group.small_universe, bytes, bits);
  const uint32_t byte_count = (group.small_universe + 3 + 7) / 8;
  for (uint32_t i = group.first_small; i < group.last_small; i++) {
    const SmallSet &set = block.ranker.small_sets[i];
    kernels.small_set(set.bits, byte_count, bytes, bits, ranks);
    kernels.pack(ranks, block.sets + static_cast<size_t>(set.column) * kMaskBytes);
  }
}

void rank_sets(const Block &block, const SetGroup &group) {
  const ns_forest_ranker &ranker = block.ranker;
  const Kernels &kernels = *ranker.kernels;
  alignas(64) uint32_t codes[kRows];
  alignas(64) uint8_t bytes[kRows];
  kernels.codes(block.values, group.fraction_is_negative, codes);
  if (group.first_eight < group.last_eight) kernels.places(codes, group.eight_universe, bytes);
  for (uint32_t i = group.first_eight; i < group.last_eight; i++) {
    const EightSets &sets = ranker.eight_sets[i];
    kernels.eight_sets(ranker.tables.data() + sets.table, group.table_size(), bytes, sets,
                       block.sets);
  }
  if (group.first_small < group.last_small) rank_small_sets(block, group, codes);
  for (uint32_t i = group.first_large; i < group.last_large; i++) {
    const LargeSet &set = ranker.large_sets[i];
    kernels.large_set(ranker.words.data() + set.start, set.limit, codes, bytes);
    kernels.pack(bytes, block.sets + static_cast<size_t>(set.column) * kMaskBytes);
  }
}

template <typename T>
void rank(const ns_forest_ranker &ranker, const T *features, size_t stride, uint8_t *ranks,
          uint8_t *sets) {
  Block block(ranker, ranks, sets);
  for (const Feature &feature : ranker.features) {
    block.read(features + feature.feature * stride, feature.looks_for_small);
    for (uint32_t i = feature.first_group; i < feature.last_group; i++) {
      rank_group(block, ranker.groups[i]);
    }
    for (uint32_t i = feature.first_sets; i < feature.last_sets; i++) {
      rank_sets(block, ranker.set_groups[i]);
    }
  }
}

}  // namespace

const Kernels kPortableKernels = {
    portable::round,  portable::look,       nullptr,         portable::mark,      portable::patch,
    portable::codes,  portable::places,     portable::eight_sets, portable::split,
    portable::small_set, portable::large_set, portable::pack,
};

}  // namespace ns_forest

void ns_forest_rank_f64(const ns_forest_ranker *ranker, const double *features, size_t stride,
                        uint8_t *ranks, uint8_t *sets) {
  ns_forest::rank(*ranker, features, stride, ranks, sets);
}

void ns_forest_rank_f32(const ns_forest_ranker *ranker, const float *features, size_t stride,
                        uint8_t *ranks, uint8_t *sets) {
  ns_forest::rank(*ranker, features, stride, ranks, sets);
}

void ns_forest_expand_sets(const uint8_t *sets, size_t setCount, uint8_t *ranks) {
  using namespace ns_forest;
  for (size_t set = 0; set < setCount; set++, sets += kMaskBytes, ranks += kRows) {
    for (int bit = 0; bit < 8; bit++) {
      for (int byte = 0; byte < kMaskBytes; byte++) {
        ranks[bit * kMaskBytes + byte] = sets[byte] & 1 << bit ? 255 : 0;
      }
    }
  }
}
