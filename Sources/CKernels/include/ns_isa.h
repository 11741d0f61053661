// Which instructions a kernel may use; every kernel gives the same bits with each of them.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A set of instructions that kernels are written for; each includes the ones before it.
typedef enum {
  ns_isa_portable = 0,  // C alone: SSE2 on x86-64, NEON on ARM64, as the compiler sees fit
  ns_isa_avx2 = 1,      // AVX2, FMA and BMI2
  ns_isa_avx512 = 2,    // AVX-512 F, BW, DQ, VL, VBMI, VBMI2 and GFNI
} ns_isa;

/// The best that this CPU has and the operating system lets it use.
ns_isa ns_isa_best(void);

#ifdef __cplusplus
}
#endif
