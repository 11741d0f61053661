// Leaf sums by loads from plain tables; included once for each instruction set.

#pragma STDC FP_CONTRACT OFF

// Eight rows at a time, so that eight sums grow side by side and their codes come in one load.
template <typename T>
inline void add_plain(const Leaves *leaves, size_t count, T *sums) {
  for (int row = 0; row < kLeafRows; row += 8) {
    T a = sums[row], b = sums[row + 1], c = sums[row + 2], d = sums[row + 3];
    T e = sums[row + 4], f = sums[row + 5], g = sums[row + 6], h = sums[row + 7];
    for (size_t i = 0; i < count; i++) {
      uint64_t codes;
      memcpy(&codes, leaves[i].codes + row, sizeof codes);
      const T *table = static_cast<const T *>(leaves[i].table);
      a += table[codes & 255];
      b += table[codes >> 8 & 255];
      c += table[codes >> 16 & 255];
      d += table[codes >> 24 & 255];
      e += table[codes >> 32 & 255];
      f += table[codes >> 40 & 255];
      g += table[codes >> 48 & 255];
      h += table[codes >> 56];
    }
    sums[row] = a, sums[row + 1] = b, sums[row + 2] = c, sums[row + 3] = d;
    sums[row + 4] = e, sums[row + 5] = f, sums[row + 6] = g, sums[row + 7] = h;
  }
}

inline const uint8_t *bytes_of(const Leaves &leaves) {
  return static_cast<const uint8_t *>(leaves.table);
}

// Calls a kernel for each run of tables that it takes, and add_plain for the others, in order.
template <typename T>
inline void add_runs(const Leaves *leaves, size_t count, T *sums, AddLeaves<T> vectors) {
  for (size_t first = 0; first < count;) {
    const bool is_plain = leaves[first].layout == kPlain;
    size_t last = first + 1;
    while (last < count && (leaves[last].layout == kPlain) == is_plain) last++;
    if (is_plain) {
      add_plain(leaves + first, last - first, sums);
    } else {
      vectors(leaves + first, last - first, sums);
    }
    first = last;
  }
}
