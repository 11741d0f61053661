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

inline __mmask64 others(__m512i values) {
  return _mm512_cmpgt_epu8_mask(values, _mm512_set1_epi8(9));
}

inline __mmask64 points(__m512i values) {
  return _mm512_cmpeq_epi8_mask(values, _mm512_set1_epi8('.' ^ '0'));
}

// The lanes in which a byte is marked.
inline __mmask8 lanes(__mmask64 bytes) {
  const __m512i marks = _mm512_movm_epi8(bytes);
  return _mm512_test_epi64_mask(marks, marks);
}

inline __m512i first_bit(__m512i points) {
  return _mm512_and_si512(points, _mm512_set1_epi8(1));
}

// `moved` up to the point and with it, `values` above.
inline __m512i without_point(__m512i values, __m512i moved, __m512i points, __m512i below) {
  constexpr int kSelect = 0xCA;
  const __m512i through = _mm512_or_si512(points, below);
  return _mm512_ternarylogic_epi64(through, moved, values, kSelect);
}

// All bits below the lowest of `first_bits`.
inline __m512i below(__m512i first_bits) {
  __m512i bits = _mm512_add_epi64(first_bits, _mm512_set1_epi64(-1));
  // Or the compiler counts bits below, which without an instruction for it takes ten.
  __asm__("" : "+v"(bits));
  return bits;
}

inline __mmask8 is_several(__m512i first_bits, __m512i below) {
  return _mm512_test_epi64_mask(first_bits, below);
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

// Eight fields and their text.
struct Group {
  Spans spans;
  __m512i tail, head;  // the last eight bytes, and the eight before them where there is a wide one
  __mmask8 readable;
  __mmask8 is_there;  // has text, with sixteen bytes of the window up to its end
  __mmask8 is_wide;   // more than 8 bytes
  __mmask8 is_long;   // more than 16
};

inline Group load(const Tile &tile, const Rows &rows, uint32_t column, uint32_t i) {
  const __m512i zero = _mm512_setzero_si512();
  const uint32_t left = rows.count - i;
  const __mmask8 there = left < 8 ? static_cast<__mmask8>((1u << left) - 1) : 0xFF;
  Group group;
  group.readable = static_cast<__mmask8>(rows.readable >> i) & there;
  const __m256i indices = _mm256_add_epi32(_mm256_maskz_loadu_epi32(there, rows.first_fields + i),
                                           _mm256_set1_epi32(static_cast<int>(column)));
  const __m512i fields =
      _mm512_mask_i32gather_epi64(zero, group.readable, indices, tile.fields, 8);
  const __m512i lengths =
      _mm512_and_si512(_mm512_srli_epi64(fields, 32), _mm512_set1_epi64(NS_CSV_LENGTH_MASK));
  const __m512i starts = _mm512_and_si512(fields, _mm512_set1_epi64(0xFFFFFFFF));
  const __m512i stops = _mm512_add_epi64(starts, lengths);
  group.spans = {stops, lengths};
  group.is_there = group.readable & _mm512_test_epi64_mask(lengths, lengths) &
                   _mm512_cmpge_epu64_mask(stops, _mm512_set1_epi64(16));
  group.is_wide = group.is_there & _mm512_cmpgt_epu64_mask(lengths, _mm512_set1_epi64(8));
  group.is_long = group.is_wide & _mm512_cmpgt_epu64_mask(lengths, _mm512_set1_epi64(16));
  group.tail = _mm512_mask_i64gather_epi64(zero, group.is_there, stops, tile.window - 8, 1);
  group.head = zero;
  if (group.is_wide != 0) {
    group.head = _mm512_mask_i64gather_epi64(zero, group.is_there, stops, tile.window - 16, 1);
  }
  return group;
}

// The bytes of eight fields as values, 0 outside of them. Eight bytes of each field are in one
// lane, the last the highest.
struct Digits {
  __m512i head, tail;
  __m512i in_tail;  // ones where the tail has digits, and points until they are taken out
  __mmask64 head_points, tail_points;
  __mmask8 is_number;  // but for points that are too many, fields of none but a point
  __mmask8 is_negative;
};

// Takes the signs off and finds the points.
template <bool has_head>
inline Digits find_digits(const Group &group) {
  const __m512i word = _mm512_set1_epi64(64);
  // How many bits before the field are in its tail; below 0 there are more in its head.
  __m512i gap = _mm512_sub_epi64(word, _mm512_slli_epi64(group.spans.lengths, 3));
  Digits digits = {};
  digits.is_number = group.is_there;
  digits.in_tail = inside(gap);
  digits.tail = values(group.tail, digits.in_tail);
  digits.tail_points = points(digits.tail);
  __mmask64 tail_wrong = _kandn_mask64(digits.tail_points, others(digits.tail));
  __mmask64 head_wrong = 0;
  if (has_head) {
    digits.head = values(group.head, inside(_mm512_add_epi64(gap, word)));
    digits.head_points = points(digits.head);
    head_wrong = _kandn_mask64(digits.head_points, others(digits.head));
  }
  if (_kortestz_mask64_u8(tail_wrong, head_wrong)) return digits;

  // A shift to the right by less than 0 gives 0, because the count is taken as very large.
  __m512i first = _mm512_srlv_epi64(group.tail, gap);
  if (has_head) {
    first = _mm512_or_si512(first, _mm512_srlv_epi64(group.head, _mm512_add_epi64(gap, word)));
  }
  digits.is_negative = _mm512_testn_epi64_mask(_mm512_xor_si512(first, _mm512_set1_epi64('-')),
                                               _mm512_set1_epi64(0xFF));
  gap = _mm512_mask_add_epi64(gap, digits.is_negative, gap, _mm512_set1_epi64(8));
  digits.in_tail = inside(gap);
  digits.tail = _mm512_and_si512(digits.tail, digits.in_tail);
  tail_wrong = _kandn_mask64(digits.tail_points, others(digits.tail));
  if (has_head) {
    digits.head = _mm512_and_si512(digits.head, inside(_mm512_add_epi64(gap, word)));
    head_wrong = _kandn_mask64(digits.head_points, others(digits.head));
  }
  if (!_kortestz_mask64_u8(tail_wrong, head_wrong)) {
    digits.is_number &= static_cast<__mmask8>(~(lanes(tail_wrong) | lanes(head_wrong)));
  }
  return digits;
}

// Takes the points out. Answers how many digits come after each.
template <bool has_head>
inline __m512i take_points(Digits *digits) {
  const __m512i tail_ones = _mm512_movm_epi8(digits->tail_points);
  const __m512i tail_bits = first_bit(tail_ones);
  const __m512i below_tail = below(tail_bits);
  const __mmask8 in_tail = _mm512_test_epi64_mask(tail_bits, tail_bits);
  digits->in_tail = _mm512_andnot_si512(tail_ones, digits->in_tail);
  __mmask8 is_twice = is_several(tail_bits, below_tail);
  __m512i places = _mm512_lzcnt_epi64(tail_bits);
  const __m512i tail = digits->tail;
  __m512i moved = _mm512_slli_epi64(tail, 8);
  if (has_head) {
    const __m512i head = digits->head;
    const __m512i head_ones = _mm512_movm_epi8(digits->head_points);
    const __m512i head_bits = first_bit(head_ones);
    const __m512i below_head = below(head_bits);
    const __mmask8 in_head = _mm512_test_epi64_mask(head_bits, head_bits);
    is_twice |= is_several(head_bits, below_head) | (in_tail & in_head);
    moved = _mm512_shldi_epi64(tail, head, 8);
    const __m512i moved_head = _mm512_slli_epi64(head, 8);
    digits->head = _mm512_mask_mov_epi64(
        head, in_head, without_point(head, moved_head, head_ones, below_head));
    digits->head = _mm512_mask_mov_epi64(digits->head, in_tail, moved_head);
    places = _mm512_mask_add_epi64(places, static_cast<__mmask8>(~in_tail),
                                   _mm512_lzcnt_epi64(head_bits), _mm512_set1_epi64(64));
  } else {
    places = _mm512_maskz_mov_epi64(in_tail, places);
  }
  digits->tail =
      _mm512_mask_mov_epi64(tail, in_tail, without_point(tail, moved, tail_ones, below_tail));
  digits->is_number &= static_cast<__mmask8>(~is_twice);
  // Eight bits a place: 0 where the point is last; without one 0, or 128, a power whose four
  // lowest bits are 0.
  return _mm512_srli_epi64(places, 3);
}

// Reads fields of up to 8 bytes, or 16 with a head: a minus, digits with a value up to 2^53, a
// point among them.
template <bool has_head>
inline Attempt read_short(const Group &group) {
  Digits digits = find_digits<has_head>(group);
  const bool has_points = !_kortestz_mask64_u8(digits.tail_points, digits.head_points);
  __m512i power = _mm512_setzero_si512();
  if (has_points) power = take_points<has_head>(&digits);
  // Where there is a head the tail has digits.
  __mmask8 is_number = digits.is_number & _mm512_test_epi64_mask(digits.in_tail, digits.in_tail);
  const __m512i whole = whole_number<has_head>(digits.head, digits.tail);
  if (has_head) {
    is_number &= _mm512_cmple_epu64_mask(whole, _mm512_set1_epi64(int64_t{1} << 53));
  }
  const __m512d result = has_points ? divide_short(whole, power) : _mm512_cvtepi64_pd(whole);
  return {negate(result, digits.is_negative), is_number};
}

}  // namespace

uint64_t read_avx512(const Tile &tile, const Rows &rows, uint32_t column, double *output) {
  const bool checks_words_first = tile.nulls->has_numbers != 0;
  const bool is_empty_null = (tile.nulls->length_mask & 1) != 0;
  const __m512d none = _mm512_set1_pd(std::numeric_limits<double>::quiet_NaN());
  uint64_t failures = 0;
  // All loads before all arithmetic: what waits for memory is then so short that it overlaps.
  Group groups[8];
  for (uint32_t i = 0; i < rows.count; i += 8) groups[i / 8] = load(tile, rows, column, i);
  for (uint32_t i = 0; i < rows.count; i += 8) {
    const Group &group = groups[i / 8];
    const uint32_t left = rows.count - i;
    const __mmask8 there = left < 8 ? static_cast<__mmask8>((1u << left) - 1) : 0xFF;
    const __mmask8 readable = group.readable;
    Attempt attempt = {none, 0};
    if (group.is_wide == 0) {
      attempt = read_short<false>(group);
    } else if (group.is_long == 0) {
      attempt = read_short<true>(group);
    }
    __mmask8 is_done = attempt.is_read | static_cast<__mmask8>(~readable);
    if (is_empty_null) {
      is_done |= _mm512_testn_epi64_mask(group.spans.lengths, group.spans.lengths);
    }
    __m512d values = _mm512_mask_mov_pd(none, attempt.is_read, attempt.values);
    if (is_done != 0xFF && !checks_words_first) {
      attempt = read_long(tile.window, group.spans, static_cast<__mmask8>(~is_done));
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
