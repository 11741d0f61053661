// What files share that compile one body for several sets of instructions.
#pragma once

#include <stdint.h>

#define NS_INLINE static inline __attribute__((always_inline))
#define NS_UNROLL _Pragma("unroll")

// Attributes for the functions between NS_BEGIN_... and NS_END_SET.
#define NS_PRAGMA(text) _Pragma(#text)
#define NS_SET(set) \
  NS_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define NS_BEGIN_AVX2 NS_SET("avx2,fma")
#define NS_BEGIN_AVX512 NS_SET("avx512f,avx512bw,avx512dq,avx512vl")
#define NS_END_SET _Pragma("clang attribute pop")

// Packed weights are panels of so many columns: the bias, then a group for each input.
constexpr uint32_t kPanelColumns = 32;
