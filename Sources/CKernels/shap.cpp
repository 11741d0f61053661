// Runs the walks of ns_shap.h over the trees of an ensemble.
#include "ns_shap.h"

#include <algorithm>
#include <cstring>

#include "shap_tables.h"

#pragma STDC FP_CONTRACT OFF

using namespace ns_shap_tables;

namespace {

// The parts of scratch memory, each a multiple of 64 bytes.
struct layout {
  size_t constants, bits, above, below, sums, weights, end;

  explicit layout(const maxima &most) {
    const size_t level = sizeof(double) * kPassPoints * kGroupRowLimit;
    constants = 0;
    bits = constants + most.splits * sizeof(ns_shap_tables::constants);
    above = bits + most.splits * sizeof(split_bits);
    below = above + most.depth * level;
    sums = below + most.depth * level * 2;
    weights = sums + static_cast<size_t>(most.slots) * NS_SHAP_ROWS * sizeof(double);
    end = weights + 64;  // room for kPassPoints doubles
  }
};

// Finds out which rows go near at every split of a tree.
void compare(const ns_shap &shap, const tree &tree, const kernels &kernels, const uint8_t *ranks,
             split_bits *bits) {
  for (uint32_t i = 0; i < tree.split_count; i++) {
    const split &split = shap.splits[tree.first_split + i];
    row_bits &near = bits[i].near;
    kernels.compare(ranks + static_cast<size_t>(split.column) * NS_SHAP_ROWS, split.rank, &near);
    const uint64_t flip = split.near_is_right ? ~uint64_t{0} : 0;
    const split_bits &before = bits[split.older];
    const bool before_is_again = shap.splits[tree.first_split + split.older].again;
    for (uint32_t w = 0; w < NS_SHAP_ROWS / 64; w++) {
      near.words[w] ^= flip;
      if (!split.again) continue;
      const uint64_t all = before_is_again ? before.older.words[w] : ~uint64_t{0};
      const uint64_t went_near = before.near.words[w];
      const uint64_t older = split.older_is_near ? went_near : all & ~went_near;
      bits[i].older.words[w] = older;
      near.words[w] &= older;
    }
  }
}

// Fills in what depends on the points from `first` on.
void fill(const split &split, const points &points, uint32_t first, uint32_t count,
          constants &out) {
  const double difference = split.near_value - split.far_value;
  const bool is_twig = split.near_is_leaf;
  for (uint32_t k = 0; k < count; k++) {
    const double t = points.t[first + k], rest = points.one_minus_t[first + k];
    double near = split.part * rest + t;
    double far = split.part * rest;
    if (split.again) {
      const double inverse = 1 / (split.older_part * rest + t);
      near *= inverse;
      far *= inverse;
      out.square[k] = inverse * inverse;
    }
    out.near[k] = is_twig ? split.far_value + near * difference : near;
    out.far[k] = is_twig ? split.far_value + far * difference : far;
  }
  const double scale = is_twig ? difference : 1;
  out.failed = is_twig ? split.far_value + split.ratio * difference : split.ratio;
  out.near_weight = (split.older_part - split.part) * scale;
  out.far_weight = -split.part * scale;
  out.far_value = split.far_value;
}

// One tree's sums, in walks of at most kPassPoints points each.
void walk_tree(const ns_shap &shap, const tree &tree, const kernels &kernels, walk &w,
               constants *splits, double *weights) {
  const points &points = shap.points[tree.points];
  const uint32_t walk_count = (points.count + kPassPoints - 1) / kPassPoints;
  uint32_t first = 0;
  for (uint32_t i = 0; i < walk_count; i++) {
    const uint32_t count = (points.count - first) / (walk_count - i);
    for (uint32_t j = 0; j < tree.split_count; j++) {
      fill(shap.splits[tree.first_split + j], points, first, count, splits[j]);
    }
    std::memcpy(weights, points.weight + first, count * sizeof(double));
    w.first = i == 0;
    kernels.walks[count - 1](w);
    first += count;
  }
}

const kernels &kernels_for(ns_isa isa) {
  switch (isa) {
    case ns_isa_avx2: return avx2_kernels();
    case ns_isa_avx512: return avx512_kernels();
    default: return portable_kernels();
  }
}

}  // namespace

size_t ns_shap_scratch_byte_count(const ns_shap *shap) { return layout(shap->most).end; }

double ns_shap_expected(const ns_shap *shap, uint32_t output) { return shap->expected[output]; }

void ns_shap_run(
    const ns_shap *shap, ns_isa isa, const uint8_t *ranks, uint32_t row_count,
    uint32_t first_output, uint32_t output_count, double *contributions, void *scratch) {
  const layout place(shap->most);
  uint8_t *room = static_cast<uint8_t *>(scratch);
  const auto splits = reinterpret_cast<constants *>(room + place.constants);
  const auto bits = reinterpret_cast<split_bits *>(room + place.bits);
  const auto weights = reinterpret_cast<double *>(room + place.weights);
  const size_t output_stride = (size_t{shap->shape.feature_count} + 1) * NS_SHAP_ROWS;
  for (uint32_t i = 0; i < output_count; i++) {
    double *const last = contributions + output_stride * (i + 1) - NS_SHAP_ROWS;
    std::fill(last - (output_stride - NS_SHAP_ROWS), last, 0.0);
    std::fill_n(last, NS_SHAP_ROWS, shap->expected[first_output + i]);
  }
  const kernels &kernels = kernels_for(isa);
  walk w = {};
  w.bits = bits;
  w.splits = splits;
  w.weights = weights;
  w.row_count = row_count;
  w.above = reinterpret_cast<double *>(room + place.above);
  w.below = reinterpret_cast<double *>(room + place.below);
  w.sums = reinterpret_cast<double *>(room + place.sums);
  for (const tree &tree : shap->trees) {
    if (tree.output < first_output || tree.output - first_output >= output_count) continue;
    w.steps = shap->steps.data() + tree.first_step;
    w.step_count = tree.step_count;
    w.slot_count = tree.slot_count;
    compare(*shap, tree, kernels, ranks, bits);
    walk_tree(*shap, tree, kernels, w, splits, weights);
    kernels.add_sums(w, shap->slots.data() + tree.first_slot,
                     contributions + output_stride * (tree.output - first_output));
  }
}
