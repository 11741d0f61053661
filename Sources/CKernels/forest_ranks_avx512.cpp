#if defined(__x86_64__)

#include <immintrin.h>

#include "forest_ranks.h"

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,fma,bmi2"))), \
    apply_to = function)

namespace ns_forest {
namespace {
namespace avx512 {

#include "forest_ranks_body.h"

template <int rounding>
inline void round_all(const double *values, float *floats) {
  for (int row = 0; row < kRows; row += 8) {
    const __m512d value = _mm512_loadu_pd(values + row);
    _mm256_store_ps(floats + row, _mm512_cvt_roundpd_ps(value, rounding | _MM_FROUND_NO_EXC));
  }
}

uint32_t round(const double *values, float *floats, bool to_nearest) {
  if (to_nearest) {
    round_all<_MM_FROUND_TO_NEAREST_INT>(values, floats);
  } else {
    round_all<_MM_FROUND_TO_POS_INF>(values, floats);
  }
  return look(floats);
}

// The nodes of the levels 0 ... 4 fit into two registers, those of the next three into two, four
// and eight. A node's index among its level's is in the low bits of its number, which is all that
// a permutation looks at.
template <int depth>
struct Tree {
  __m512 nodes[depth < 5 ? 2 : 1 << (depth - 4)];

  inline explicit Tree(const float *tree) {
    constexpr int count = depth < 5 ? 1 : 1 << (depth - 4);
    for (int i = 0; i < count; i++) nodes[i] = _mm512_loadu_ps(tree + 16 * i);
  }

  template <int level>
  inline __m512 at(__m512i node) const {
    if constexpr (level < 4) {
      return _mm512_permutexvar_ps(node, nodes[0]);
    } else if constexpr (level == 4) {
      return _mm512_permutexvar_ps(node, nodes[1]);
    } else if constexpr (level == 5) {
      return _mm512_permutex2var_ps(nodes[2], node, nodes[3]);
    } else if constexpr (level == 6) {
      const __mmask16 upper = _mm512_movepi32_mask(_mm512_slli_epi32(node, 26));
      return _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(nodes[4], node, nodes[5]),
                                  _mm512_permutex2var_ps(nodes[6], node, nodes[7]));
    } else {
      const __mmask16 upper = _mm512_movepi32_mask(_mm512_slli_epi32(node, 26));
      const __mmask16 top = _mm512_movepi32_mask(_mm512_slli_epi32(node, 25));
      const __m512 low =
          _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(nodes[8], node, nodes[9]),
                               _mm512_permutex2var_ps(nodes[10], node, nodes[11]));
      const __m512 high =
          _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(nodes[12], node, nodes[13]),
                               _mm512_permutex2var_ps(nodes[14], node, nodes[15]));
      return _mm512_mask_blend_ps(top, low, high);
    }
  }
};

// One level: the sign of threshold - value, shifted into the node's number, chooses the child. The
// least difference, seen as an integer, is that to the nearest threshold below the value.
template <int level, int depth, bool is_checked>
inline void descend(const Tree<depth> &tree, __m512 value, __m512i &node, __m512i &least) {
  if constexpr (level < depth) {
    const __m512i difference =
        _mm512_castps_si512(_mm512_sub_ps(tree.template at<level>(node), value));
    if constexpr (is_checked) least = _mm512_min_epi32(least, difference);
    node = _mm512_shldi_epi32(node, difference, 1);
    descend<level + 1, depth, is_checked>(tree, value, node, least);
  }
}

// Whether the nearest threshold below is within some units in the last place, or 1e-38 of zero.
inline uint64_t is_close(__m512 value, __m512i least) {
  const __m512 negative = _mm512_or_ps(value, _mm512_set1_ps(-0.0f));
  const __m512 limit = _mm512_fmadd_ps(negative, _mm512_set1_ps(0x1p-22f),
                                       _mm512_set1_ps(-0x1p-126f));
  return _mm512_cmple_epi32_mask(least, _mm512_castps_si512(limit));
}

template <int depth, bool is_checked>
bool search_depth(const Search &search, const float *floats, const float *values, uint8_t *ranks,
                  uint64_t *close) {
  const Tree<depth> tree(floats);
  const __m512i cap = _mm512_set1_epi8(static_cast<char>(search.cap));
  const __m512i low_bits = _mm512_set1_epi8(static_cast<char>((1 << depth) - 1));
  alignas(64) uint8_t order_bytes[64];
  for (int i = 0; i < 64; i++) order_bytes[i] = static_cast<uint8_t>(4 * (i & 15) + (i >> 4));
  const __m512i order = _mm512_load_si512(order_bytes);
  uint64_t any = 0;
  for (int row = 0; row < kRows; row += 64) {
    __m512i node[4];
    uint64_t marks = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      const __m512 value = _mm512_loadu_ps(values + row + 16 * i);
      __m512i least = _mm512_set1_epi32(INT32_MAX);
      node[i] = _mm512_set1_epi32(1);
      descend<0, depth, is_checked>(tree, value, node[i], least);
      if (is_checked) marks |= is_close(value, least) << (16 * i);
    }
    const __m512i byte = _mm512_set1_epi32(255);
    const __m512i low = _mm512_ternarylogic_epi32(
        _mm512_and_si512(node[0], byte), _mm512_slli_epi32(node[1], 8), _mm512_set1_epi32(0xff00),
        0xf8);
    const __m512i high = _mm512_ternarylogic_epi32(
        _mm512_and_si512(node[2], byte), _mm512_slli_epi32(node[3], 8), _mm512_set1_epi32(0xff00),
        0xf8);
    __m512i rank = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
    rank = _mm512_and_si512(_mm512_permutexvar_epi8(order, rank), low_bits);
    _mm512_store_si512(ranks + row, _mm512_min_epu8(rank, cap));
    if (is_checked) {
      close[row / 64] = marks;
      any |= marks;
    }
  }
  return any != 0;
}

template <bool is_checked>
bool search_any(const Search &s, const float *tree, const float *values, uint8_t *ranks,
                uint64_t *close) {
  switch (s.depth) {
    case 1: return search_depth<1, is_checked>(s, tree, values, ranks, close);
    case 2: return search_depth<2, is_checked>(s, tree, values, ranks, close);
    case 3: return search_depth<3, is_checked>(s, tree, values, ranks, close);
    case 4: return search_depth<4, is_checked>(s, tree, values, ranks, close);
    case 5: return search_depth<5, is_checked>(s, tree, values, ranks, close);
    case 6: return search_depth<6, is_checked>(s, tree, values, ranks, close);
    case 7: return search_depth<7, is_checked>(s, tree, values, ranks, close);
    default: return search_depth<8, is_checked>(s, tree, values, ranks, close);
  }
}

bool search(const Search &s, const float *tree, const float *values, uint8_t *ranks,
            uint64_t *close) {
  return close ? search_any<true>(s, tree, values, ranks, close)
               : search_any<false>(s, tree, values, ranks, close);
}

void small_set(const uint8_t *set, uint32_t, const uint8_t *bytes, const uint8_t *bits,
               uint8_t *ranks) {
  const __m512i table = _mm512_loadu_si512(set);
  for (int row = 0; row < kRows; row += 64) {
    const __m512i word = _mm512_permutexvar_epi8(_mm512_load_si512(bytes + row), table);
    const __mmask64 is_out = _mm512_testn_epi8_mask(word, _mm512_load_si512(bits + row));
    _mm512_store_si512(ranks + row, _mm512_movm_epi8(is_out));
  }
}

}  // namespace avx512
}  // namespace

const Kernels kAVX512Kernels = {
    avx512::round, avx512::look,  avx512::search,    avx512::mark,      avx512::patch,
    avx512::codes, avx512::split, avx512::small_set, avx512::large_set,
};

}  // namespace ns_forest

#pragma clang attribute pop

#endif
