// A program's steps over one block; included after forest_nodes_body.h, for each instruction set.

// The reaches of both children of every node that has a node for a child, parents first.
template <typename Offset>
NS_INLINE void split(const Step<Offset> *steps, uint32_t count, const uint8_t *masks,
                     uint8_t *reaches) {
  uint8_t *to = reaches + kFirstReach * kMaskBytes;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *from = reaches + size_t(steps[i].reach) * kUnit;
    const uint8_t *mask = masks + size_t(steps[i].mask) * kUnit;
    for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
      const Vector reach = load(from + part);
      const Vector right = reach & load(mask + part);
      store(to + part, right);
      store(to + kMaskBytes + part, reach ^ right);
    }
    to += 2 * kMaskBytes;
  }
}

// The bits of every row's code, gathered a bit at a time, then turned to bytes.
template <int kBits, typename Offset>
NS_INLINE void flip(const Step<Offset> *steps, uint32_t round_count, const uint8_t *masks,
                    const uint8_t *reaches, uint8_t *codes) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    Vector planes[8] = {};
    const Step<Offset> *step = steps;
    for (uint32_t round = 0; round < round_count; round++, step += kBits) {
      for (int bit = 0; bit < kBits; bit++) {
        planes[bit] ^= load(reaches + size_t(step[bit].reach) * kUnit + part) &
                       load(masks + size_t(step[bit].mask) * kUnit + part);
      }
    }
    transpose(planes);
    for (int i = 0; i < 8; i++) store(codes + i * 64 + part, planes[i]);
  }
}

template <typename Offset>
NS_INLINE void run_trees(const TreeProgram *trees, uint32_t count, const Step<Offset> *steps,
                         const uint8_t *masks, uint8_t *reaches, uint8_t *codes) {
  for (uint32_t i = 0; i < count; i++, codes += kRows) {
    const TreeProgram &tree = trees[i];
    const Step<Offset> *splits = steps + tree.first_step, *flips = splits + tree.split_count;
    split(splits, tree.split_count, masks, reaches);
    switch (tree.bit_count) {
      case 5: flip<5>(flips, tree.round_count, masks, reaches, codes); break;
      case 6: flip<6>(flips, tree.round_count, masks, reaches, codes); break;
      case 7: flip<7>(flips, tree.round_count, masks, reaches, codes); break;
      default: flip<8>(flips, tree.round_count, masks, reaches, codes); break;
    }
  }
}

static void run(const Program &program, uint32_t first_tree, uint32_t tree_count, uint8_t *codes,
                uint8_t *masks) {
  uint8_t *reaches = masks + program.mask_bytes();
  const TreeProgram *trees = program.trees.data() + first_tree;
  if (program.is_near()) {
    run_trees(trees, tree_count, program.near_steps.data(), masks, reaches, codes);
  } else {
    run_trees(trees, tree_count, program.far_steps.data(), masks, reaches, codes);
  }
}
