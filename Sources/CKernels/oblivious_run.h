// The codes of oblivious trees for one block; included after forest_nodes_body.h, for each
// instruction set.

template <int kBits>
NS_INLINE void gather_bits(const Test *tests, const uint8_t *masks, uint8_t *codes) {
  for (uint32_t part = 0; part < kMaskBytes; part += NS_VECTOR_BYTES) {
    const uint8_t *from = masks + part;
    Vector planes[8] = {};
    for (int bit = 0; bit < kBits; bit++) {
      planes[bit] = passing(from + size_t(tests[bit].high) * kMaskBytes,
                            from + size_t(tests[bit].low) * kMaskBytes);
    }
    transpose(planes);
    for (int i = 0; i < 8; i++) store(codes + i * 64 + part, planes[i]);
  }
}

// The codes of up to 8 levels.
NS_INLINE void gather_byte(const Test *tests, uint32_t count, const uint8_t *masks,
                           uint8_t *codes) {
  switch (count) {
    case 0: memset(codes, 0, kRows); break;
    case 1: gather_bits<1>(tests, masks, codes); break;
    case 2: gather_bits<2>(tests, masks, codes); break;
    case 3: gather_bits<3>(tests, masks, codes); break;
    case 4: gather_bits<4>(tests, masks, codes); break;
    case 5: gather_bits<5>(tests, masks, codes); break;
    case 6: gather_bits<6>(tests, masks, codes); break;
    case 7: gather_bits<7>(tests, masks, codes); break;
    default: gather_bits<8>(tests, masks, codes); break;
  }
}

static void run_narrow(const Test *tests, const uint32_t *ends, uint32_t first_tree,
                       uint32_t tree_count, const uint8_t *masks, uint8_t *codes) {
  for (uint32_t tree = first_tree; tree < first_tree + tree_count; tree++, codes += kRows) {
    const uint32_t first = tree == 0 ? 0 : ends[tree - 1];
    gather_byte(tests + first, ends[tree] - first, masks, codes);
  }
}

static void run_wide(const Test *tests, const uint32_t *ends, uint32_t first_tree,
                     uint32_t tree_count, const uint8_t *masks, uint16_t *codes) {
  for (uint32_t tree = first_tree; tree < first_tree + tree_count; tree++, codes += kRows) {
    const uint32_t first = tree == 0 ? 0 : ends[tree - 1], count = ends[tree] - first;
    const uint32_t low_count = count < 8 ? count : 8;
    uint8_t low[kRows], high[kRows];
    gather_byte(tests + first, low_count, masks, low);
    gather_byte(tests + first + low_count, count - low_count, masks, high);
    for (uint32_t row = 0; row < kRows; row++) {
      codes[row] = uint16_t(low[row] | uint32_t(high[row]) << 8);
    }
  }
}
