#pragma once

// What the two ways to read eight fields at once share.

#include "csv_numbers.h"

#include <immintrin.h>

#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,fma,bmi,bmi2"))), \
    apply_to = function)

namespace ns_csv_numbers {

// Where eight fields are: offsets in the window, and their lengths.
struct Spans {
  __m512i stops, lengths;
};

// What one attempt has read.
struct Attempt {
  __m512d values;
  __mmask8 is_read;
};

inline __m512d negate(__m512d values, __mmask8 where) {
  return _mm512_mask_xor_pd(values, where, values, _mm512_set1_pd(-0.0));
}

// Reads fields of up to 32 bytes: a minus, up to 19 digits with a point among them, perhaps e±dd.
// What is not wanted or not of this form is not read.
Attempt read_long(const uint8_t *window, Spans spans, __mmask8 wanted);

}  // namespace ns_csv_numbers
#pragma clang attribute pop
