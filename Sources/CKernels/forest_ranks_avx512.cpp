#if defined(__x86_64__)

#include <immintrin.h>

#include "forest_ranks.h"

#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,fma,bmi2"))), \
    apply_to = function)

namespace ns_forest {
namespace {
namespace avx512 {

#define NS_VECTOR_BYTES 64
#include "forest_ranks_body.h"

// A value times zero is zero, but for infinity and NaN: some sum of products tells of them.
template <int rounding>
inline bool round_all(const double *values, float *floats) {
  __m512d sum[4] = {};
  for (int row = 0; row < kRows; row += 32) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      const __m512d value = _mm512_loadu_pd(values + row + 8 * i);
      sum[i] = _mm512_fmadd_pd(value, _mm512_setzero_pd(), sum[i]);
      _mm256_store_ps(floats + row + 8 * i,
                      _mm512_cvt_roundpd_ps(value, rounding | _MM_FROUND_NO_EXC));
    }
  }
  const __m512d all = _mm512_add_pd(_mm512_add_pd(sum[0], sum[1]), _mm512_add_pd(sum[2], sum[3]));
  return _mm512_cmpunord_pd_mask(all, all) != 0;
}

uint32_t round(const double *values, float *floats, bool to_nearest, bool looks_for_small) {
  const bool is_missing = to_nearest ? round_all<_MM_FROUND_TO_NEAREST_INT>(values, floats)
                                     : round_all<_MM_FROUND_TO_POS_INF>(values, floats);
  return (is_missing ? kHasMissing : 0) | (looks_for_small ? find_small(floats) : 0);
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

  // `first` and `second` say which way the levels 0 and 1 went.
  template <int level>
  inline __m512 at(__m512i node, __mmask16 first, __mmask16 second) const {
    if constexpr (level < 4) {
      return _mm512_permutexvar_ps(node, nodes[0]);
    } else if constexpr (level == 4) {
      return _mm512_permutexvar_ps(node, nodes[1]);
    } else if constexpr (level == 5) {
      return _mm512_permutex2var_ps(nodes[2], node, nodes[3]);
    } else if constexpr (level == 6) {
      return _mm512_mask_blend_ps(first, _mm512_permutex2var_ps(nodes[4], node, nodes[5]),
                                  _mm512_permutex2var_ps(nodes[6], node, nodes[7]));
    } else {
      const __m512 low =
          _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(nodes[8], node, nodes[9]),
                               _mm512_permutex2var_ps(nodes[10], node, nodes[11]));
      const __m512 high =
          _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(nodes[12], node, nodes[13]),
                               _mm512_permutex2var_ps(nodes[14], node, nodes[15]));
      return _mm512_mask_blend_ps(first, low, high);
    }
  }
};

// One level for four registers of values, side by side: the sign of threshold - value, shifted into
// the node's number, chooses the child.
template <int level, int depth>
inline void descend(const Tree<depth> &tree, const __m512 value[4], __m512i node[4],
                    __mmask16 first[4], __mmask16 second[4]) {
  if constexpr (level < depth) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      const __m512 threshold = tree.template at<level>(node[i], first[i], second[i]);
      const __m512i difference = _mm512_castps_si512(_mm512_sub_ps(threshold, value[i]));
      if constexpr (level == 0 && depth > 6) first[i] = _mm512_movepi32_mask(difference);
      if constexpr (level == 1 && depth > 7) second[i] = _mm512_movepi32_mask(difference);
      node[i] = _mm512_shldi_epi32(node[i], difference, 1);
    }
    descend<level + 1, depth>(tree, value, node, first, second);
  }
}

// The low bytes of four registers' lanes, row by row.
inline __m512i low_bytes(__m512i a, __m512i b, __m512i c, __m512i d, __m512i order) {
  const __m512i byte = _mm512_set1_epi32(255);
  const __m512i low =
      _mm512_or_si512(_mm512_and_si512(a, byte), _mm512_slli_epi32(_mm512_and_si512(b, byte), 8));
  const __m512i high = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(c, byte), 16),
                                       _mm512_slli_epi32(d, 24));
  return _mm512_permutexvar_epi8(order, _mm512_or_si512(low, high));
}

// The check bytes of the thresholds below, by ranks.
template <int depth>
struct Checks {
  __m512i bytes[depth == 8 ? 4 : 2];

  inline explicit Checks(const uint8_t *checks) {
    for (int i = 0; i < (depth < 7 ? 1 : 1 << (depth - 6)); i++) {
      bytes[i] = _mm512_loadu_si512(checks + 64 * i);
    }
  }

  inline __m512i at(__m512i rank) const {
    if constexpr (depth < 7) return _mm512_permutexvar_epi8(rank, bytes[0]);
    const __m512i low = _mm512_permutex2var_epi8(bytes[0], rank, bytes[1]);
    if constexpr (depth < 8) {
      return low;
    } else {
      return _mm512_mask_blend_epi8(_mm512_movepi8_mask(rank), low,
                                    _mm512_permutex2var_epi8(bytes[2], rank, bytes[3]));
    }
  }
};

template <int depth, bool is_checked>
bool search_depth(const Search &search, const Tables &tables, const float *values, uint8_t *ranks,
                  uint64_t *close) {
  const Tree<depth> tree(tables.tree);
  const Checks<depth> checks(tables.checks);
  const __m512i cap = _mm512_set1_epi8(static_cast<char>(search.cap));
  const __m512i low_bits = _mm512_set1_epi8(static_cast<char>((1 << depth) - 1));
  alignas(64) uint8_t order_bytes[64];
  for (int i = 0; i < 64; i++) order_bytes[i] = static_cast<uint8_t>(4 * (i & 15) + (i >> 4));
  const __m512i order = _mm512_load_si512(order_bytes);
  uint64_t any = 0;
  for (int row = 0; row < kRows; row += 64) {
    __m512 value[4];
    __m512i node[4], bits[4];
    __mmask16 first[4] = {}, second[4] = {};
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      value[i] = _mm512_loadu_ps(values + row + 16 * i);
      bits[i] = _mm512_castps_si512(value[i]);
      node[i] = _mm512_set1_epi32(1);
    }
    descend<0, depth>(tree, value, node, first, second);
    __m512i rank = low_bytes(node[0], node[1], node[2], node[3], order);
    rank = _mm512_min_epu8(_mm512_and_si512(rank, low_bits), cap);
    _mm512_store_si512(ranks + row, rank);
    if constexpr (is_checked) {
      const __m512i check = low_bytes(bits[0], bits[1], bits[2], bits[3], order);
      close[row / 64] = _mm512_cmpeq_epi8_mask(check, checks.at(rank));
      any |= close[row / 64];
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

template <int size>
void eight_sets_of(const uint8_t *table, const uint8_t *places, const EightSets &sets,
                   uint8_t *masks) {
  __m512i part[size / 64];
  for (int i = 0; i < size / 64; i++) part[i] = _mm512_loadu_si512(table + 64 * i);
  const auto look_up = [&part](const uint8_t *from) __attribute__((always_inline)) {
    const __m512i place = _mm512_load_si512(from);
    __m512i found;
    if constexpr (size == 64) {
      found = _mm512_permutexvar_epi8(place, part[0]);
    } else {
      found = _mm512_permutex2var_epi8(part[0], place, part[1]);
    }
    if constexpr (size == 256) {
      found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(place), found,
                                     _mm512_permutex2var_epi8(part[2], place, part[3]));
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

void small_set(const uint8_t *set, uint32_t, const uint8_t *bytes, const uint8_t *bits,
               uint8_t *ranks) {
  const __m512i table = _mm512_loadu_si512(set);
  for (int row = 0; row < kRows; row += 64) {
    const __m512i word = _mm512_permutexvar_epi8(_mm512_load_si512(bytes + row), table);
    const __mmask64 is_out = _mm512_testn_epi8_mask(word, _mm512_load_si512(bits + row));
    _mm512_store_si512(ranks + row, _mm512_movm_epi8(is_out));
  }
}

void gather_set(const uint32_t *words, uint32_t limit, const uint32_t *codes, uint8_t *ranks) {
  const __m512i end = _mm512_set1_epi32(static_cast<int>(limit));
  for (int row = 0; row < kRows; row += 16) {
    const __m512i code = _mm512_load_si512(codes + row);
    const __m512i low = _mm512_maskz_and_epi32(_mm512_movepi32_mask(code), code,
                                               _mm512_set1_epi32(3));
    const __m512i place = _mm512_mask_add_epi32(code, _mm512_cmpge_epu32_mask(code, end), end, low);
    const __m512i word = _mm512_i32gather_epi32(_mm512_srli_epi32(place, 5), words, 4);
    const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1),
                                          _mm512_and_si512(place, _mm512_set1_epi32(31)));
    const __m128i rank = _mm_movm_epi8(_mm512_testn_epi32_mask(word, bit));
    _mm_store_si128(reinterpret_cast<__m128i *>(ranks + row), rank);
  }
}

}  // namespace avx512
}  // namespace

const Kernels kAVX512Kernels = {
    avx512::round,     avx512::look,       avx512::search,     avx512::mark,  avx512::patch,
    avx512::codes,     avx512::places,     avx512::eight_sets, avx512::split,
    avx512::small_set, avx512::gather_set, avx512::pack,
};

}  // namespace ns_forest

#pragma clang attribute pop

#endif
