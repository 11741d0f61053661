// Eight fields at once, each in a lane of eight bytes or two of them.

#if defined(__x86_64__)

#include "csv_numbers_avx512.h"

#include <immintrin.h>

#include <limits>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,fma,bmi,bmi2"))), \
    apply_to = function)

namespace ns_csv_numbers {
namespace {

alignas(64) constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
alignas(64) constexpr double kInverses[] = {1e0,  1e-1, 1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,
                                            1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15};

// The bytes of a field that are in a word, as ones; `gap` is how many bits are before them.
inline __m512i inside(__m512i gap) {
  const __m512i all = _mm512_set1_epi64(-1);
  return _mm512_sllv_epi64(all, _mm512_max_epi64(gap, _mm512_setzero_si512()));
}

// Digits as their values; 0 where `inside` is.
inline __m512i values(__m512i text, __m512i inside) {
  constexpr int kXorAnd = 0x28;
  return _mm512_ternarylogic_epi64(text, _mm512_set1_epi8('0'), inside, kXorAnd);
}

// Not 0 in bytes that are no digits.
inline __m512i others(__m512i values) {
  constexpr int kOrAnd = 0xA8;
  const __m512i sums = _mm512_add_epi8(values, _mm512_set1_epi8(6));
  return _mm512_ternarylogic_epi64(sums, values, _mm512_set1_epi8(static_cast<char>(0xF0)), kOrAnd);
}

inline __m512i points(__m512i values) {
  return _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(values, _mm512_set1_epi8('.' ^ '0')));
}

inline __m512i first_bit(__m512i points) {
  return _mm512_and_si512(points, _mm512_set1_epi8(1));
}

// `moved` up to the point and with it, `values` above.
inline __m512i without_point(__m512i values, __m512i moved, __m512i points, __m512i first_bits) {
  constexpr int kSelect = 0xCA;
  const __m512i through =
      _mm512_or_si512(points, _mm512_add_epi64(first_bits, _mm512_set1_epi64(-1)));
  return _mm512_ternarylogic_epi64(through, moved, values, kSelect);
}

inline __mmask8 is_several(__m512i first_bits) {
  return _mm512_test_epi64_mask(first_bits, _mm512_add_epi64(first_bits, _mm512_set1_epi64(-1)));
}

// What the digits in a field's last eight bytes and the eight before them stand for.
template <bool has_head>
inline __m512i whole_number(__m512i head, __m512i tail) {
  const __m512i tens = _mm512_set1_epi16(0x010A);
  const __m512i hundreds = _mm512_set1_epi32(0x00010064);
  if (!has_head) {
    const __m512i quads = _mm512_madd_epi16(_mm512_maddubs_epi16(tail, tens), hundreds);
    const __m512i shifted = _mm512_madd_epi16(quads, _mm512_set1_epi64(0x0000000100002710));
    return _mm512_and_si512(_mm512_add_epi64(shifted, _mm512_srli_epi64(shifted, 32)),
                            _mm512_set1_epi64(0xFFFFFFFF));
  }
  const __m512i even = _mm512_unpacklo_epi64(head, tail);
  const __m512i odd = _mm512_unpackhi_epi64(head, tail);
  const __m512i quads = _mm512_packus_epi32(
      _mm512_madd_epi16(_mm512_maddubs_epi16(even, tens), hundreds),
      _mm512_madd_epi16(_mm512_maddubs_epi16(odd, tens), hundreds));
  const __m512i octets = _mm512_madd_epi16(quads, _mm512_set1_epi32(0x00012710));
  return _mm512_add_epi64(_mm512_mul_epu32(octets, _mm512_set1_epi64(100000000)),
                          _mm512_srli_epi64(octets, 32));
}

// whole / 10^power as the nearest double, for whole up to 2^53 and power up to 15.
//
// After P. Markstein, "IA-64 and elementary functions" (2000), 8.2: with y the double nearest to
// 1 / p and q that to whole y, the remainder r = whole - q p is exact, because p has at most 35
// bits that count, and q + r y is off the quotient by less than 2^-52 of q's last place before it
// is rounded. No quotient of such numbers is nearer than 2^-37 to the middle of two doubles.
inline __m512d divide_short(__m512i whole, __m512i power) {
  const __m512d divisors = _mm512_permutex2var_pd(_mm512_load_pd(kPowers), power,
                                                  _mm512_load_pd(kPowers + 8));
  const __m512d inverses = _mm512_permutex2var_pd(_mm512_load_pd(kInverses), power,
                                                  _mm512_load_pd(kInverses + 8));
  const __m512d number = _mm512_cvtepi64_pd(whole);
  const __m512d quotient = _mm512_mul_pd(number, inverses);
  const __m512d rest = _mm512_fnmadd_pd(quotient, divisors, number);
  return _mm512_fmadd_pd(rest, inverses, quotient);
}

// Reads fields of up to 8 bytes, or 16 with a head: a minus, digits with a value up to 2^53, a
// point among them. Eight bytes of each field are in one lane, the last the highest.
template <bool has_head>
inline Attempt read_short(const uint8_t *window, Spans spans, __mmask8 wanted) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i word = _mm512_set1_epi64(64);
  __m512i tail = _mm512_mask_i64gather_epi64(zero, wanted, spans.stops, window - 8, 1);
  __m512i head = zero;
  if (has_head) head = _mm512_mask_i64gather_epi64(zero, wanted, spans.stops, window - 16, 1);

  // How many bits before the field are in its tail; that there are more in its head shows below 0,
  // where a shift to the right gives 0 because the count is taken as very large.
  __m512i gap = _mm512_sub_epi64(word, _mm512_slli_epi64(spans.lengths, 3));
  __m512i first = _mm512_srlv_epi64(tail, gap);
  if (has_head) {
    first = _mm512_or_si512(first, _mm512_srlv_epi64(head, _mm512_add_epi64(gap, word)));
  }
  const __mmask8 is_negative = _mm512_testn_epi64_mask(
      _mm512_xor_si512(first, _mm512_set1_epi64('-')), _mm512_set1_epi64(0xFF));
  gap = _mm512_mask_add_epi64(gap, is_negative, gap, _mm512_set1_epi64(8));

  const __m512i in_tail = inside(gap);
  tail = values(tail, in_tail);
  __m512i other = others(tail);
  if (has_head) {
    head = values(head, inside(_mm512_add_epi64(gap, word)));
    other = _mm512_or_si512(other, others(head));
  }
  __mmask8 is_number = wanted & _mm512_test_epi64_mask(in_tail, in_tail);
  const __mmask8 has_others = _mm512_test_epi64_mask(other, other);
  __m512i power = zero;
  if (has_others != 0) {
    const __m512i tail_points = points(tail);
    const __m512i tail_bits = first_bit(tail_points);
    const __mmask8 in_tail_bits = _mm512_test_epi64_mask(tail_bits, tail_bits);
    is_number &= _mm512_test_epi64_mask(_mm512_andnot_si512(tail_points, in_tail),
                                        _mm512_set1_epi64(-1));
    is_number &= static_cast<__mmask8>(~is_several(tail_bits));
    __m512i places = _mm512_lzcnt_epi64(tail_bits);
    if (has_head) {
      const __m512i head_points = points(head);
      const __m512i head_bits = first_bit(head_points);
      const __mmask8 in_head_bits = _mm512_test_epi64_mask(head_bits, head_bits);
      is_number &= static_cast<__mmask8>(~(is_several(head_bits) | (in_tail_bits & in_head_bits)));
      const __m512i wrong = _mm512_or_si512(_mm512_andnot_si512(tail_points, others(tail)),
                                            _mm512_andnot_si512(head_points, others(head)));
      is_number &= _mm512_testn_epi64_mask(wrong, wrong);
      const __m512i moved_tail = _mm512_shldi_epi64(tail, head, 8);
      const __m512i moved_head = _mm512_slli_epi64(head, 8);
      tail = _mm512_mask_mov_epi64(tail, in_tail_bits,
                                   without_point(tail, moved_tail, tail_points, tail_bits));
      head = _mm512_mask_mov_epi64(head, in_head_bits,
                                   without_point(head, moved_head, head_points, head_bits));
      head = _mm512_mask_mov_epi64(head, in_tail_bits, moved_head);
      places = _mm512_mask_add_epi64(places, static_cast<__mmask8>(~in_tail_bits),
                                     _mm512_lzcnt_epi64(head_bits), word);
    } else {
      const __m512i wrong = _mm512_andnot_si512(tail_points, other);
      is_number &= _mm512_testn_epi64_mask(wrong, wrong);
      tail = _mm512_mask_mov_epi64(
          tail, in_tail_bits,
          without_point(tail, _mm512_slli_epi64(tail, 8), tail_points, tail_bits));
      places = _mm512_maskz_mov_epi64(in_tail_bits, places);
    }
    // Eight bits a place: 0 where the point is last, 128 (of which the power does not see the 16)
    // where there is none.
    power = _mm512_srli_epi64(places, 3);
  }
  const __m512i whole = whole_number<has_head>(head, tail);
  if (has_head) {
    is_number &= _mm512_cmple_epu64_mask(whole, _mm512_set1_epi64(int64_t{1} << 53));
  }
  const __m512d result =
      has_others == 0 ? _mm512_cvtepi64_pd(whole) : divide_short(whole, power);
  return {negate(result, is_negative), is_number};
}

}  // namespace

uint64_t read_avx512(const Tile &tile, const Rows &rows, uint32_t column, double *output) {
  const bool checks_words_first = tile.nulls->has_numbers != 0;
  const bool is_empty_null = (tile.nulls->length_mask & 1) != 0;
  const __m512d none = _mm512_set1_pd(std::numeric_limits<double>::quiet_NaN());
  uint64_t failures = 0;
  for (uint32_t i = 0; i < rows.count; i += 8) {
    const uint32_t left = rows.count - i;
    const __mmask8 there = left < 8 ? static_cast<__mmask8>((1u << left) - 1) : 0xFF;
    const __mmask8 readable = static_cast<__mmask8>(rows.readable >> i) & there;
    const __m256i indices = _mm256_add_epi32(
        _mm256_maskz_loadu_epi32(there, rows.first_fields + i),
        _mm256_set1_epi32(static_cast<int>(column)));
    const __m512i fields = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), readable, indices,
                                                       tile.fields, 8);
    const __m512i lengths =
        _mm512_and_si512(_mm512_srli_epi64(fields, 32), _mm512_set1_epi64(NS_CSV_LENGTH_MASK));
    const __m512i starts = _mm512_and_si512(fields, _mm512_set1_epi64(0xFFFFFFFF));
    const Spans spans = {_mm512_add_epi64(starts, lengths), lengths};
    const __mmask8 is_empty = _mm512_testn_epi64_mask(lengths, lengths);
    const __mmask8 is_there = readable & static_cast<__mmask8>(~is_empty) &
                              _mm512_cmpge_epu64_mask(spans.stops, _mm512_set1_epi64(16));
    const __mmask8 is_wide = is_there & _mm512_cmpgt_epu64_mask(lengths, _mm512_set1_epi64(8));
    const __mmask8 is_long = is_wide & _mm512_cmpgt_epu64_mask(lengths, _mm512_set1_epi64(16));
    Attempt attempt = {none, 0};
    if (is_wide == 0) {
      attempt = read_short<false>(tile.window, spans, is_there);
    } else if (is_long == 0) {
      attempt = read_short<true>(tile.window, spans, is_there);
    }
    __mmask8 is_done = attempt.is_read | static_cast<__mmask8>(~readable);
    if (is_empty_null) is_done |= is_empty;
    __m512d values = _mm512_mask_mov_pd(none, attempt.is_read, attempt.values);
    if (is_done != 0xFF && !checks_words_first) {
      attempt = read_long(tile.window, spans, static_cast<__mmask8>(~is_done));
      values = _mm512_mask_mov_pd(values, attempt.is_read, attempt.values);
      is_done |= attempt.is_read;
    }
    _mm512_mask_storeu_pd(output + i, there, values);
    if (checks_words_first) is_done = static_cast<__mmask8>(~readable);
    for (uint32_t rest = static_cast<uint8_t>(~is_done); rest != 0; rest &= rest - 1) {
      const uint32_t row = i + static_cast<uint32_t>(__builtin_ctz(rest));
      const ns_csv_field field = tile.fields[rows.first_fields[row] + column];
      if (!read_any(tile, field, output + row)) failures |= uint64_t{1} << row;
    }
  }
  return failures;
}

}  // namespace ns_csv_numbers
#pragma clang attribute pop
#endif
