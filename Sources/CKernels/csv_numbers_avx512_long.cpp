// Eight fields at once: each in 32 bytes of two registers, its last byte in the highest place.

#if defined(__x86_64__)

#include "csv_numbers_avx512.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push( \
    __attribute__((target( \
        "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,fma,bmi,bmi2"))), \
    apply_to = function)

namespace ns_csv_numbers {
namespace {

constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int64_t kLargestPower = 22;
// Sixteen bytes of each of eight fields: four in each register.
struct Bytes {
  __m512i lower, upper;
};

// The same bits of eight fields, sixteen or 32 for each.
struct Masks {
  __mmask64 lower, upper;
};

// Sixteen bytes from each of eight addresses.
inline Bytes load(const uint8_t *window, __m512i offsets) {
  alignas(64) uint64_t at[8];
  _mm512_store_si512(at, offsets);
  auto text = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(window + at[i]));
  };
  auto four = [&](int i) __attribute__((always_inline)) {
    __m512i bytes = _mm512_castsi128_si512(text(i));
    bytes = _mm512_mask_broadcast_i32x4(bytes, 0x00F0, text(i + 1));
    bytes = _mm512_mask_broadcast_i32x4(bytes, 0x0F00, text(i + 2));
    return _mm512_mask_broadcast_i32x4(bytes, 0xF000, text(i + 3));
  };
  return {four(0), four(4)};
}

inline Masks spread(__m128i words) {
  return {_cvtu64_mask64(static_cast<uint64_t>(_mm_cvtsi128_si64(words))),
          _cvtu64_mask64(static_cast<uint64_t>(_mm_extract_epi64(words, 1)))};
}

inline __m128i gather(Masks masks) {
  return _mm_set_epi64x(static_cast<int64_t>(_cvtmask64_u64(masks.upper)),
                        static_cast<int64_t>(_cvtmask64_u64(masks.lower)));
}

inline Masks equal(Bytes bytes, char value) {
  const __m512i wanted = _mm512_set1_epi8(value);
  return {_mm512_cmpeq_epi8_mask(bytes.lower, wanted), _mm512_cmpeq_epi8_mask(bytes.upper, wanted)};
}

// The values of the bytes as digits, 0 where they are not wanted.
inline Bytes digits(Bytes text, Masks wanted) {
  const __m512i zero = _mm512_set1_epi8('0');
  return {_mm512_maskz_sub_epi8(wanted.lower, text.lower, zero),
          _mm512_maskz_sub_epi8(wanted.upper, text.upper, zero)};
}

inline Masks digit_places(Bytes values) {
  const __m512i ten = _mm512_set1_epi8(10);
  return {_mm512_cmplt_epu8_mask(values.lower, ten), _mm512_cmplt_epu8_mask(values.upper, ten)};
}

inline Bytes keep(Masks places, Bytes values) {
  return {_mm512_maskz_mov_epi8(places.lower, values.lower),
          _mm512_maskz_mov_epi8(places.upper, values.upper)};
}

// Moves the bytes at `places` one place up; what comes in at the lowest is `before`'s highest.
inline Bytes move_up(Masks places, Bytes values, Bytes before) {
  return {_mm512_mask_alignr_epi8(values.lower, places.lower, values.lower, before.lower, 15),
          _mm512_mask_alignr_epi8(values.upper, places.upper, values.upper, before.upper, 15)};
}

// What sixteen digits stand for, in the fields' order.
inline __m512i number(Bytes digits) {
  const __m512i tens = _mm512_set1_epi16(0x010A);
  const __m512i hundreds = _mm512_set1_epi32(0x00010064);
  const __m512i myriads = _mm512_set1_epi32(0x00012710);
  const __m512i quads = _mm512_packus_epi32(
      _mm512_madd_epi16(_mm512_maddubs_epi16(digits.lower, tens), hundreds),
      _mm512_madd_epi16(_mm512_maddubs_epi16(digits.upper, tens), hundreds));
  const __m512i octets = _mm512_madd_epi16(quads, myriads);
  const __m512i all = _mm512_add_epi64(_mm512_mul_epu32(octets, _mm512_set1_epi64(100000000)),
                                       _mm512_srli_epi64(octets, 32));
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), all);
}

// The exponent of fields that end in e±dd, and where what comes before it ends.
struct Exponents {
  __mmask8 has_one;
  __m512i values, stops;
};

inline Exponents read_exponents(const uint8_t *window, Spans spans, __mmask8 wanted) {
  const __m512i four = _mm512_set1_epi64(4);
  const __mmask8 is_long = wanted & _mm512_cmpgt_epu64_mask(spans.lengths, four);
  const __m512i ends = _mm512_and_si512(
      _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), is_long,
                                  _mm512_sub_epi64(spans.stops, four), window, 1),
      _mm512_set1_epi64(0xFFFFFFFF));
  const __m512i sign = _mm512_and_si512(ends, _mm512_set1_epi64(0xFF00));
  const __m512i tens = _mm512_sub_epi64(
      _mm512_and_si512(_mm512_srli_epi64(ends, 16), _mm512_set1_epi64(0xFF)),
      _mm512_set1_epi64('0'));
  const __m512i ones =
      _mm512_sub_epi64(_mm512_srli_epi64(ends, 24), _mm512_set1_epi64('0'));
  const __m512i ten = _mm512_set1_epi64(10);
  const __mmask8 is_negative = _mm512_cmpeq_epi64_mask(sign, _mm512_set1_epi64('-' << 8));
  const __mmask8 has_sign =
      is_negative | _mm512_cmpeq_epi64_mask(sign, _mm512_set1_epi64('+' << 8));
  const __m512i letter =
      _mm512_and_si512(_mm512_or_si512(ends, _mm512_set1_epi64(0x20)), _mm512_set1_epi64(0xFF));
  const __mmask8 has_one = has_sign & _mm512_cmpeq_epi64_mask(letter, _mm512_set1_epi64('e')) &
                           _mm512_cmplt_epu64_mask(tens, ten) & _mm512_cmplt_epu64_mask(ones, ten);
  const __m512i power = _mm512_add_epi64(_mm512_mul_epu32(tens, ten), ones);
  const __m512i zero = _mm512_setzero_si512();
  const __m512i signed_power = _mm512_mask_sub_epi64(power, is_negative, zero, power);
  return {has_one, _mm512_maskz_mov_epi64(has_one, signed_power),
          _mm512_mask_sub_epi64(spans.stops, has_one, spans.stops, four)};
}

// whole / 10^power as the nearest double, or "not read" where that takes more to tell.
//
// With h the double nearest to whole and q that nearest to h / p, the remainder r = h - q p is a
// double (a fused multiply-add gives it), and the quotient is q + t with t = (r + whole - h) / p.
// t is known to a relative 2^-51; where q + t rounds to the same double at both ends of what t can
// be, that is the nearest.
inline Attempt divide(__m512i whole, __m512i power) {
  const __m512d divisors = _mm512_i64gather_pd(power, kPowers, 8);
  const __m512d high = _mm512_cvtepu64_pd(whole);
  const __m512d low = _mm512_cvtepi64_pd(_mm512_sub_epi64(whole, _mm512_cvttpd_epu64(high)));
  const __m512d quotient = _mm512_div_pd(high, divisors);
  const __m512d rest = _mm512_add_pd(_mm512_fnmadd_pd(quotient, divisors, high), low);
  const __m512d more = _mm512_div_pd(rest, divisors);
  const __m512d doubt = _mm512_mul_pd(more, _mm512_set1_pd(0x1p-50));
  const __m512d least = _mm512_add_pd(quotient, _mm512_sub_pd(more, doubt));
  const __m512d most = _mm512_add_pd(quotient, _mm512_add_pd(more, doubt));
  return {least, _mm512_cmp_pd_mask(least, most, _CMP_EQ_OQ)};
}

}  // namespace

Attempt read_long(const uint8_t *window, Spans spans, __mmask8 wanted) {
  const Exponents exponents = read_exponents(window, spans, wanted);
  const __m512i lengths = _mm512_sub_epi64(
      spans.lengths, _mm512_sub_epi64(spans.stops, exponents.stops));
  const __m512i wide = _mm512_set1_epi64(32);
  const __mmask8 is_short =
      _mm512_cmple_epu64_mask(_mm512_sub_epi64(lengths, _mm512_set1_epi64(1)),
                              _mm512_set1_epi64(31)) &
      _mm512_cmpge_epu64_mask(exponents.stops, wide);
  const __m512i starts = _mm512_sub_epi64(_mm512_max_epu64(exponents.stops, wide), wide);
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i first =
      _mm256_sllv_epi32(one, _mm512_cvtepi64_epi32(_mm512_sub_epi64(wide, lengths)));
  const __m256i nothing = _mm256_setzero_si256();
  const __m256i inside = _mm256_sub_epi32(nothing, first);
  auto lower = [](__m256i masks) __attribute__((always_inline)) {
    return spread(_mm256_cvtepi32_epi16(masks));
  };
  auto upper = [](__m256i masks) __attribute__((always_inline)) {
    return spread(_mm256_cvtepi32_epi16(_mm256_srli_epi32(masks, 16)));
  };
  auto join = [](Masks lower, Masks upper) __attribute__((always_inline)) {
    return _mm256_or_si256(_mm256_cvtepu16_epi32(gather(lower)),
                           _mm256_slli_epi32(_mm256_cvtepu16_epi32(gather(upper)), 16));
  };
  const Bytes head = digits(load(window, starts), lower(inside));
  const Bytes tail = digits(load(window, _mm512_add_epi64(starts, _mm512_set1_epi64(16))),
                            upper(inside));
  const Masks head_digits = digit_places(head);
  const Masks tail_digits = digit_places(tail);
  const __m256i points = join(equal(head, '.' - '0'), equal(tail, '.' - '0'));
  const __m256i minuses =
      _mm256_and_si256(join(equal(head, '-' - '0'), equal(tail, '-' - '0')), first);
  const __m256i others = _mm256_xor_si256(join(head_digits, tail_digits), _mm256_set1_epi32(-1));
  const __m256i below = _mm256_add_epi32(points, _mm256_set1_epi32(-1));
  const __mmask8 is_number =
      _mm256_cmpeq_epi32_mask(others, _mm256_or_si256(points, minuses)) &
      _mm256_cmpeq_epi32_mask(_mm256_and_si256(points, below), nothing) &
      _mm256_cmpneq_epi32_mask(inside, others);
  const __mmask8 has_point = _mm256_cmpneq_epi32_mask(points, nothing);
  const __m256i through = _mm256_maskz_xor_epi32(has_point, points, below);
  const Bytes kept_head = keep(head_digits, head);
  const Bytes none = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  const __m512i low = number(move_up(upper(through), keep(tail_digits, tail), kept_head));
  const __m512i high = number(move_up(lower(through), kept_head, none));
  // Twice by 10^8, because 10^16 is more than one multiplication takes.
  const __m512i shifted = _mm512_mul_epu32(high, _mm512_set1_epi64(100000000));
  const __m512i whole = _mm512_add_epi64(
      _mm512_add_epi64(
          _mm512_mul_epu32(shifted, _mm512_set1_epi64(100000000)),
          _mm512_slli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(shifted, 32),
                                             _mm512_set1_epi64(100000000)), 32)),
      low);
  const __m512i fraction = _mm512_maskz_mov_epi64(
      has_point, _mm512_cvtepu32_epi64(_mm256_lzcnt_epi32(points)));
  const __m512i power = _mm512_sub_epi64(fraction, exponents.values);
  const __mmask8 is_exact =
      _mm512_cmple_epu64_mask(high, _mm512_set1_epi64(999)) &
      _mm512_cmple_epu64_mask(power, _mm512_set1_epi64(kLargestPower));
  const __mmask8 is_known = wanted & is_short & is_number & is_exact;
  const Attempt result = divide(whole, _mm512_maskz_mov_epi64(is_known, power));
  return {negate(result.values, _mm256_cmpneq_epi32_mask(minuses, nothing)),
          static_cast<__mmask8>(is_known & result.is_read)};
}

}  // namespace ns_csv_numbers
#pragma clang attribute pop
#endif
