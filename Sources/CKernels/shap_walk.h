// The walk of ns_shap.h over one set of instructions' vectors; included once for each.
//
// Needs the number of rows to take together, kGroupRows, and for vectors of `lanes` doubles: load, store
// (both also anywhere, not only at multiples of the vector's size), every (one value in all lanes), add,
// subtract, multiply, rows (the choice that stands at a row of bits) and choose (first where
// chosen, else second). Every variant makes the same operations on a row in the same order, and
// never fuses two of them.

constexpr uint32_t kVectors = kGroupRows / lanes;

// One group's place in the walk: which rows, and where its sums are.
struct place {
  const walk &w;
  uint32_t first_row;
  double *sums;
};

template <uint32_t points>
inline const double *above(const place &p, uint32_t depth) {
  return p.w.above + static_cast<size_t>(depth) * (points * kGroupRows);
}

template <uint32_t points>
inline double *below(const place &p, uint32_t depth, uint32_t side) {
  return p.w.below + (static_cast<size_t>(depth) * 2 + side) * (points * kGroupRows);
}

// The factor of the near child at point k, or what a twig's leaves sum to.
template <bool again>
inline vector factor(const constants &c, uint32_t k, choice near, choice older) {
  const vector far = every(c.far[k]);
  if (!again) return choose(near, every(c.near[k]), far);
  return choose(near, every(c.near[k]), choose(older, far, every(c.failed)));
}

// Adds to the sum of the split's feature.
template <bool again>
inline void contribute(
    const place &p, const step &s, const constants &c, uint32_t at, choice near, choice older,
    vector integral) {
  const vector far = every(c.far_weight);
  const vector weight =
      again ? choose(near, every(c.near_weight), choose(older, far, every(0.0)))
            : choose(near, every(c.near_weight), far);
  double *sum = p.sums + static_cast<size_t>(s.slot) * kGroupRows + at;
  store(sum, add(load(sum), multiply(weight, integral)));
}

template <uint32_t points, bool again>
inline void twig(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const split_bits &bits = p.w.bits[s.split];
  const double *from = above<points>(p, s.depth);
  double *to = below<points>(p, s.depth, s.side);
#pragma clang loop unroll(full)
  for (uint32_t v = 0; v < kVectors; v++) {
    const uint32_t at = v * lanes;
    const choice near = rows(bits.near, p.first_row + at);
    const choice older = again ? rows(bits.older, p.first_row + at) : near;
    vector integral = every(0.0);
#pragma clang loop unroll(full)
    for (uint32_t k = 0; k < points; k++) {
      vector term = load(from + k * kGroupRows + at);
      if (again) term = multiply(term, every(c.square[k]));
      integral = k == 0 ? term : add(integral, term);
      store(to + k * kGroupRows + at, factor<again>(c, k, near, older));
    }
    contribute<again>(p, s, c, at, near, older, integral);
  }
}

template <uint32_t points, bool again>
inline void descend(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const split_bits &bits = p.w.bits[s.split];
  const double *from = above<points>(p, s.depth);
  double *to = p.w.above + (s.depth + size_t{1}) * (points * kGroupRows);
#pragma clang loop unroll(full)
  for (uint32_t v = 0; v < kVectors; v++) {
    const uint32_t at = v * lanes;
    const choice near = rows(bits.near, p.first_row + at);
    const choice older = again ? rows(bits.older, p.first_row + at) : near;
#pragma clang loop unroll(full)
    for (uint32_t k = 0; k < points; k++) {
      const vector product =
          multiply(load(from + k * kGroupRows + at), factor<again>(c, k, near, older));
      store(to + k * kGroupRows + at, product);
    }
  }
}

template <uint32_t points>
inline void turn(const place &p, const step &s) {
  const double *from = above<points>(p, s.depth);
  double *to = p.w.above + (s.depth + size_t{1}) * (points * kGroupRows);
#pragma clang loop unroll(full)
  for (uint32_t i = 0; i < points * kGroupRows; i += lanes) {
    store(to + i, subtract(load(from + i), load(to + i)));
  }
}

template <uint32_t points, bool again, bool leaf>
inline void join(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const split_bits &bits = p.w.bits[s.split];
  const double *from = above<points>(p, s.depth);
  const double *near_sum = below<points>(p, s.depth + 1, 0);
  const double *far_sum = below<points>(p, s.depth + 1, 1);
  double *to = below<points>(p, s.depth, s.side);
#pragma clang loop unroll(full)
  for (uint32_t v = 0; v < kVectors; v++) {
    const uint32_t at = v * lanes;
    const choice near = rows(bits.near, p.first_row + at);
    const choice older = again ? rows(bits.older, p.first_row + at) : near;
    vector integral = every(0.0);
#pragma clang loop unroll(full)
    for (uint32_t k = 0; k < points; k++) {
      const uint32_t i = k * kGroupRows + at;
      const vector far = leaf ? every(c.far_value) : load(far_sum + i);
      const vector difference = subtract(load(near_sum + i), far);
      vector weight = load(from + i);
      if (again) weight = multiply(weight, every(c.square[k]));
      const vector term = multiply(weight, difference);
      integral = k == 0 ? term : add(integral, term);
      store(to + i, add(far, multiply(factor<again>(c, k, near, older), difference)));
    }
    contribute<again>(p, s, c, at, near, older, integral);
  }
}

template <uint32_t points>
void walk_group(const place &p) {
  const step *end = p.w.steps + p.w.step_count;
  for (const step *s = p.w.steps; s < end; s++) {
    switch (s->what * 2 + s->again) {
      case kTwig * 2: twig<points, false>(p, *s); break;
      case kTwig * 2 + 1: twig<points, true>(p, *s); break;
      case kDescend * 2: descend<points, false>(p, *s); break;
      case kDescend * 2 + 1: descend<points, true>(p, *s); break;
      case kJoinLeaf * 2: join<points, false, true>(p, *s); break;
      case kJoinLeaf * 2 + 1: join<points, true, true>(p, *s); break;
      case kJoin * 2: join<points, false, false>(p, *s); break;
      case kJoin * 2 + 1: join<points, true, false>(p, *s); break;
      default: turn<points>(p, *s); break;
    }
  }
}

template <uint32_t points>
void walk_tree(const walk &w) {
  for (uint32_t k = 0; k < points; k++) {
    for (uint32_t row = 0; row < kGroupRows; row++) {
      w.above[k * kGroupRows + row] = w.weights[k];
    }
  }
  for (uint32_t group = 0; group * kGroupRows < w.row_count; group++) {
    const size_t count = static_cast<size_t>(w.slot_count) * kGroupRows;
    const place p = {w, group * kGroupRows, w.sums + group * count};
    if (w.first) std::memset(p.sums, 0, count * sizeof(double));
    walk_group<points>(p);
  }
}

void add_sums(const walk &w, const uint32_t *features, double *contributions) {
  for (uint32_t slot = 0; slot < w.slot_count; slot++) {
    double *to = contributions + static_cast<size_t>(features[slot]) * NS_SHAP_ROWS;
    const double *from = w.sums + static_cast<size_t>(slot) * kGroupRows;
    for (uint32_t row = 0; row < w.row_count; row += kGroupRows) {
#pragma clang loop unroll(full)
      for (uint32_t i = 0; i < kGroupRows; i += lanes) {
        store_anywhere(to + row + i, add(load_anywhere(to + row + i), load(from + i)));
      }
      from += static_cast<size_t>(w.slot_count) * kGroupRows;
    }
  }
}

const kernels variant = {
    compare, {walk_tree<1>, walk_tree<2>, walk_tree<3>, walk_tree<4>}, add_sums};
