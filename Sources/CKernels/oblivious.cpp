#include "ns_oblivious.h"

#include <cstring>
#include <new>

#include "forest_nodes_tests.h"

namespace {

using namespace ns_forest;

namespace portable {
#define NS_VECTOR_BYTES 16
#include "forest_nodes_body.h"
#include "oblivious_run.h"
#undef NS_VECTOR_BYTES
}  // namespace portable

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
namespace avx2 {
#define NS_VECTOR_BYTES 32
#include "forest_nodes_body.h"
#include "oblivious_run.h"
#undef NS_VECTOR_BYTES
}  // namespace avx2
#pragma clang attribute pop

#pragma clang attribute push(                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2"))), apply_to = function)
namespace avx512 {
#define NS_VECTOR_BYTES 64
#include "forest_nodes_body.h"
#include "oblivious_run.h"
#undef NS_VECTOR_BYTES
}  // namespace avx512
#pragma clang attribute pop

#endif

}  // namespace

struct ns_oblivious {
  ns_oblivious(uint32_t column_count, uint32_t set_count) : plan(column_count, set_count) {}
  TestPlan plan;
  std::vector<Test> tests;
  std::vector<uint32_t> ends;
  bool is_wide = false;
};

ns_oblivious *ns_oblivious_create(const ns_oblivious_level *levels, const uint32_t *ends,
                                  uint32_t tree_count, uint32_t column_count,
                                  uint32_t set_count) {
  ns_oblivious *forest = nullptr;
  try {
    forest = new ns_oblivious(column_count, set_count);
    forest->ends.assign(ends, ends + tree_count);
    const uint32_t level_count = tree_count == 0 ? 0 : ends[tree_count - 1];
    for (uint32_t i = 0; i < level_count; i++) {
      forest->plan.add(levels[i].column, levels[i].threshold);
    }
    forest->plan.place();
    forest->tests.reserve(level_count);
    for (uint32_t i = 0; i < level_count; i++) {
      forest->tests.push_back(forest->plan.find(levels[i].column, levels[i].threshold));
    }
    forest->plan.seal();
    for (uint32_t i = 0; i < tree_count; i++) {
      if (ends[i] - (i == 0 ? 0 : ends[i - 1]) > 8) forest->is_wide = true;
    }
    return forest;
  } catch (const std::bad_alloc &) {
    delete forest;
    return nullptr;
  }
}

void ns_oblivious_destroy(ns_oblivious *forest) { delete forest; }

uint32_t ns_oblivious_code_size(const ns_oblivious *forest) { return forest->is_wide ? 2 : 1; }

size_t ns_oblivious_scratch_size(const ns_oblivious *forest) { return forest->plan.mask_bytes(); }

uint8_t *ns_oblivious_sets(const ns_oblivious *forest, void *scratch) {
  return static_cast<uint8_t *>(scratch) + size_t(forest->plan.first_set) * kMaskBytes;
}

void ns_oblivious_compare(const uint32_t *values, const uint32_t *wanted, size_t wantedCount,
                          uint8_t *sets) {
  for (size_t i = 0; i < wantedCount; i++, sets += kMaskBytes) {
    uint8_t mask[kMaskBytes] = {};
    for (uint32_t bit = 0; bit < 8; bit++) {
      for (uint32_t byte = 0; byte < kMaskBytes; byte++) {
        const bool is_equal = values[bit * kMaskBytes + byte] == wanted[i];
        mask[byte] = uint8_t(mask[byte] | uint32_t(is_equal) << bit);
      }
    }
    memcpy(sets, mask, kMaskBytes);
  }
}

void ns_oblivious_prepare(const ns_oblivious *forest, [[maybe_unused]] ns_isa isa,
                          const uint8_t *ranks, void *scratch) {
  uint8_t *masks = static_cast<uint8_t *>(scratch);
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return avx512::make_masks(forest->plan, ranks, masks);
  if (isa == ns_isa_avx2) return avx2::make_masks(forest->plan, ranks, masks);
#endif
  portable::make_masks(forest->plan, ranks, masks);
}

void ns_oblivious_run(const ns_oblivious *forest, [[maybe_unused]] ns_isa isa,
                      uint32_t first_tree, uint32_t tree_count, void *codes,
                      const void *scratch) {
  auto narrow = portable::run_narrow;
  auto wide = portable::run_wide;
#if defined(__x86_64__)
  if (isa == ns_isa_avx2) {
    narrow = avx2::run_narrow;
    wide = avx2::run_wide;
  } else if (isa == ns_isa_avx512) {
    narrow = avx512::run_narrow;
    wide = avx512::run_wide;
  }
#endif
  const Test *tests = forest->tests.data();
  const uint32_t *ends = forest->ends.data();
  const uint8_t *masks = static_cast<const uint8_t *>(scratch);
  if (forest->is_wide) {
    wide(tests, ends, first_tree, tree_count, masks, static_cast<uint16_t *>(codes));
  } else {
    narrow(tests, ends, first_tree, tree_count, masks, static_cast<uint8_t *>(codes));
  }
}
