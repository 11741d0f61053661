#include "ns_peak.h"

// Enough independent chains to hide the latency of an addition on two ports, few enough for the
// registers of each set.
enum { chains = 12, unrolled = 8 };

#define DEFINE_PEAK(NAME, WIDTH, ATTRIBUTE)                                                   \
  typedef float NAME##_vector __attribute__((vector_size(4 * (WIDTH))));                      \
  ATTRIBUTE static float NAME(uint64_t rounds) {                                              \
    NAME##_vector sums[chains];                                                               \
    NAME##_vector factor = {0};                                                               \
    factor = factor + 0.999999f;                                                              \
    for (int i = 0; i < chains; i++) sums[i] = factor * (float)i;                             \
    for (uint64_t round = 0; round < rounds; round++) {                                       \
      for (int step = 0; step < unrolled; step++) {                                           \
        for (int i = 0; i < chains; i++) {                                                    \
          sums[i] = __builtin_elementwise_fma(sums[i], factor, factor);                       \
        }                                                                                     \
      }                                                                                       \
    }                                                                                         \
    float total = 0;                                                                          \
    for (int i = 0; i < chains; i++) {                                                        \
      for (int lane = 0; lane < (WIDTH); lane++) total += sums[i][lane];                      \
    }                                                                                         \
    return total;                                                                             \
  }

#if defined(__x86_64__)
DEFINE_PEAK(peak_avx512, 16, __attribute__((target("avx512f"))))
DEFINE_PEAK(peak_avx2, 8, __attribute__((target("avx2,fma"))))
#endif
DEFINE_PEAK(peak_portable, 4, )

static uint64_t width(ns_isa isa) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return 16;
  if (isa == ns_isa_avx2) return 8;
#endif
  return 4;
}

uint64_t ns_peak_operation_count(ns_isa isa) { return 2 * width(isa) * chains * unrolled; }

float ns_peak_run(ns_isa isa, uint64_t rounds) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return peak_avx512(rounds);
  if (isa == ns_isa_avx2) return peak_avx2(rounds);
#endif
  return peak_portable(rounds);
}
