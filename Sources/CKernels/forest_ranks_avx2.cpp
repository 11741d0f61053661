#if defined(__x86_64__)

#include <immintrin.h>

#include "forest_ranks.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)

namespace ns_forest {
namespace {
namespace avx2 {

#define NS_VECTOR_BYTES 32
#include "forest_ranks_body.h"

// Rounds as the control register says. The two barriers keep the compiler from moving a conversion
// out from between the writes of the register, which it does not know to matter.
uint32_t round(const double *values, float *floats, bool to_nearest, bool looks_for_small) {
  const uint32_t control = _mm_getcsr();
  if (!to_nearest) _mm_setcsr((control & ~0x6000u) | 0x4000u);
  __asm__ volatile("" ::: "memory");
  // A value times zero is zero, but for infinity and NaN: some sum of products tells of them.
  __m256d sum[4] = {};
  for (int row = 0; row < kRows; row += 16) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      const __m256d value = _mm256_loadu_pd(values + row + 4 * i);
      sum[i] = _mm256_fmadd_pd(value, _mm256_setzero_pd(), sum[i]);
      _mm_store_ps(floats + row + 4 * i, _mm256_cvtpd_ps(value));
    }
  }
  __asm__ volatile("" ::: "memory");
  if (!to_nearest) _mm_setcsr(control);
  const __m256d all = _mm256_add_pd(_mm256_add_pd(sum[0], sum[1]), _mm256_add_pd(sum[2], sum[3]));
  const bool is_missing = _mm256_movemask_pd(_mm256_cmp_pd(all, all, _CMP_UNORD_Q)) != 0;
  return (is_missing ? kHasMissing : 0) | (looks_for_small ? find_small(floats) : 0);
}

template <int depth>
struct Tree {
  __m256 nodes[depth < 5 ? 2 : 4];
  const float *floats;

  inline explicit Tree(const float *tree) : floats(tree) {
    constexpr int count = depth < 4 ? 1 : depth < 5 ? 2 : 4;
    for (int i = 0; i < count; i++) nodes[i] = _mm256_loadu_ps(tree + 8 * i);
  }

  template <int level>
  inline __m256 at(__m256i node) const {
    if constexpr (level < 3) {
      return _mm256_permutevar8x32_ps(nodes[0], node);
    } else if constexpr (level == 3) {
      return _mm256_permutevar8x32_ps(nodes[1], node);
    } else if constexpr (level == 4) {
      return _mm256_blendv_ps(_mm256_permutevar8x32_ps(nodes[2], node),
                              _mm256_permutevar8x32_ps(nodes[3], node),
                              _mm256_castsi256_ps(_mm256_slli_epi32(node, 28)));
    } else {
      return _mm256_i32gather_ps(floats, node, 4);
    }
  }
};

// One level for four registers of values, side by side: a register alone would mostly wait.
template <int level, int depth>
inline void descend(const Tree<depth> &tree, const __m256 value[4], __m256i node[4]) {
  if constexpr (level < depth) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      const __m256 is_below =
          _mm256_cmp_ps(tree.template at<level>(node[i]), value[i], _CMP_LT_OQ);
      node[i] = _mm256_sub_epi32(_mm256_add_epi32(node[i], node[i]),
                                 _mm256_castps_si256(is_below));
    }
    descend<level + 1, depth>(tree, value, node);
  }
}

// Which of the values are the floats after the thresholds just below.
template <int depth>
inline uint64_t find_close(const float *after, __m256 value, __m256i rank) {
  __m256 next;
  if constexpr (depth <= 3) {
    next = _mm256_permutevar8x32_ps(_mm256_loadu_ps(after), rank);
  } else {
    next = _mm256_i32gather_ps(after, rank, 4);
  }
  const __m256 is_close = _mm256_cmp_ps(next, value, _CMP_EQ_OQ);
  return static_cast<uint32_t>(_mm256_movemask_ps(is_close));
}

template <int depth, bool is_checked>
bool search_depth(const Search &search, const Tables &tables, const float *values, uint8_t *ranks,
                  uint64_t *close) {
  const Tree<depth> tree(tables.tree);
  const __m256i cap = _mm256_set1_epi32(search.cap);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  uint64_t any = 0;
  for (int row = 0; row < kRows; row += 32) {
    __m256 value[4];
    __m256i node[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      value[i] = _mm256_loadu_ps(values + row + 8 * i);
      node[i] = _mm256_set1_epi32(1);
    }
    descend<0, depth>(tree, value, node);
    uint64_t marks = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      node[i] = _mm256_min_epi32(_mm256_sub_epi32(node[i], _mm256_set1_epi32(1 << depth)), cap);
      if (is_checked) marks |= find_close<depth>(tables.after, value[i], node[i]) << (8 * i);
    }
    const __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(node[0], node[1]),
                                               _mm256_packus_epi32(node[2], node[3]));
    _mm256_store_si256(reinterpret_cast<__m256i *>(ranks + row),
                       _mm256_permutevar8x32_epi32(packed, order));
    if (is_checked) {
      uint64_t &word = close[row / 64];
      word = row & 32 ? word | marks << 32 : marks;
      any |= marks;
    }
  }
  return any != 0;
}

template <bool is_checked>
bool search_any(const Search &s, const Tables &tables, const float *values, uint8_t *ranks,
                uint64_t *close) {
  switch (s.depth) {
    case 1: return search_depth<1, is_checked>(s, tables, values, ranks, close);
    case 2: return search_depth<2, is_checked>(s, tables, values, ranks, close);
    case 3: return search_depth<3, is_checked>(s, tables, values, ranks, close);
    case 4: return search_depth<4, is_checked>(s, tables, values, ranks, close);
    case 5: return search_depth<5, is_checked>(s, tables, values, ranks, close);
    case 6: return search_depth<6, is_checked>(s, tables, values, ranks, close);
    case 7: return search_depth<7, is_checked>(s, tables, values, ranks, close);
    default: return search_depth<8, is_checked>(s, tables, values, ranks, close);
  }
}

bool search(const Search &s, const Tables &tables, const float *values, uint8_t *ranks,
            uint64_t *close) {
  return close ? search_any<true>(s, tables, values, ranks, close)
               : search_any<false>(s, tables, values, ranks, close);
}

// A byte number outside a sixteen of the table has its top bit set after this, for which a shuffle
// gives 0.
inline __m256i place_among(__m256i byte, int sixteen) {
  return _mm256_adds_epu8(
      _mm256_sub_epi8(byte, _mm256_set1_epi8(static_cast<char>(16 * sixteen))),
      _mm256_set1_epi8(0x70));
}

template <int size>
void eight_sets_of(const uint8_t *table, const uint8_t *places, const EightSets &sets,
                   uint8_t *masks) {
  const auto look_up = [table](const uint8_t *from) __attribute__((always_inline)) {
    const __m256i place = _mm256_load_si256(reinterpret_cast<const __m256i *>(from));
    __m256i found = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int i = 0; i < size / 16; i++) {
      const __m256i part = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i *>(table + 16 * i)));
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(part, place_among(place, i)));
    }
    return reinterpret_cast<Vector>(found);
  };
  make_eight_masks(look_up, places, sets, masks);
}

void eight_sets(const uint8_t *table, uint32_t table_size, const uint8_t *places,
                const EightSets &sets, uint8_t *masks) {
  switch (table_size) {
    case 64: return eight_sets_of<64>(table, places, sets, masks);
    case 128: return eight_sets_of<128>(table, places, sets, masks);
    default: return eight_sets_of<256>(table, places, sets, masks);
  }
}

template <int sixteens>
void small_set_of(const uint8_t *set, const uint8_t *bytes, const uint8_t *bits, uint8_t *ranks) {
  __m256i tables[sixteens];
  for (int i = 0; i < sixteens; i++) {
    tables[i] = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i *>(set + 16 * i)));
  }
  for (int row = 0; row < kRows; row += 32) {
    const __m256i byte = _mm256_load_si256(reinterpret_cast<const __m256i *>(bytes + row));
    __m256i word = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int i = 0; i < sixteens; i++) {
      word = _mm256_or_si256(word, _mm256_shuffle_epi8(tables[i], place_among(byte, i)));
    }
    const __m256i bit = _mm256_load_si256(reinterpret_cast<const __m256i *>(bits + row));
    const __m256i is_out =
        _mm256_cmpeq_epi8(_mm256_and_si256(word, bit), _mm256_setzero_si256());
    _mm256_store_si256(reinterpret_cast<__m256i *>(ranks + row), is_out);
  }
}

void small_set(const uint8_t *set, uint32_t byte_count, const uint8_t *bytes, const uint8_t *bits,
               uint8_t *ranks) {
  if (byte_count <= 16) {
    small_set_of<1>(set, bytes, bits, ranks);
  } else if (byte_count <= 32) {
    small_set_of<2>(set, bytes, bits, ranks);
  } else {
    small_set_of<4>(set, bytes, bits, ranks);
  }
}

}  // namespace avx2
}  // namespace

const Kernels kAVX2Kernels = {
    avx2::round,     avx2::look,      avx2::search,     avx2::mark,  avx2::patch,
    avx2::codes,     avx2::places,    avx2::eight_sets, avx2::split,
    avx2::small_set, avx2::large_set, avx2::pack,
};

}  // namespace ns_forest

#pragma clang attribute pop

#endif
