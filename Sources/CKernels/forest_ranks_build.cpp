#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>

#include "forest_ranks.h"

namespace ns_forest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Categories of the largest sets that, with three special codes, are told apart by a byte and by
// 512 bits.
constexpr uint32_t kEightUniverse = 253;
constexpr uint32_t kSmallUniverse = 480;

float largest_float_not_above(double threshold) {
  const float nearest = static_cast<float>(threshold);
  const bool is_above = static_cast<double>(nearest) > threshold;
  const float result =
      is_above ? std::nextafter(nearest, -std::numeric_limits<float>::infinity()) : nearest;
  return result == 0 ? 0.0f : result;
}

struct Builder {
  ns_forest_ranker &ranker;
  const ns_forest_column *columns;
  const double *thresholds;
  const uint32_t *words;
  // Of each column: its number among those of its kind, numeric or set.
  std::vector<uint32_t> numbers = {};
  // Of each set: from here on all categories are alike.
  std::vector<uint32_t> extents = {};

  // Flags that columns have to agree in to be worked out together.
  static uint8_t kind(const ns_forest_column &c) {
    return c.policy == ns_forest_category
               ? static_cast<uint8_t>(128 | (c.flags & ns_forest_fraction_is_negative))
               : static_cast<uint8_t>(c.flags & ns_forest_small_is_zero);
  }

  bool have_same_thresholds(const ns_forest_column &a, const ns_forest_column &b) const {
    return a.count == b.count &&
           std::equal(thresholds + a.start, thresholds + a.start + a.count, thresholds + b.start);
  }

  bool is_before(uint32_t first, uint32_t second) const {
    const ns_forest_column &a = columns[first], &b = columns[second];
    if (a.feature != b.feature) return a.feature < b.feature;
    if (kind(a) != kind(b)) return kind(a) < kind(b);
    if (a.policy != ns_forest_category && a.start != b.start) {
      const double *p = thresholds + a.start, *q = thresholds + b.start;
      if (a.count != b.count) return a.count < b.count;
      const auto [x, y] = std::mismatch(p, p + a.count, q);
      if (x != p + a.count) return *x < *y;
    } else if (extents[first] != extents[second]) {
      return extents[first] < extents[second];
    }
    return first < second;
  }

  void add_tree(const double *sorted, uint32_t count, uint8_t depth, Search &search) {
    const uint32_t node_count = 1u << depth;
    search.tree = static_cast<uint32_t>(ranker.floats.size());
    // Vector code reads whole registers.
    ranker.floats.resize(ranker.floats.size() + std::max(node_count, 16u));
    float *tree = ranker.floats.data() + search.tree;
    for (uint32_t level = 0; level < depth; level++) {
      for (uint32_t i = 0; i < 1u << level; i++) {
        const uint32_t place = (2 * i + 1) * (node_count >> (level + 1)) - 1;
        tree[(1u << level) + i] = largest_float_not_above(sorted[std::min(place, count - 1)]);
      }
    }
  }

  // Rank 0 has no threshold below it: any float and byte will do, best those seldom met.
  void add_checks(const double *sorted, uint32_t count, Search &search) {
    search.checks = static_cast<uint32_t>(ranker.checks.size());
    ranker.checks.resize(ranker.checks.size() + std::max(1u << search.depth, 64u), 0xa7);
    uint8_t *checks = ranker.checks.data() + search.checks;
    search.after = static_cast<uint32_t>(ranker.floats.size());
    ranker.floats.resize(ranker.floats.size() + std::max(1u << search.depth, 8u), NAN);
    for (uint32_t i = 0; i < count; i++) {
      const float after = std::nextafter(largest_float_not_above(sorted[i]),
                                         std::numeric_limits<float>::infinity());
      uint32_t bits;
      memcpy(&bits, &after, sizeof bits);
      checks[i + 1] = static_cast<uint8_t>(bits);
      ranker.floats[search.after + i + 1] = after;
    }
  }

  Search search_of(const ns_forest_column &column) {
    const double *sorted = thresholds + column.start;
    uint32_t count = column.count;
    while (count && sorted[count - 1] == kInfinity) count--;
    Search search = {};
    search.cap = static_cast<uint8_t>(count);
    while (1u << search.depth < count + 1) search.depth++;
    if (count == 0) return search;
    search.doubles = static_cast<uint32_t>(ranker.doubles.size());
    ranker.doubles.insert(ranker.doubles.end(), sorted, sorted + count);
    ranker.doubles.resize(search.doubles + (size_t(1) << search.depth) - 1, kInfinity);
    for (uint32_t i = 0; i < count; i++) {
      const float rounded = largest_float_not_above(sorted[i]);
      search.is_plain |= std::isinf(rounded);
      search.may_be_close |= static_cast<double>(rounded) != sorted[i];
    }
    add_tree(sorted, count, search.depth, search);
    add_checks(sorted, count, search);
    return search;
  }

  bool small_matters(const ns_forest_column &column) const {
    const double *first = thresholds + column.start, *last = first + column.count;
    const double *at = std::lower_bound(first, last, -static_cast<double>(kSmall));
    return at != last && *at < kSmall;
  }

  // Makes a group of the numeric columns from order[at] on that share a search; answers its end.
  size_t add_group(const std::vector<uint32_t> &order, size_t at) {
    const ns_forest_column &model = columns[order[at]];
    NumericGroup group = {};
    group.search = search_of(model);
    group.small_is_zero = (model.flags & ns_forest_small_is_zero) != 0;
    group.small_matters = small_matters(model);
    group.first = static_cast<uint32_t>(ranker.columns.size());
    const double *sorted = thresholds + model.start;
    const auto zero_rank =
        static_cast<uint8_t>(std::lower_bound(sorted, sorted + model.count, 0.0) - sorted);
    for (; at < order.size(); at++) {
      const ns_forest_column &column = columns[order[at]];
      const bool belongs = column.feature == model.feature && kind(column) == kind(model) &&
                           have_same_thresholds(column, model);
      if (!belongs) break;
      ranker.columns.push_back({numbers[order[at]], column.policy, zero_rank});
    }
    group.last = static_cast<uint32_t>(ranker.columns.size());
    ranker.groups.push_back(group);
    return at;
  }

  // The bits of the special codes, in the order of their low bits.
  static uint32_t special_bits(uint8_t flags) {
    return (flags & ns_forest_set_has_unknown ? 1u : 0) |
           (flags & ns_forest_set_has_negative ? 2u : 0) |
           (flags & ns_forest_set_has_missing ? 4u : 0);
  }

  bool has(const ns_forest_column &set, uint32_t category) const {
    if (category >> 5 >= set.count) return (set.flags & ns_forest_set_has_unknown) != 0;
    return (words[set.start + (category >> 5)] >> (category & 31) & 1) != 0;
  }

  uint32_t extent(const ns_forest_column &set) const {
    if (set.flags & ns_forest_set_has_unknown) return 32 * set.count;
    for (uint32_t i = set.count; i > 0; i--) {
      const uint32_t word = words[set.start + i - 1];
      if (word) return 32 * i - static_cast<uint32_t>(__builtin_clz(word));
    }
    return 0;
  }

  // Makes eights of the sets order[at ..< end].
  void add_eights(const std::vector<uint32_t> &order, size_t at, size_t end,
                  const SetGroup &group) {
    for (; at < end; at += 8) {
      EightSets eight = {};
      eight.count = static_cast<uint32_t>(std::min<size_t>(8, end - at));
      eight.table = static_cast<uint32_t>(ranker.tables.size());
      ranker.tables.resize(ranker.tables.size() + group.table_size());
      uint8_t *table = ranker.tables.data() + eight.table;
      for (uint32_t i = 0; i < eight.count; i++) {
        const ns_forest_column &set = columns[order[at + i]];
        eight.columns[i] = numbers[order[at + i]];
        for (uint32_t category = 0; category < group.eight_universe; category++) {
          table[category] |= static_cast<uint8_t>(!has(set, category) << i);
        }
        for (uint32_t special = 0; special < 3; special++) {
          const uint32_t is_out = ~special_bits(set.flags) >> special & 1;
          table[group.eight_universe + special] |= static_cast<uint8_t>(is_out << i);
        }
      }
      ranker.eight_sets.push_back(eight);
    }
  }

  void add_small_set(uint32_t number, uint32_t universe) {
    const ns_forest_column &column = columns[number];
    uint32_t bits[16] = {};
    for (uint32_t category = 0; category < universe; category++) {
      bits[category / 32] |= static_cast<uint32_t>(has(column, category)) << (category & 31);
    }
    bits[universe / 32] = special_bits(column.flags);
    SmallSet set = {};
    set.column = numbers[number];
    for (int i = 0; i < 64; i++) set.bits[i] = static_cast<uint8_t>(bits[i / 4] >> (8 * (i & 3)));
    ranker.small_sets.push_back(set);
  }

  void add_large_set(uint32_t number) {
    const ns_forest_column &column = columns[number];
    const auto start = static_cast<uint32_t>(ranker.words.size());
    ranker.large_sets.push_back({numbers[number], start, 32 * column.count});
    ranker.words.insert(ranker.words.end(), words + column.start,
                        words + column.start + column.count);
    ranker.words.push_back(special_bits(column.flags));
  }

  // Makes a group of the sets from order[at] on that read values alike, in the order of their
  // extents; answers its end.
  size_t add_sets(const std::vector<uint32_t> &order, size_t at) {
    const ns_forest_column &model = columns[order[at]];
    size_t end = at, end_of_eights = at, end_of_small = at;
    while (end < order.size() && columns[order[end]].feature == model.feature &&
           kind(columns[order[end]]) == kind(model)) {
      const uint32_t size = extents[order[end++]];
      if (size <= kEightUniverse) end_of_eights = end;
      if (size <= kSmallUniverse) end_of_small = end;
    }
    SetGroup group = {};
    group.fraction_is_negative = (model.flags & ns_forest_fraction_is_negative) != 0;
    if (end_of_eights > at) group.eight_universe = extents[order[end_of_eights - 1]];
    if (end_of_small > at) group.small_universe = (extents[order[end_of_small - 1]] + 31) & ~31u;
    group.first_eight = static_cast<uint32_t>(ranker.eight_sets.size());
    group.first_small = static_cast<uint32_t>(ranker.small_sets.size());
    group.first_large = static_cast<uint32_t>(ranker.large_sets.size());
    add_eights(order, at, end_of_eights, group);
    for (size_t i = end_of_eights; i < end_of_small; i++) {
      add_small_set(order[i], group.small_universe);
    }
    for (size_t i = end_of_small; i < end; i++) add_large_set(order[i]);
    group.last_eight = static_cast<uint32_t>(ranker.eight_sets.size());
    group.last_small = static_cast<uint32_t>(ranker.small_sets.size());
    group.last_large = static_cast<uint32_t>(ranker.large_sets.size());
    ranker.set_groups.push_back(group);
    return end;
  }

  void number_columns(size_t column_count) {
    numbers.resize(column_count);
    extents.resize(column_count);
    uint32_t set_count = 0, numeric_count = 0;
    for (size_t i = 0; i < column_count; i++) {
      const bool is_set = columns[i].policy == ns_forest_category;
      if (is_set) extents[i] = extent(columns[i]);
      numbers[i] = is_set ? set_count++ : numeric_count++;
    }
  }

  void build(size_t column_count) {
    number_columns(column_count);
    std::vector<uint32_t> order(column_count);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [this](uint32_t a, uint32_t b) { return is_before(a, b); });
    for (size_t at = 0; at < column_count;) {
      Feature feature = {};
      feature.feature = columns[order[at]].feature;
      feature.first_group = static_cast<uint32_t>(ranker.groups.size());
      feature.first_sets = static_cast<uint32_t>(ranker.set_groups.size());
      while (at < column_count && columns[order[at]].feature == feature.feature) {
        const bool is_set = columns[order[at]].policy == ns_forest_category;
        at = is_set ? add_sets(order, at) : add_group(order, at);
      }
      for (size_t i = feature.first_group; i < ranker.groups.size(); i++) {
        const NumericGroup &group = ranker.groups[i];
        feature.looks_for_small |= group.small_is_zero && group.small_matters;
      }
      feature.last_group = static_cast<uint32_t>(ranker.groups.size());
      feature.last_sets = static_cast<uint32_t>(ranker.set_groups.size());
      ranker.features.push_back(feature);
    }
  }
};

const Kernels *kernels_for(ns_isa isa) {
#if defined(__x86_64__)
  // Every CPU with VBMI and GFNI has VBMI2 too; the list of ns_isa.h does not name it.
  if (isa == ns_isa_avx512 && __builtin_cpu_supports("avx512vbmi2")) return &kAVX512Kernels;
  if (isa >= ns_isa_avx2) return &kAVX2Kernels;
#else
  (void)isa;
#endif
  return &kPortableKernels;
}

}  // namespace
}  // namespace ns_forest

ns_forest_ranker *ns_forest_ranker_create(ns_isa isa, const ns_forest_column *columns,
                                          size_t columnCount, const double *thresholds,
                                          const uint32_t *words, int is_float32) {
  auto *ranker = new (std::nothrow) ns_forest_ranker();
  if (!ranker) return nullptr;
  ranker->kernels = ns_forest::kernels_for(isa);
  ranker->is_portable = ranker->kernels == &ns_forest::kPortableKernels;
  ranker->is_float32 = is_float32 != 0;
  try {
    ns_forest::Builder{*ranker, columns, thresholds, words}.build(columnCount);
  } catch (const std::bad_alloc &) {
    delete ranker;
    return nullptr;
  }
  return ranker;
}

void ns_forest_ranker_destroy(ns_forest_ranker *ranker) { delete ranker; }
