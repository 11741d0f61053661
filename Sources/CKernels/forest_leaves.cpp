#include "forest_leaves.h"

#include <algorithm>
#include <cmath>
#include <new>

#pragma STDC FP_CONTRACT OFF

namespace ns_forest {
namespace {
namespace portable {

// Eight rows at a time, so that eight sums grow side by side and their codes come in one load.
template <typename T>
inline void add_plain(const Leaves *leaves, size_t count, T *sums) {
  for (int row = 0; row < kLeafRows; row += 8) {
    T a = sums[row], b = sums[row + 1], c = sums[row + 2], d = sums[row + 3];
    T e = sums[row + 4], f = sums[row + 5], g = sums[row + 6], h = sums[row + 7];
    for (size_t i = 0; i < count; i++) {
      uint64_t codes;
      memcpy(&codes, leaves[i].codes + row, sizeof codes);
      const T *table = static_cast<const T *>(leaves[i].table);
      a += table[codes & 255];
      b += table[codes >> 8 & 255];
      c += table[codes >> 16 & 255];
      d += table[codes >> 24 & 255];
      e += table[codes >> 32 & 255];
      f += table[codes >> 40 & 255];
      g += table[codes >> 48 & 255];
      h += table[codes >> 56];
    }
    sums[row] = a, sums[row + 1] = b, sums[row + 2] = c, sums[row + 3] = d;
    sums[row + 4] = e, sums[row + 5] = f, sums[row + 6] = g, sums[row + 7] = h;
  }
}

Layout layout(uint32_t, bool) { return kPlain; }

}  // namespace portable

// Tables of one output that are added in one call of a kernel.
constexpr size_t kBatch = 64;

template <typename T>
void add(const ns_forest_leaves &leaves, AddLeaves<T> kernel, uint32_t first_tree,
         uint32_t tree_count, const uint8_t *codes, T *sums) {
  const LeafTable *tables = leaves.tables.data();
  const auto is_below = [](const LeafTable &table, uint64_t tree) { return table.tree < tree; };
  const auto begin = leaves.tables.begin(), end = leaves.tables.end();
  const auto from = std::lower_bound(begin, end, uint64_t(first_tree), is_below);
  const auto to = std::lower_bound(from, end, uint64_t(first_tree) + tree_count, is_below);
  const auto first = static_cast<uint32_t>(from - begin);
  const auto last = static_cast<uint32_t>(to - begin);
  Leaves batch[kBatch];
  for (uint32_t head = first; head < last; head++) {
    if (tables[head].previous != kNoTable && tables[head].previous >= first) continue;
    size_t count = 0;
    for (uint32_t i = head; i < last; i = tables[i].next) {
      if (count == kBatch) {
        kernel(batch, count, sums + size_t(tables[head].output) * kLeafRows);
        count = 0;
      }
      const uint8_t *table = reinterpret_cast<const uint8_t *>(leaves.lines.data());
      batch[count++] = {codes + size_t(tables[i].tree - first_tree) * kLeafRows,
                        table + tables[i].offset, tables[i].layout};
    }
    kernel(batch, count, sums + size_t(tables[head].output) * kLeafRows);
  }
}

struct LeafBuilder {
  ns_forest_leaves &leaves;
  ns_forest_leaves_kind kind;
  const ns_forest_leaf_table *tables;
  size_t table_count;
  const double *values;

  double value(const ns_forest_leaf_table &table, uint32_t code) const {
    return values[table.start + size_t(code) * table.stride];
  }

  // The value's eight or four bytes, the low ones first.
  uint64_t bits(const ns_forest_leaf_table &table, uint32_t code) const {
    const double number = value(table, code);
    uint64_t wide;
    uint32_t narrow;
    if (kind == ns_forest_leaves_double) {
      memcpy(&wide, &number, sizeof wide);
      return wide;
    }
    if (kind == ns_forest_leaves_fixed) {
      return static_cast<uint32_t>(std::lrint(number / leaves.units[table.output]));
    }
    const auto rounded = static_cast<float>(number);
    memcpy(&narrow, &rounded, sizeof narrow);
    return narrow;
  }

  // Answers false if a value is not finite.
  bool find_units() {
    std::vector<double> sizes(leaves.units.size(), 0.0);
    std::vector<double> counts(leaves.units.size(), 0.0);
    for (size_t i = 0; i < table_count; i++) {
      double largest = 0;
      for (uint32_t code = 0; code < tables[i].codeCount; code++) {
        const double size = std::fabs(value(tables[i], code));
        if (!std::isfinite(size)) return false;
        largest = std::max(largest, size);
      }
      // Halved until the end, so that no sum of finite values is infinite.
      sizes[tables[i].output] += largest / 4294967296.0;
      counts[tables[i].output] += 1;
    }
    for (size_t output = 0; output < sizes.size(); output++) {
      leaves.units[output] = unit(sizes[output], counts[output]);
    }
    return true;
  }

  // A little is added to the size for the rounding of its own sum.
  static double unit(double size, double count) {
    const double room = 2147483647.0 - count / 2 - 1;
    const double least = size * (1 + 1e-9) / room;
    if (!(least > 0)) return 1;
    int exponent;
    const double fraction = std::frexp(least, &exponent);
    if (fraction == 0.5) exponent--;
    return std::ldexp(1.0, std::max(exponent + 32, -1022));
  }

  // Bytes of a table of `count` values, each of `width` bytes.
  static size_t size(Layout layout, uint32_t count, size_t width) {
    switch (layout) {
      case kPlain: return count * width;
      case kPad32: case kPlanes32: return 32 * width;
      case kPad64: case kPlanes64: return 64 * width;
      case kPlanes128: return 128 * width;
      case kPlanes256: return 256 * width;
    }
    return 0;
  }

  void fill(const ns_forest_leaf_table &table, Layout layout, size_t width, uint8_t *to) const {
    const size_t padded = size(layout, table.codeCount, 1);
    for (uint32_t code = 0; code < table.codeCount; code++) {
      const uint64_t value = bits(table, code);
      for (size_t byte = 0; byte < width; byte++) {
        size_t place = code * width + byte;
        if (layout == kPad32 || layout == kPad64) {
          place = (byte / 4 * padded + code) * 4 + byte % 4;
        } else if (layout != kPlain) {
          place = byte * padded + code;
        }
        to[place] = static_cast<uint8_t>(value >> (8 * byte));
      }
    }
  }

  bool build() {
    uint32_t output_count = 0;
    size_t byte_count = 0;
    const size_t width = kind == ns_forest_leaves_double ? 8 : 4;
    leaves.tables.resize(table_count);
    for (size_t i = 0; i < table_count; i++) {
      const ns_forest_leaf_table &table = tables[i];
      const Layout layout = leaves.kernels->layout(table.codeCount, width == 8);
      leaves.tables[i] = {table.tree, table.output, kNoTable, kNoTable, byte_count, layout};
      byte_count += (size(layout, table.codeCount, width) + 63) & ~size_t(63);
      output_count = std::max(output_count, table.output + 1);
    }
    leaves.units.resize(output_count, 1.0);
    if (kind == ns_forest_leaves_fixed && !find_units()) return false;
    leaves.lines.resize(byte_count / 64);
    std::vector<uint32_t> latest(output_count, kNoTable);
    for (size_t i = 0; i < table_count; i++) {
      LeafTable &table = leaves.tables[i];
      table.previous = latest[table.output];
      latest[table.output] = static_cast<uint32_t>(i);
      if (table.previous != kNoTable) leaves.tables[table.previous].next = latest[table.output];
      fill(tables[i], table.layout, width,
           reinterpret_cast<uint8_t *>(leaves.lines.data()) + table.offset);
    }
    return true;
  }
};

const LeafKernels *leaf_kernels_for(ns_isa isa) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return &kAVX512LeafKernels;
  if (isa == ns_isa_avx2) return &kAVX2LeafKernels;
#else
  (void)isa;
#endif
  return &kPortableLeafKernels;
}

}  // namespace

const LeafKernels kPortableLeafKernels = {
    portable::add_plain<double>,
    portable::add_plain<float>,
    portable::add_plain<uint32_t>,
    portable::layout,
};

}  // namespace ns_forest

ns_forest_leaves *ns_forest_leaves_create(ns_isa isa, ns_forest_leaves_kind kind,
                                          const ns_forest_leaf_table *tables, size_t tableCount,
                                          const double *values) {
  auto *leaves = new (std::nothrow) ns_forest_leaves();
  if (!leaves) return nullptr;
  leaves->kernels = ns_forest::leaf_kernels_for(isa);
  bool is_built = false;
  try {
    is_built = ns_forest::LeafBuilder{*leaves, kind, tables, tableCount, values}.build();
  } catch (const std::bad_alloc &) {
  }
  if (is_built) return leaves;
  delete leaves;
  return nullptr;
}

void ns_forest_leaves_destroy(ns_forest_leaves *leaves) { delete leaves; }

void ns_forest_leaves_add_f64(const ns_forest_leaves *leaves, uint32_t firstTree,
                              uint32_t treeCount, const uint8_t *codes, double *sums) {
  ns_forest::add(*leaves, leaves->kernels->doubles, firstTree, treeCount, codes, sums);
}

void ns_forest_leaves_add_f32(const ns_forest_leaves *leaves, uint32_t firstTree,
                              uint32_t treeCount, const uint8_t *codes, float *sums) {
  ns_forest::add(*leaves, leaves->kernels->floats, firstTree, treeCount, codes, sums);
}

void ns_forest_leaves_add_i32(const ns_forest_leaves *leaves, uint32_t firstTree,
                              uint32_t treeCount, const uint8_t *codes, int32_t *sums) {
  // Unsigned, because vector sums wrap; they never have to.
  ns_forest::add(*leaves, leaves->kernels->fixed, firstTree, treeCount, codes,
                 reinterpret_cast<uint32_t *>(sums));
}

double ns_forest_leaves_unit(const ns_forest_leaves *leaves, uint32_t output) {
  return output < leaves->units.size() ? leaves->units[output] : 1;
}
