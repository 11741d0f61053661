// What the vector kernels of leaf sums share; included once for each instruction set.

inline const uint8_t *bytes_of(const Leaves &leaves) {
  return static_cast<const uint8_t *>(leaves.table);
}

// Calls a kernel for each run of tables that it takes, and the portable one for the others, in
// order. With wider instructions that one's code is a sixth slower.
template <typename T>
inline void add_runs(const Leaves *leaves, size_t count, T *sums, AddLeaves<T> vectors,
                     AddLeaves<T> plain) {
  for (size_t first = 0; first < count;) {
    const bool is_plain = leaves[first].layout == kPlain;
    size_t last = first + 1;
    while (last < count && (leaves[last].layout == kPlain) == is_plain) last++;
    if (is_plain) {
      plain(leaves + first, last - first, sums);
    } else {
      vectors(leaves + first, last - first, sums);
    }
    first = last;
  }
}
