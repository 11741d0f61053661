// What the rankers of all instruction sets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ns_forest_ranks.h"

namespace ns_forest {

constexpr int kRows = NS_FOREST_ROWS;
constexpr int kMaskBytes = kRows / 8;

// LightGBM's kZeroThreshold (include/LightGBM/meta.h): a float constant, widened.
constexpr float kSmall = 1e-35f;

// Distinct thresholds of one feature, at most 255.
//
// With floats d(t) = the largest float <= t and u(x) = the smallest float >= x, x <= t whenever
// u(x) <= d(t), and x > t whenever u(x) > d(t), but for x and t strictly between the same two
// floats. Vector code searches the d(t) for u(x). Then it compares u(x), or its lowest byte, with
// the float after the d(t) found just below, and has the rank found again from doubles where they
// are equal: wherever x may be so close and, with bytes, for one in 256 other values.
struct Search {
  uint8_t depth;      // the tree of floats has 2^depth - 1 nodes
  uint8_t cap;        // no rank is above: the thresholds below infinity
  bool is_plain;      // floats cannot hold the thresholds: search the doubles
  bool may_be_close;  // a threshold is not a float
  // Where parts start in the ranker's vectors.
  uint32_t tree;     // floats: node 1 is the root, 2i and 2i + 1 are the children of i
  uint32_t after;    // floats: that of rank r is the one after d(t) of the threshold below
  uint32_t checks;   // bytes: the lowest of those floats
  uint32_t doubles;  // ascending thresholds, padded with infinity to 2^depth - 1
};

struct NumericColumn {
  uint32_t column;
  uint8_t policy;
  uint8_t zero_rank;
};

// Columns of one search: those of columns[first ..< last].
struct NumericGroup {
  Search search;
  bool small_is_zero;
  bool small_matters;  // a value that is small but not zero may have another rank than zero
  uint32_t first, last;
};

// Up to eight sets of at most 256 categories, three of which stand for what is in no word. Byte c
// of their table says in bit i whether category c is outside set i.
struct EightSets {
  uint32_t columns[8];
  uint32_t count;
  uint32_t table;  // where it starts among `tables`
};

// A set of at most 512 categories, three of which stand for what is in no word.
struct SmallSet {
  uint32_t column;
  uint8_t bits[64];
};

struct LargeSet {
  uint32_t column;
  uint32_t start;      // of the words; the one after them has the bits of the special codes
  uint32_t limit;      // categories in the words
};

// Sets of one feature that read values in the same way.
struct SetGroup {
  bool fraction_is_negative;
  uint32_t eight_universe;  // sets by eight: categories below are told apart, <= 253
  uint32_t small_universe;  // small sets: the same, <= 509
  uint32_t first_eight, last_eight, first_small, last_small, first_large, last_large;

  // Bytes of the table of eight sets: 64, 128 or 256.
  uint32_t table_size() const {
    return eight_universe + 3 <= 64 ? 64 : eight_universe + 3 <= 128 ? 128 : 256;
  }
};

struct Feature {
  uint32_t feature;
  bool looks_for_small;
  uint32_t first_group, last_group, first_sets, last_sets;
};

// Codes that stand for values in no set's words; the low bits are their place after the words.
enum : uint32_t { kUnknown = 0x80000000u, kNegative = 0x80000001u, kMissing = 0x80000002u };

// Values of one feature: doubles or, where every value is a float, floats alone.
struct Values {
  const double *doubles;  // NULL if floats are exact
  const float *floats;    // the smallest floats that are not below the values
};

// What vector code reads of one search.
struct Tables {
  const float *tree;
  const float *after;
  const uint8_t *checks;
};

// What there is among values: bits of what `round` and `look` answer.
enum : uint32_t { kHasMissing = 1, kHasSmall = 2 };

struct Kernels {
  // u(x) of each value, or the nearest float. Infinity may pass for a missing value.
  uint32_t (*round)(const double *values, float *floats, bool to_nearest, bool looks_for_small);
  // What `round` answers, for floats.
  uint32_t (*look)(const float *floats, bool looks_for_small);
  // Ranks of values; if `close` is given, marks those that may be wrong, and says if there are any.
  bool (*search)(const Search &search, const Tables &tables, const float *values, uint8_t *ranks,
                 uint64_t *close);
  // 255 where a value is missing (`missing`), and where it is missing or small (`none`), else 0.
  void (*mark)(const Values &values, uint8_t *missing, uint8_t *none);
  // Writes a rank where the marks are 255.
  void (*patch)(const uint8_t *marks, uint8_t rank, uint8_t *ranks);
  // Category codes of values.
  void (*codes)(const Values &values, bool fraction_is_negative, uint32_t *codes);
  // Codes as places in the table of eight sets; what is beyond comes after `universe`.
  void (*places)(const uint32_t *codes, uint32_t universe, uint8_t *places);
  // Masks of up to eight sets, whose table has 64, 128 or 256 bytes.
  void (*eight_sets)(const uint8_t *table, uint32_t table_size, const uint8_t *places,
                     const EightSets &sets, uint8_t *masks);
  // Splits codes into byte numbers and bits of small sets; what is beyond comes after `universe`.
  void (*split)(const uint32_t *codes, uint32_t universe, uint8_t *bytes, uint8_t *bits);
  void (*small_set)(const uint8_t *set, uint32_t byte_count, const uint8_t *bytes,
                    const uint8_t *bits, uint8_t *ranks);
  void (*large_set)(const uint32_t *words, uint32_t limit, const uint32_t *codes, uint8_t *ranks);
  // The mask of ranks that are 0 or 255.
  void (*pack)(const uint8_t *ranks, uint8_t *mask);
};

extern const Kernels kPortableKernels;  // `round` fills floats only if to_nearest; no `search`
#if defined(__x86_64__)
extern const Kernels kAVX2Kernels;
extern const Kernels kAVX512Kernels;
#endif

}  // namespace ns_forest

struct ns_forest_ranker {
  const ns_forest::Kernels *kernels;
  bool is_portable;
  bool is_float32;
  std::vector<ns_forest::Feature> features;
  std::vector<ns_forest::NumericGroup> groups;
  std::vector<ns_forest::NumericColumn> columns;
  std::vector<ns_forest::SetGroup> set_groups;
  std::vector<ns_forest::EightSets> eight_sets;
  std::vector<uint8_t> tables;
  std::vector<ns_forest::SmallSet> small_sets;
  std::vector<ns_forest::LargeSet> large_sets;
  std::vector<float> floats;
  std::vector<uint8_t> checks;
  std::vector<double> doubles;
  std::vector<uint32_t> words;
};
