// How fast this core multiplies and adds: what dense kernels are measured against.
#pragma once

#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Floating point operations (two for a fused multiply-add) of one round of ns_peak_run.
uint64_t ns_peak_operation_count(ns_isa isa);

/// Runs chains of fused multiply-adds of floats that never leave the registers.
///
/// Returns a number that depends on all of them, so that none is left out.
float ns_peak_run(ns_isa isa, uint64_t rounds);

#ifdef __cplusplus
}
#endif
