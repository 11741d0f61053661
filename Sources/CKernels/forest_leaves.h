// What the leaf stages of all instruction sets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ns_forest_leaves.h"

namespace ns_forest {

constexpr int kLeafRows = NS_FOREST_ROWS;

// How a table lies in memory.
enum Layout : uint32_t {
  kPlain,   // values one after another
  kPad32,   // 32 values; doubles as 32 low halves, then 32 high halves
  kPad64,   // 64 values; doubles as 64 low halves, then 64 high halves
  kPlanes32,   // 4 planes of bytes of 32 values of four bytes
  kPlanes64,   // of 64 values
  kPlanes128,  // of 128 values
  kPlanes256,  // of 256 values
};

// One table and the codes of its tree: what is added to the sums of one output.
struct Leaves {
  const uint8_t *codes;
  const void *table;
  Layout layout;
};

template <typename T>
using AddLeaves = void (*)(const Leaves *leaves, size_t count, T *sums);

struct LeafKernels {
  AddLeaves<double> doubles;
  AddLeaves<float> floats;
  AddLeaves<uint32_t> fixed;
  // The layout of a table by its number of values, of eight bytes or of four.
  Layout (*layout)(uint32_t count, bool is_wide);
};

extern const LeafKernels kPortableLeafKernels;
#if defined(__x86_64__)
extern const LeafKernels kAVX2LeafKernels;
extern const LeafKernels kAVX512LeafKernels;
#endif

constexpr uint32_t kNoTable = UINT32_MAX;

struct LeafTable {
  uint32_t tree;
  uint32_t output;
  uint32_t previous;  // the table before it of the same output
  uint32_t next;      // the one after it
  size_t offset;      // into the bytes of all tables
  Layout layout;
};

struct alignas(64) Line {
  uint8_t bytes[64];
};

}  // namespace ns_forest

struct ns_forest_leaves {
  const ns_forest::LeafKernels *kernels;
  std::vector<ns_forest::LeafTable> tables;
  std::vector<double> units;
  std::vector<ns_forest::Line> lines;
};
