// Scores tiles and passes on what may rank; included after dense_kernel.h.

typedef bool Flags __attribute__((ext_vector_type(kFloats)));

// Bit i: score i is not known to be at most the threshold.
NS_INLINE uint64_t candidates_of(const float *scores, Floats threshold) {
  uint64_t found = 0;
  NS_UNROLL for (int v = 0; v < kVectorLimit; v++) {
    const Ints is_less = load<Floats>(scores + v * kFloats) <= threshold;
    const Flags flags = __builtin_convertvector(~is_less, Flags);
    uint32_t bits = 0;
    __builtin_memcpy(&bits, &flags, (kFloats + 7) / 8);
    if (kFloats < 8) bits &= (1u << (kFloats % 32)) - 1;
    found |= uint64_t(bits) << (v * kFloats);
  }
  return found;
}

// A group of users times the columns of one kernel.
static void rank_tile(const Step &step, Ranking *rankings, uint32_t rows, uint32_t first_item,
                      uint64_t real_items) {
  kernel_for(rows, false)(step);
  uint64_t found[kRowLimit];
  uint64_t any = 0;
  for (uint32_t r = 0; r < rows; r++) {
    found[r] = candidates_of(step.output + r * kTileColumns, all(rankings[r].threshold));
    found[r] &= real_items;
    any |= found[r];
  }
  if (any == 0) return;
  for (uint32_t r = 0; r < rows; r++) {
    const float *scores = step.output + r * kTileColumns;
    for (uint64_t left = found[r]; left != 0; left &= left - 1) {
      const uint32_t i = static_cast<uint32_t>(__builtin_ctzll(left));
      add_candidate(rankings[r], scores[i], first_item + i);
    }
  }
}

// Every item for one block of users; a panel of items is read once for the block.
static void rank_block(const ns_topk_items &items, const float *factors, size_t stride,
                       Ranking *rankings, uint32_t row_count) {
  alignas(64) float tile[kRowLimit * kTileColumns];
  const uint32_t group_count = (row_count + kRowLimit - 1) / kRowLimit;
  const uint32_t least = row_count / group_count, larger_count = row_count % group_count;
  const float *panel = items.packed;
  for (uint64_t item = 0; item < items.item_count; item += kPanelColumns) {
    for (uint32_t c = 0; c < kPanelColumns && item + c < items.item_count; c += kTileColumns) {
      const uint64_t left = items.item_count - item - c;
      const uint64_t real_items = left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0};
      Step s{};
      s.row_step = stride;
      s.column_step = 1;
      s.start = panel + c;
      s.weights = s.start + kPanelColumns;
      s.depth = items.depth;
      s.output = tile;
      s.output_stride = kTileColumns;
      s.floor = -__builtin_inff();
      for (uint32_t g = 0, row = 0; g < group_count; g++) {
        const uint32_t rows = least + (g < larger_count);
        s.input = factors + row * stride;
        rank_tile(s, rankings + row, rows, static_cast<uint32_t>(item + c), real_items);
        row += rows;
      }
    }
    panel += size_t(kPanelColumns) * (items.depth + 1);
  }
}
