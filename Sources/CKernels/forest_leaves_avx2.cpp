#if defined(__x86_64__)

#include <immintrin.h>

#include "forest_leaves.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)

namespace ns_forest {
namespace {
namespace avx2 {

#include "forest_leaves_body.h"

Layout layout(uint32_t count, bool is_wide) {
  if (is_wide || count > 64) return kPlain;
  return count <= 32 ? kPlanes32 : kPlanes64;
}

inline __m256i sixteen(const uint8_t *table) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i *>(table)));
}

// Thirty-two bytes of one plane. The blends look at the top bit of each byte: bit 4 of the code in
// bit_4, bit 5 in bit_5.
template <bool is_64>
inline __m256i look_up_plane(const uint8_t *plane, __m256i code, __m256i bit_4, __m256i bit_5) {
  const __m256i low = _mm256_blendv_epi8(_mm256_shuffle_epi8(sixteen(plane), code),
                                         _mm256_shuffle_epi8(sixteen(plane + 16), code), bit_4);
  if constexpr (!is_64) return low;
  const __m256i high =
      _mm256_blendv_epi8(_mm256_shuffle_epi8(sixteen(plane + 32), code),
                         _mm256_shuffle_epi8(sixteen(plane + 48), code), bit_4);
  return _mm256_blendv_epi8(low, high, bit_5);
}

// Values of thirty-two rows: value[i] has the rows 4i ... 4i + 3 and 16 + 4i ... 16 + 4i + 3.
template <bool is_64>
inline void look_up(const uint8_t *table, __m256i codes, __m256i value[4]) {
  constexpr int size = is_64 ? 64 : 32;
  const __m256i bit_4 = _mm256_slli_epi16(codes, 3), bit_5 = _mm256_slli_epi16(codes, 2);
  const __m256i code = _mm256_and_si256(codes, _mm256_set1_epi8(15));
  const __m256i a = look_up_plane<is_64>(table, code, bit_4, bit_5);
  const __m256i b = look_up_plane<is_64>(table + size, code, bit_4, bit_5);
  const __m256i c = look_up_plane<is_64>(table + 2 * size, code, bit_4, bit_5);
  const __m256i d = look_up_plane<is_64>(table + 3 * size, code, bit_4, bit_5);
  const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpacklo_epi8(c, d);
  const __m256i low_odd = _mm256_unpackhi_epi8(a, b), high_odd = _mm256_unpackhi_epi8(c, d);
  value[0] = _mm256_unpacklo_epi16(low, high);
  value[1] = _mm256_unpackhi_epi16(low, high);
  value[2] = _mm256_unpacklo_epi16(low_odd, high_odd);
  value[3] = _mm256_unpackhi_epi16(low_odd, high_odd);
}

inline __m256i plus(__m256i sum, __m256i value, float) {
  return _mm256_castps_si256(
      _mm256_add_ps(_mm256_castsi256_ps(sum), _mm256_castsi256_ps(value)));
}

inline __m256i plus(__m256i sum, __m256i value, uint32_t) { return _mm256_add_epi32(sum, value); }

template <typename T>
void add_vectors(const Leaves *leaves, size_t count, T *sums) {
  for (int row = 0; row < kLeafRows; row += 32) {
    __m256i sum[4];
    __m128i *at = reinterpret_cast<__m128i *>(sums + row);
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      sum[i] = _mm256_set_m128i(_mm_load_si128(at + 4 + i), _mm_load_si128(at + i));
    }
    for (size_t t = 0; t < count; t++) {
      const __m256i codes =
          _mm256_load_si256(reinterpret_cast<const __m256i *>(leaves[t].codes + row));
      __m256i value[4];
      if (leaves[t].layout == kPlanes32) {
        look_up<false>(bytes_of(leaves[t]), codes, value);
      } else {
        look_up<true>(bytes_of(leaves[t]), codes, value);
      }
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; i++) sum[i] = plus(sum[i], value[i], T());
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      _mm_store_si128(at + i, _mm256_castsi256_si128(sum[i]));
      _mm_store_si128(at + 4 + i, _mm256_extracti128_si256(sum[i], 1));
    }
  }
}

void add_doubles(const Leaves *leaves, size_t count, double *sums) {
  kPortableLeafKernels.doubles(leaves, count, sums);
}

void add_floats(const Leaves *leaves, size_t count, float *sums) {
  add_runs(leaves, count, sums, static_cast<AddLeaves<float>>(add_vectors<float>),
           kPortableLeafKernels.floats);
}

void add_fixed(const Leaves *leaves, size_t count, uint32_t *sums) {
  add_runs(leaves, count, sums, static_cast<AddLeaves<uint32_t>>(add_vectors<uint32_t>),
           kPortableLeafKernels.fixed);
}

}  // namespace avx2
}  // namespace

const LeafKernels kAVX2LeafKernels = {
    avx2::add_doubles,
    avx2::add_floats,
    avx2::add_fixed,
    avx2::layout,
};

}  // namespace ns_forest

#pragma clang attribute pop

#endif
