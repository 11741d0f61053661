#include "ns_forest_nodes.h"

#include <cstring>
#include <new>

#include "forest_nodes_program.h"

namespace {

using namespace ns_forest;

namespace portable {
#define NS_VECTOR_BYTES 16
#include "forest_nodes_body.h"
#include "forest_nodes_run.h"
#undef NS_VECTOR_BYTES
}  // namespace portable

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
namespace avx2 {
#define NS_VECTOR_BYTES 32
#include "forest_nodes_body.h"
#include "forest_nodes_run.h"
#undef NS_VECTOR_BYTES
}  // namespace avx2
#pragma clang attribute pop

#pragma clang attribute push(                                                    \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2"))), apply_to = function)
namespace avx512 {
#define NS_VECTOR_BYTES 64
#include "forest_nodes_body.h"
#include "forest_nodes_run.h"
#undef NS_VECTOR_BYTES
}  // namespace avx512
#pragma clang attribute pop

#endif

}  // namespace

struct ns_forest_nodes {
  ns_forest_nodes(uint32_t column_count, uint32_t set_count) : program(column_count, set_count) {}
  Program program;
};

ns_forest_nodes *ns_forest_nodes_create(const ns_forest_node *nodes, const uint32_t *ends,
                                        uint32_t tree_count, uint32_t column_count,
                                        uint32_t set_count) {
  ns_forest_nodes *forest = nullptr;
  try {
    forest = new ns_forest_nodes(column_count, set_count);
    compile(nodes, ends, tree_count, forest->program);
    return forest;
  } catch (const std::bad_alloc &) {
    delete forest;
    return nullptr;
  }
}

void ns_forest_nodes_destroy(ns_forest_nodes *forest) { delete forest; }

uint32_t ns_forest_nodes_code_count(const ns_forest_nodes *forest, uint32_t tree) {
  return 1u << forest->program.trees[tree].bit_count;
}

uint32_t ns_forest_nodes_code(const ns_forest_nodes *forest, uint32_t tree, uint32_t leaf) {
  return forest->program.codes[forest->program.trees[tree].first_code + leaf];
}

size_t ns_forest_nodes_scratch_size(const ns_forest_nodes *forest) {
  return forest->program.tests.mask_bytes() + kBoundaryBytes;
}

uint8_t *ns_forest_nodes_sets(const ns_forest_nodes *forest, void *scratch) {
  return static_cast<uint8_t *>(scratch) + size_t(forest->program.tests.first_set) * kMaskBytes;
}

void ns_forest_nodes_prepare(const ns_forest_nodes *forest, [[maybe_unused]] ns_isa isa,
                             const uint8_t *ranks, void *scratch) {
  const TestPlan &plan = forest->program.tests;
  uint8_t *masks = static_cast<uint8_t *>(scratch);
  uint8_t *boundaries = masks + plan.mask_bytes();
  memset(boundaries + kFirstBegin * kMaskBytes, 0xff, kMaskBytes);
  memset(boundaries + kLastEnd * kMaskBytes, 0, kMaskBytes);
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return avx512::make_masks(plan, ranks, masks);
  if (isa == ns_isa_avx2) return avx2::make_masks(plan, ranks, masks);
#endif
  portable::make_masks(plan, ranks, masks);
}

void ns_forest_nodes_run(const ns_forest_nodes *forest, [[maybe_unused]] ns_isa isa,
                         uint32_t first_tree, uint32_t tree_count, uint8_t *codes,
                         void *scratch) {
  const Program &program = forest->program;
  uint8_t *masks = static_cast<uint8_t *>(scratch);
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return avx512::run(program, first_tree, tree_count, codes, masks);
  if (isa == ns_isa_avx2) return avx2::run(program, first_tree, tree_count, codes, masks);
#endif
  portable::run(program, first_tree, tree_count, codes, masks);
}
