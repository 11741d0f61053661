// Reading ahead: columns that will be needed soon, while the CPU is busy with something else.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Asks for a part of some columns, counted in lines of the cache: eight doubles each.
///
/// Line i is that of rows 8 * (i % lineCount) of column `columns[i / lineCount]`, whose row r is at
/// `values[column * stride + r]`. Changes nothing but how fast they are read next.
static inline void ns_prefetch_columns(
    const double *_Nonnull values, size_t stride, const uint32_t *_Nonnull columns,
    uint32_t lineCount, uint32_t first, uint32_t last) {
  for (uint32_t line = first; line < last; line++) {
    const double *column = values + columns[line / lineCount] * stride;
    __builtin_prefetch(column + 8 * (line % lineCount), 0, 2);
  }
}
