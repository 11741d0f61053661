#if defined(__x86_64__)

#include <immintrin.h>

#include "forest_leaves.h"

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma,bmi2"))), \
    apply_to = function)

namespace ns_forest {
namespace {
namespace avx512 {

#include "forest_leaves_body.h"

Layout layout(uint32_t count, bool is_wide) {
  if (count <= 32) return kPad32;
  if (count <= 64) return kPad64;
  if (is_wide) return kPlain;
  return count <= 128 ? kPlanes128 : kPlanes256;
}

inline __m512i load(const uint8_t *bytes) { return _mm512_load_si512(bytes); }

// Where row r of 64 has to stand so that byte j of a register's 32-bit lanes gives, once low and
// high halves of sixteen doubles are interleaved, the rows 16j ... 16j + 15 in order.
struct Order {
  alignas(64) uint8_t interleaved[64];  // for doubles
  alignas(64) uint8_t straight[64];     // for values of four bytes: lane i, byte j is row 16j + i
  alignas(64) uint32_t planes[16];      // for planes of bytes

  constexpr Order() : interleaved(), straight(), planes() {
    for (int lane = 0; lane < 16; lane++) {
      for (int byte = 0; byte < 4; byte++) {
        const int row = 8 * (lane >> 1 & 1) + 2 * (lane >> 2) + (lane & 1);
        interleaved[4 * lane + byte] = static_cast<uint8_t>(16 * byte + row);
        straight[4 * lane + byte] = static_cast<uint8_t>(16 * byte + lane);
      }
      planes[lane] = static_cast<uint32_t>(4 * (lane & 3) + (lane >> 2));
    }
  }
};

constexpr Order kOrder;

// Looks sixteen values of four bytes up; only the low bits of a lane count.
inline __m512i look_up_32(const uint8_t *table, __m512i code) {
  return _mm512_permutex2var_epi32(load(table), code, load(table + 64));
}

inline __m512i look_up_64(const uint8_t *table, __m512i code) {
  const __mmask16 is_upper = _mm512_movepi32_mask(_mm512_slli_epi32(code, 26));
  return _mm512_mask_blend_epi32(is_upper, look_up_32(table, code),
                                 look_up_32(table + 128, code));
}

void add_double_vectors(const Leaves *leaves, size_t count, double *sums) {
  const __m512i order = load(kOrder.interleaved);
  for (int row = 0; row < kLeafRows; row += 64) {
    __m512d sum[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) sum[i] = _mm512_load_pd(sums + row + 8 * i);
    for (size_t t = 0; t < count; t++) {
      const uint8_t *table = bytes_of(leaves[t]);
      const __m512i codes = _mm512_permutexvar_epi8(order, load(leaves[t].codes + row));
      const bool is_small = leaves[t].layout == kPad32;
#pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) {
        const __m512i code = _mm512_srli_epi32(codes, static_cast<unsigned>(8 * j));
        const __m512i low = is_small ? look_up_32(table, code) : look_up_64(table, code);
        const __m512i high =
            is_small ? look_up_32(table + 128, code) : look_up_64(table + 256, code);
        sum[2 * j] = _mm512_add_pd(
            sum[2 * j], _mm512_castsi512_pd(_mm512_unpacklo_epi32(low, high)));
        sum[2 * j + 1] = _mm512_add_pd(
            sum[2 * j + 1], _mm512_castsi512_pd(_mm512_unpackhi_epi32(low, high)));
      }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) _mm512_store_pd(sums + row + 8 * i, sum[i]);
  }
}

inline __m512i plus(__m512i sum, __m512i value, float) {
  return _mm512_castps_si512(
      _mm512_add_ps(_mm512_castsi512_ps(sum), _mm512_castsi512_ps(value)));
}

inline __m512i plus(__m512i sum, __m512i value, uint32_t) { return _mm512_add_epi32(sum, value); }

// Sixty-four bytes of one plane.
template <bool is_256>
inline __m512i look_up_plane(const uint8_t *plane, __m512i codes) {
  const __m512i low = _mm512_permutex2var_epi8(load(plane), codes, load(plane + 64));
  if constexpr (!is_256) return low;
  return _mm512_mask_blend_epi8(
      _mm512_movepi8_mask(codes), low,
      _mm512_permutex2var_epi8(load(plane + 128), codes, load(plane + 192)));
}

template <bool is_256>
inline void look_up_planes(const uint8_t *table, __m512i codes, __m512i value[4]) {
  constexpr int size = is_256 ? 256 : 128;
  const __m512i a = look_up_plane<is_256>(table, codes);
  const __m512i b = look_up_plane<is_256>(table + size, codes);
  const __m512i c = look_up_plane<is_256>(table + 2 * size, codes);
  const __m512i d = look_up_plane<is_256>(table + 3 * size, codes);
  const __m512i low = _mm512_unpacklo_epi8(a, b), high = _mm512_unpacklo_epi8(c, d);
  const __m512i low_odd = _mm512_unpackhi_epi8(a, b), high_odd = _mm512_unpackhi_epi8(c, d);
  value[0] = _mm512_unpacklo_epi16(low, high);
  value[1] = _mm512_unpackhi_epi16(low, high);
  value[2] = _mm512_unpacklo_epi16(low_odd, high_odd);
  value[3] = _mm512_unpackhi_epi16(low_odd, high_odd);
}

// Values of sixty-four rows from one table of four-byte values.
inline void look_up(const Leaves &leaves, int row, __m512i value[4]) {
  const uint8_t *table = bytes_of(leaves);
  const __m512i codes = load(leaves.codes + row);
  if (leaves.layout == kPad32 || leaves.layout == kPad64) {
    const __m512i straight = _mm512_permutexvar_epi8(load(kOrder.straight), codes);
    const bool is_small = leaves.layout == kPad32;
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
      const __m512i code = _mm512_srli_epi32(straight, static_cast<unsigned>(8 * j));
      value[j] = is_small ? look_up_32(table, code) : look_up_64(table, code);
    }
    return;
  }
  const __m512i ordered = _mm512_permutexvar_epi32(load(
      reinterpret_cast<const uint8_t *>(kOrder.planes)), codes);
  if (leaves.layout == kPlanes128) {
    look_up_planes<false>(table, ordered, value);
  } else {
    look_up_planes<true>(table, ordered, value);
  }
}

template <typename T>
void add_narrow(const Leaves *leaves, size_t count, T *sums) {
  for (int row = 0; row < kLeafRows; row += 64) {
    __m512i sum[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) sum[i] = _mm512_load_si512(sums + row + 16 * i);
    for (size_t t = 0; t < count; t++) {
      __m512i value[4];
      look_up(leaves[t], row, value);
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; i++) sum[i] = plus(sum[i], value[i], T());
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) _mm512_store_si512(sums + row + 16 * i, sum[i]);
  }
}

void add_doubles(const Leaves *leaves, size_t count, double *sums) {
  add_runs(leaves, count, sums, static_cast<AddLeaves<double>>(add_double_vectors),
           kPortableLeafKernels.doubles);
}

}  // namespace avx512
}  // namespace

const LeafKernels kAVX512LeafKernels = {
    avx512::add_doubles,
    avx512::add_narrow<float>,
    avx512::add_narrow<uint32_t>,
    avx512::layout,
};

}  // namespace ns_forest

#pragma clang attribute pop

#endif
