// The walks of ns_shap.h, written once and compiled for each set of instructions.
#include <cstring>

#include "shap_tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// A fused multiply-add would round once where the other variants round twice.
#pragma STDC FP_CONTRACT OFF

namespace ns_shap_tables {

namespace {

namespace portable {

typedef double vector __attribute__((vector_size(16)));
typedef int64_t choice __attribute__((vector_size(16)));
constexpr uint32_t lanes = 2, kGroupRows = 8;

inline vector load_anywhere(const double *from) { return vector{from[0], from[1]}; }
inline void store_anywhere(double *to, vector v) { to[0] = v[0], to[1] = v[1]; }
inline vector load(const double *from) { return *reinterpret_cast<const vector *>(from); }
inline void store(double *to, vector v) { *reinterpret_cast<vector *>(to) = v; }
inline vector every(double value) { return vector{value, value}; }
inline vector add(vector a, vector b) { return a + b; }
inline vector subtract(vector a, vector b) { return a - b; }
inline vector multiply(vector a, vector b) { return a * b; }
inline choice rows(const row_bits &bits, uint32_t row) {
  const uint64_t word = bits.words[row / 64] >> (row % 64);
  return choice{-static_cast<int64_t>(word & 1), -static_cast<int64_t>(word >> 1 & 1)};
}
inline vector choose(choice c, vector first, vector second) {
  return (vector)(((choice)first & c) | ((choice)second & ~c));
}

void compare(const uint8_t *ranks, uint8_t rank, row_bits *at_most) {
  for (uint32_t word = 0; word < NS_SHAP_ROWS / 64; word++) {
    uint64_t bits = 0;
    for (uint32_t row = 0; row < 64; row++) {
      bits |= static_cast<uint64_t>(ranks[word * 64 + row] <= rank) << row;
    }
    at_most->words[word] = bits;
  }
}

#include "shap_walk.h"

}  // namespace portable

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,bmi2"))), apply_to = function)
namespace avx2 {

typedef __m256d vector;
typedef __m256d choice;
constexpr uint32_t lanes = 4, kGroupRows = 16;

inline vector load_anywhere(const double *from) { return _mm256_loadu_pd(from); }
inline void store_anywhere(double *to, vector v) { _mm256_storeu_pd(to, v); }
inline vector load(const double *from) { return _mm256_load_pd(from); }
inline void store(double *to, vector v) { _mm256_store_pd(to, v); }
inline vector every(double value) { return _mm256_set1_pd(value); }
inline vector add(vector a, vector b) { return _mm256_add_pd(a, b); }
inline vector subtract(vector a, vector b) { return _mm256_sub_pd(a, b); }
inline vector multiply(vector a, vector b) { return _mm256_mul_pd(a, b); }
inline choice rows(const row_bits &bits, uint32_t row) {
  // blendv reads the sign bits alone.
  const __m256i word = _mm256_set1_epi64x(
      static_cast<int64_t>(bits.words[row / 64] >> (row % 64)));
  return _mm256_castsi256_pd(_mm256_sllv_epi64(word, _mm256_setr_epi64x(63, 62, 61, 60)));
}
inline vector choose(choice c, vector first, vector second) {
  return _mm256_blendv_pd(second, first, c);
}

void compare(const uint8_t *ranks, uint8_t rank, row_bits *at_most) {
  const __m256i limit = _mm256_set1_epi8(static_cast<char>(rank));
  uint32_t halves[NS_SHAP_ROWS / 32];
  for (uint32_t i = 0; i < NS_SHAP_ROWS / 32; i++) {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(ranks) + i);
    const __m256i is_at_most = _mm256_cmpeq_epi8(_mm256_min_epu8(row, limit), row);
    halves[i] = static_cast<uint32_t>(_mm256_movemask_epi8(is_at_most));
  }
  std::memcpy(at_most->words, halves, sizeof(halves));
}

#include "shap_walk.h"

}  // namespace avx2
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
namespace avx512 {

typedef __m512d vector;
typedef __mmask8 choice;
constexpr uint32_t lanes = 8, kGroupRows = 32;

inline vector load_anywhere(const double *from) { return _mm512_loadu_pd(from); }
inline void store_anywhere(double *to, vector v) { _mm512_storeu_pd(to, v); }
inline vector load(const double *from) { return _mm512_load_pd(from); }
inline void store(double *to, vector v) { _mm512_store_pd(to, v); }
inline vector every(double value) { return _mm512_set1_pd(value); }
inline vector add(vector a, vector b) { return _mm512_add_pd(a, b); }
inline vector subtract(vector a, vector b) { return _mm512_sub_pd(a, b); }
inline vector multiply(vector a, vector b) { return _mm512_mul_pd(a, b); }
inline choice rows(const row_bits &bits, uint32_t row) {
  return reinterpret_cast<const uint8_t *>(bits.words)[row / 8];
}
inline vector choose(choice c, vector first, vector second) {
  return _mm512_mask_blend_pd(c, second, first);
}

void compare(const uint8_t *ranks, uint8_t rank, row_bits *at_most) {
  const __m512i limit = _mm512_set1_epi8(static_cast<char>(rank));
  for (uint32_t i = 0; i < NS_SHAP_ROWS / 64; i++) {
    at_most->words[i] = _mm512_cmple_epu8_mask(_mm512_loadu_si512(ranks + i * 64), limit);
  }
}

#include "shap_walk.h"

}  // namespace avx512
#pragma clang attribute pop

#endif

}  // namespace

const kernels &portable_kernels() { return portable::variant; }

#if defined(__x86_64__)
const kernels &avx2_kernels() { return avx2::variant; }
const kernels &avx512_kernels() { return avx512::variant; }
#else
const kernels &avx2_kernels() { return portable::variant; }
const kernels &avx512_kernels() { return portable::variant; }
#endif

}  // namespace ns_shap_tables
