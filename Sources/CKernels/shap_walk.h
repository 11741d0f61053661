// The walk of ns_shap.h over one set of instructions' vectors; included once for each.
//
// Needs the number of rows to take together, kGroupRows, and for vectors of `lanes` doubles: load
// and store (each also anywhere, not only at multiples of the vector's size), every (one value in
// all lanes), add, subtract, multiply, rows (the choice that stands at a row of bits) and choose
// (first where chosen, else second). Every variant makes the same operations on a row in the same
// order, and never fuses two of them: a fused multiply-add was measured to gain a twentieth, and a
// CPU without it would need a call for each.

constexpr uint32_t kVectors = kGroupRows / lanes;

// One group's place in the walk: which rows, and where its sums are.
struct place {
  const walk &w;
  uint32_t first_row;
  double *sums;
};

template <uint32_t points>
inline double *above(const place &p, uint32_t depth) {
  return p.w.above + static_cast<size_t>(depth) * (points * kGroupRows);
}

template <uint32_t points>
inline double *below(const place &p, uint32_t depth, uint32_t side) {
  return p.w.below + (static_cast<size_t>(depth) * 2 + side) * (points * kGroupRows);
}

// The rows of a group that go near at a split, and those that satisfy older tests, by vector.
template <bool again>
struct choices {
  choice near[kVectors], older[kVectors];

  choices(const place &p, const step &s) {
    const split_bits &bits = p.w.bits[s.split];
#pragma clang loop unroll(full)
    for (uint32_t v = 0; v < kVectors; v++) {
      near[v] = rows(bits.near, p.first_row + v * lanes);
      if (again) older[v] = rows(bits.older, p.first_row + v * lanes);
    }
  }
};

// One number of a split for each row, out of three; the third only if the split is there again.
template <bool again>
struct numbers {
  vector near, far, failed;

  numbers(double near, double far, double failed)
      : near(every(near)), far(every(far)), failed(again ? every(failed) : this->far) {}

  vector of(const choices<again> &chosen, uint32_t v) const {
    if (!again) return choose(chosen.near[v], near, far);
    return choose(chosen.near[v], near, choose(chosen.older[v], far, failed));
  }
};

// The factor of the near child at point k, or what a twig's leaves sum to.
template <bool again>
inline numbers<again> factors(const constants &c, uint32_t k) {
  return numbers<again>(c.near[k], c.far[k], c.failed);
}

// Adds to the sums of the split's feature.
template <bool again>
inline void contribute(
    const place &p, const step &s, const choices<again> &chosen, const vector *integrals) {
  const constants &c = p.w.splits[s.split];
  const numbers<again> weights(c.near_weight, c.far_weight, 0.0);
  double *sums = p.sums + static_cast<size_t>(s.slot) * kGroupRows;
#pragma clang loop unroll(full)
  for (uint32_t v = 0; v < kVectors; v++) {
    double *sum = sums + v * lanes;
    store(sum, add(load(sum), multiply(weights.of(chosen, v), integrals[v])));
  }
}

template <uint32_t points, bool again>
inline void twig(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const double *from = above<points>(p, s.depth);
  double *to = below<points>(p, s.depth, s.side);
  const choices<again> chosen(p, s);
  vector integrals[kVectors];
#pragma clang loop unroll(full)
  for (uint32_t k = 0; k < points; k++) {
    const numbers<again> values = factors<again>(c, k);
    const vector square = every(again ? c.square[k] : 1);
#pragma clang loop unroll(full)
    for (uint32_t v = 0; v < kVectors; v++) {
      const uint32_t i = k * kGroupRows + v * lanes;
      vector term = load(from + i);
      if (again) term = multiply(term, square);
      integrals[v] = k == 0 ? term : add(integrals[v], term);
      store(to + i, values.of(chosen, v));
    }
  }
  contribute(p, s, chosen, integrals);
}

template <uint32_t points, bool again>
inline void descend(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const double *from = above<points>(p, s.depth);
  double *to = above<points>(p, s.depth + 1);
  const choices<again> chosen(p, s);
#pragma clang loop unroll(full)
  for (uint32_t k = 0; k < points; k++) {
    const numbers<again> factor = factors<again>(c, k);
#pragma clang loop unroll(full)
    for (uint32_t v = 0; v < kVectors; v++) {
      const uint32_t i = k * kGroupRows + v * lanes;
      store(to + i, multiply(load(from + i), factor.of(chosen, v)));
    }
  }
}

template <uint32_t points>
inline void turn(const place &p, const step &s) {
  const double *from = above<points>(p, s.depth);
  double *to = above<points>(p, s.depth + 1);
#pragma clang loop unroll(full)
  for (uint32_t i = 0; i < points * kGroupRows; i += lanes) {
    store(to + i, subtract(load(from + i), load(to + i)));
  }
}

template <uint32_t points, bool again, bool leaf>
inline void join(const place &p, const step &s) {
  const constants &c = p.w.splits[s.split];
  const double *from = above<points>(p, s.depth);
  const double *near_sum = below<points>(p, s.depth + 1, 0);
  const double *far_sum = below<points>(p, s.depth + 1, 1);
  double *to = below<points>(p, s.depth, s.side);
  const choices<again> chosen(p, s);
  const vector far_value = every(c.far_value);
  vector integrals[kVectors];
#pragma clang loop unroll(full)
  for (uint32_t k = 0; k < points; k++) {
    const numbers<again> factor = factors<again>(c, k);
    const vector square = every(again ? c.square[k] : 1);
#pragma clang loop unroll(full)
    for (uint32_t v = 0; v < kVectors; v++) {
      const uint32_t i = k * kGroupRows + v * lanes;
      const vector far = leaf ? far_value : load(far_sum + i);
      const vector difference = subtract(load(near_sum + i), far);
      vector weight = load(from + i);
      if (again) weight = multiply(weight, square);
      const vector term = multiply(weight, difference);
      integrals[v] = k == 0 ? term : add(integrals[v], term);
      store(to + i, add(far, multiply(factor.of(chosen, v), difference)));
    }
  }
  contribute(p, s, chosen, integrals);
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
    compare,
    {walk_tree<1>, walk_tree<2>, walk_tree<3>, walk_tree<4>, walk_tree<5>},
    add_sums,
};
