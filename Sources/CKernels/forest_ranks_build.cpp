#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>

#include "forest_ranks.h"

namespace ns_forest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Words of the largest set whose categories, and three special codes, are told apart by 512 bits.
constexpr uint32_t kSmallSetWords = 15;

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
    } else if (a.count != b.count) {
      return a.count < b.count;
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
      ranker.columns.push_back({order[at], column.policy, zero_rank});
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

  void add_small_set(uint32_t number, uint32_t universe) {
    const ns_forest_column &column = columns[number];
    uint32_t bits[16] = {};
    std::copy_n(words + column.start, column.count, bits);
    const uint32_t others = column.flags & ns_forest_set_has_unknown ? UINT32_MAX : 0;
    std::fill(bits + column.count, bits + universe / 32, others);
    bits[universe / 32] = special_bits(column.flags);
    SmallSet set = {};
    set.column = number;
    for (int i = 0; i < 64; i++) set.bits[i] = static_cast<uint8_t>(bits[i / 4] >> (8 * (i & 3)));
    ranker.small_sets.push_back(set);
  }

  void add_large_set(uint32_t number) {
    const ns_forest_column &column = columns[number];
    const auto start = static_cast<uint32_t>(ranker.words.size());
    ranker.large_sets.push_back({number, start, 32 * column.count});
    ranker.words.insert(ranker.words.end(), words + column.start,
                        words + column.start + column.count);
    ranker.words.push_back(special_bits(column.flags));
  }

  // Makes a group of the sets from order[at] on that read values alike, small ones first as their
  // counts ascend; answers its end.
  size_t add_sets(const std::vector<uint32_t> &order, size_t at) {
    const ns_forest_column &model = columns[order[at]];
    size_t end = at, end_of_small = at;
    while (end < order.size() && columns[order[end]].feature == model.feature &&
           kind(columns[order[end]]) == kind(model)) {
      end++;
      if (columns[order[end - 1]].count <= kSmallSetWords) end_of_small = end;
    }
    SetGroup group = {};
    group.fraction_is_negative = (model.flags & ns_forest_fraction_is_negative) != 0;
    if (end_of_small > at) group.universe = 32 * columns[order[end_of_small - 1]].count;
    group.first_small = static_cast<uint32_t>(ranker.small_sets.size());
    group.first_large = static_cast<uint32_t>(ranker.large_sets.size());
    for (size_t i = at; i < end; i++) {
      if (i < end_of_small) {
        add_small_set(order[i], group.universe);
      } else {
        add_large_set(order[i]);
      }
    }
    group.last_small = static_cast<uint32_t>(ranker.small_sets.size());
    group.last_large = static_cast<uint32_t>(ranker.large_sets.size());
    ranker.set_groups.push_back(group);
    return end;
  }

  void build(size_t column_count) {
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
