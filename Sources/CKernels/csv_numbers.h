#pragma once

// Fields of one column as doubles, up to 64 records at a time.

#include "ns_csv.h"

#include <cstdint>

namespace ns_csv_numbers {

// What all calls for one tile share.
struct Tile {
  const uint8_t *window;
  const ns_csv_field *fields;
  const ns_csv_words *nulls;
};

// Up to 64 consecutive records.
struct Rows {
  // Where each record's fields begin; 0 where bit i of `readable` is not set.
  const uint32_t *first_fields;
  uint64_t readable;
  uint32_t count;
};

// Reads field `column` of each record into output[0 ..< count]; NaN where there is nothing to read.
// Answers which records hold what is no number.
typedef uint64_t (*Reader)(const Tile &tile, const Rows &rows, uint32_t column, double *output);

uint64_t read_portable(const Tile &tile, const Rows &rows, uint32_t column, double *output);
#if defined(__x86_64__)
uint64_t read_avx2(const Tile &tile, const Rows &rows, uint32_t column, double *output);
uint64_t read_avx512(const Tile &tile, const Rows &rows, uint32_t column, double *output);
#endif

// Reads one field of any form; NaN and true for a null word.
bool read_any(const Tile &tile, ns_csv_field field, double *output);

}  // namespace ns_csv_numbers
