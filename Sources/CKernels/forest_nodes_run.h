// A program's steps over one block; included after forest_nodes_body.h, for each instruction set.

// The rows beyond each boundary of a tree, parents first; no rows for the boundaries it lacks.
template <typename Step>
NS_INLINE void find_boundaries(const Step *step, uint32_t count, uint32_t limit,
                               const uint8_t *masks, uint8_t *boundaries) {
  for (const Step *stop = step + count; step < stop; step++) {
    const Step now = *step;
    const uint8_t *begin = boundaries + now.begin(), *end = boundaries + now.end();
    const uint8_t *low = masks + now.low(), *high = masks + now.high();
    uint8_t *out = boundaries + now.out();
    for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
      const Vector test = passing(high + part, low + part);
      store(out + part, load(end + part) | (load(begin + part) & test));
    }
  }
  uint8_t *out = boundaries + kFirstBoundary * kMaskBytes;
  for (uint32_t i = count; i < limit; i++) {
    for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
      store(out + i * kMaskBytes + part, Vector{});
    }
  }
}

// One bit of the codes: it changes at boundary 2^kBit - 1 and every 2^(kBit + 1) from there.
template <int kBit, int kBits>
NS_INLINE Vector gather_plane(const uint8_t *boundary) {
  if constexpr (kBit < kBits) {
    constexpr size_t stride = (size_t(2) << kBit) * kMaskBytes;
    const uint8_t *from = boundary + ((1 << kBit) - 1) * kMaskBytes;
    Vector plane = load(from);
    for (int i = 1; i < 1 << (kBits - 1 - kBit); i++) plane ^= load(from + i * stride);
    return plane;
  } else {
    return Vector{};
  }
}

template <int kBits>
NS_INLINE void gather_codes(const uint8_t *boundaries, uint8_t *codes) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    const uint8_t *first = boundaries + kFirstBoundary * kMaskBytes + part;
    Vector planes[8] = {gather_plane<0, kBits>(first), gather_plane<1, kBits>(first),
                        gather_plane<2, kBits>(first), gather_plane<3, kBits>(first),
                        gather_plane<4, kBits>(first), gather_plane<5, kBits>(first),
                        gather_plane<6, kBits>(first), gather_plane<7, kBits>(first)};
    transpose(planes);
    for (int i = 0; i < 8; i++) store(codes + i * 64 + part, planes[i]);
  }
}

template <typename Step>
NS_INLINE void run_trees(const TreeProgram *trees, uint32_t count, const Step *steps,
                         const uint8_t *masks, uint8_t *boundaries, uint8_t *codes) {
  for (uint32_t i = 0; i < count; i++, codes += kRows) {
    const TreeProgram &tree = trees[i];
    const uint32_t limit = (1u << tree.bit_count) - 1;
    find_boundaries(steps + tree.first_step, tree.node_count, limit, masks, boundaries);
    switch (tree.bit_count) {
      case 5: gather_codes<5>(boundaries, codes); break;
      case 6: gather_codes<6>(boundaries, codes); break;
      case 7: gather_codes<7>(boundaries, codes); break;
      default: gather_codes<8>(boundaries, codes); break;
    }
  }
}

template <typename Step>
NS_INLINE void run_steps(const Program &program, const std::vector<Step> &steps,
                         uint32_t first_tree, uint32_t tree_count, uint8_t *codes,
                         uint8_t *masks) {
  uint8_t *boundaries = masks + program.tests.mask_bytes();
  const TreeProgram *trees = program.trees.data() + first_tree;
  run_trees(trees, tree_count, steps.data(), masks, boundaries, codes);
}

static void run(const Program &program, uint32_t first_tree, uint32_t tree_count, uint8_t *codes,
                uint8_t *masks) {
  if (program.is_near()) {
    run_steps(program, program.near_steps, first_tree, tree_count, codes, masks);
  } else {
    run_steps(program, program.far_steps, first_tree, tree_count, codes, masks);
  }
}
