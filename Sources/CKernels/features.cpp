#include "ns_features.h"

#include <cmath>
#include <cstring>
#include <limits>

#pragma STDC FP_CONTRACT OFF

// One source for all instruction sets: vectors of eight doubles, which the compiler cuts into what
// the target has. All operations are IEEE's, so that each variant gives the same bits.

// No vector is ever passed by a call: all of it is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#define NS_INLINE static inline __attribute__((always_inline))

namespace {

typedef double Doubles __attribute__((vector_size(64)));
typedef int64_t Words __attribute__((vector_size(64)));

constexpr size_t lane_count = 8;
constexpr size_t group_count = 4;  // vectors that go through a chain together
constexpr size_t group_size = lane_count * group_count;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// ln 2 in two parts, the first with zeros at its end, so that its product with an exponent is exact.
constexpr double ln2_high = 0x1.62e42fefa0000p-1;
constexpr double ln2_low = 0x1.cf79abc9e3b3ap-40;

NS_INLINE Doubles splat(double value) { return Doubles{} + value; }
NS_INLINE Doubles choose(Words mask, Doubles yes, Doubles no) { return mask ? yes : no; }
NS_INLINE Words bits(Doubles value) { return (Words)value; }
NS_INLINE Doubles magnitude(Doubles x) { return (Doubles)(bits(x) & INT64_MAX); }

/// Whole numbers of a small size as doubles: their bits are put at the end of 1.5 * 2^52.
NS_INLINE Doubles whole(Words number) {
  const double shift = 0x1.8p52;
  return (Doubles)(number + bits(splat(shift))) - shift;
}

/// ln(u) + correction for positive normal u, where the correction is small against u.
///
/// u = 2^k * (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); ln(1 + f) = 2 artanh(s) with
/// s = f / (2 + f), by its Taylor series up to s^21, whose rest is below 2^-59 of the first term.
NS_INLINE Doubles log_of_normal(Doubles u, Doubles correction) {
  const int64_t half_root = 0x3fe6a09e667f3bcd;  // sqrt(1/2)
  const Words shifted = bits(u) - half_root;
  const Words exponent = shifted >> 52;
  const Doubles f = (Doubles)(bits(u) - (exponent << 52)) - 1.0;
  const Doubles k = whole(exponent);
  const Doubles s = f / (2.0 + f);
  const Doubles z = s * s;
  Doubles series = splat(2.0 / 21);
  series = series * z + 2.0 / 19;
  series = series * z + 2.0 / 17;
  series = series * z + 2.0 / 15;
  series = series * z + 2.0 / 13;
  series = series * z + 2.0 / 11;
  series = series * z + 2.0 / 9;
  series = series * z + 2.0 / 7;
  series = series * z + 2.0 / 5;
  series = series * z + 2.0 / 3;
  // 2s = f - s f, and s f = f^2 / 2 - s f^2 / 2: the large part f stays exact.
  const Doubles half_square = 0.5 * f * f;
  const Doubles rest = s * (half_square + z * series);
  return k * ln2_high + (f - (half_square - (rest + (k * ln2_low + correction))));
}

NS_INLINE Doubles natural_log(Doubles x) {
  const Words is_small = x < std::numeric_limits<double>::min();
  const Doubles scaled = choose(is_small, x * 0x1p54, x);
  Doubles result = log_of_normal(scaled, Doubles{});
  result = choose(is_small, result - (54 * ln2_high + 54 * ln2_low), result);
  result = choose(x == infinity, x, result);
  result = choose(x == 0.0, splat(-infinity), result);
  return choose(x >= 0.0, result, splat(not_a_number));
}

/// ln(1 + x): what rounding 1 + x to u lost is put back as a first-order correction.
NS_INLINE Doubles natural_log1p(Doubles x) {
  const Doubles u = 1.0 + x;
  const Doubles lost = choose(u < 2.0, x - (u - 1.0), 1.0 - (u - x));
  Doubles result = log_of_normal(u, lost / u);
  result = choose(magnitude(x) < 0x1p-54, x, result);
  result = choose(x == infinity, x, result);
  result = choose(x == -1.0, splat(-infinity), result);
  return choose(x >= -1.0, result, splat(not_a_number));
}

/// Half of a power of two, and the rest: 2^k in two factors, none of which overflows.
NS_INLINE Doubles scale(Doubles value, Words k) {
  const Words half = k >> 1;
  const Doubles first = (Doubles)((half + 1023) << 52);
  const Doubles second = (Doubles)((k - half + 1023) << 52);
  return value * first * second;
}

/// y = k ln 2 + r with |r| <= ln 2 / 2; gives e^r - 1 by its Taylor series up to r^14.
NS_INLINE Doubles exponential_rest(Doubles y, Words *k) {
  const double shift = 0x1.8p52;
  const Doubles shifted = y * 0x1.71547652b82fep0 + shift;
  *k = bits(shifted) - bits(splat(shift));
  const Doubles multiple = shifted - shift;
  const Doubles r = (y - multiple * ln2_high) - multiple * ln2_low;
  Doubles series = splat(1.0 / 87178291200);
  series = series * r + 1.0 / 6227020800;
  series = series * r + 1.0 / 479001600;
  series = series * r + 1.0 / 39916800;
  series = series * r + 1.0 / 3628800;
  series = series * r + 1.0 / 362880;
  series = series * r + 1.0 / 40320;
  series = series * r + 1.0 / 5040;
  series = series * r + 1.0 / 720;
  series = series * r + 1.0 / 120;
  series = series * r + 1.0 / 24;
  series = series * r + 1.0 / 6;
  series = series * r + 0.5;
  return r + r * r * series;
}

NS_INLINE Doubles clamped(Doubles x, double least, double most) {
  const Doubles above = choose(x < least, splat(least), x);
  return choose(above > most, splat(most), above);
}

NS_INLINE Doubles exponential(Doubles y) {
  Words k;
  const Doubles rest = exponential_rest(clamped(y, -760, 720), &k);
  return choose(y == y, scale(1.0 + rest, k), y);
}

/// e^y - 1: 2^k (e^r - 1 + (1 - 2^-k)), which cancels nowhere.
NS_INLINE Doubles exponential_minus_one(Doubles y) {
  Words k;
  const Doubles rest = exponential_rest(clamped(y, -50, 720), &k);
  const Words bounded = k > 60 ? Words{} + 60 : k;
  const Doubles power = (Doubles)((1023 - bounded) << 52);
  const Doubles result = scale(rest + (1.0 - power), k);
  return choose(y == y, result, y);
}

NS_INLINE Doubles yeo_johnson(Doubles x, double lambda) {
  const Words is_negative = x < 0.0;
  const Doubles factor = choose(is_negative, splat(2 - lambda), splat(lambda));
  const Doubles logarithm = natural_log1p(magnitude(x));
  const Doubles curved = exponential_minus_one(factor * logarithm) / factor;
  const Doubles result = choose(factor == 0.0, logarithm, curved);
  return choose(is_negative, -result, result);
}

NS_INLINE Doubles box_cox(Doubles x, double lambda) {
  const Doubles logarithm = natural_log(x);
  if (lambda == 0) return logarithm;
  return exponential_minus_one(lambda * logarithm) / lambda;
}

NS_INLINE Doubles square_root(Doubles x) {
  Doubles result;
  for (size_t lane = 0; lane < lane_count; lane++) result[lane] = __builtin_sqrt(x[lane]);
  return result;
}

NS_INLINE Doubles power(Doubles x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return x * x;
  if (exponent == -1) return 1.0 / x;
  if (exponent == 0) return splat(1);
  if (exponent == 0.5) return square_root(x);
  const Doubles result = exponential(exponent * natural_log(magnitude(x)));
  const double half = exponent / 2;
  if (exponent != __builtin_trunc(exponent)) {
    return choose(x < 0.0, splat(not_a_number), result);
  }
  return half == __builtin_trunc(half) ? result : choose(x < 0.0, -result, result);
}

/// How many edges are at most x, or below it: compared one by one where they are few, else by
/// halving, lane by lane.
NS_INLINE Doubles bucket(Doubles x, const double *table, size_t count, bool is_right) {
  Doubles result{};
  if (count <= 32) {
    Words found{};
    for (size_t edge = 0; edge < count; edge++) {
      found -= is_right ? (Words)(x > table[edge]) : (Words)(x >= table[edge]);
    }
    result = whole(found);
  } else {
    for (size_t lane = 0; lane < lane_count; lane++) {
      const double value = x[lane];
      size_t base = 0;
      for (size_t rest = count; rest > 0;) {
        const size_t half = rest / 2;
        const double edge = table[base + half];
        const bool is_past = is_right ? edge < value : edge <= value;
        base = is_past ? base + half + 1 : base;
        rest = is_past ? rest - half - 1 : half;
      }
      result[lane] = static_cast<double>(base);
    }
  }
  return choose(x == x, result, x);
}

#define NS_EACH(expression)                        \
  for (size_t i = 0; i < group_count; i++) {       \
    const Doubles x = values[i];                   \
    values[i] = (expression);                      \
  }                                                \
  break

NS_INLINE void apply(const ns_feature_step &step, Doubles *values) {
  const double a = step.a, b = step.b;
  switch (step.kind) {
    case ns_feature_fill: NS_EACH(choose(x == x, x, splat(a)));
    case ns_feature_is_missing: NS_EACH(choose(x == x, Doubles{}, splat(1)));
    case ns_feature_standard: NS_EACH((x - a) / b);
    case ns_feature_linear: NS_EACH(x * a + b);
    case ns_feature_clip: NS_EACH(clamped(x, a, b));
    case ns_feature_log: NS_EACH(natural_log(x + a));
    case ns_feature_log1p: NS_EACH(natural_log1p(x));
    case ns_feature_yeo_johnson: NS_EACH(yeo_johnson(x, a));
    case ns_feature_box_cox: NS_EACH(box_cox(x, a));
    case ns_feature_power: NS_EACH(power(x, a));
    case ns_feature_bucket: NS_EACH(bucket(x, step.table, step.table_count, false));
    case ns_feature_bucket_right: NS_EACH(bucket(x, step.table, step.table_count, true));
  }
}

NS_INLINE void apply_all(const double *source, double *target, const ns_feature_step *steps,
                         size_t step_count) {
  Doubles values[group_count];
  std::memcpy(values, source, sizeof values);
  for (size_t step = 0; step < step_count; step++) apply(steps[step], values);
  std::memcpy(target, values, sizeof values);
}

NS_INLINE void chain(const double *source, double *target, size_t count,
                     const ns_feature_step *steps, size_t step_count) {
  size_t row = 0;
  for (; row + group_size <= count; row += group_size) {
    apply_all(source + row, target + row, steps, step_count);
  }
  if (row == count) return;
  double rest[group_size] = {};
  std::memcpy(rest, source + row, (count - row) * sizeof(double));
  apply_all(rest, rest, steps, step_count);
  std::memcpy(target + row, rest, (count - row) * sizeof(double));
}

void chain_portable(const double *source, double *target, size_t count,
                    const ns_feature_step *steps, size_t step_count) {
  chain(source, target, count, steps, step_count);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void chain_avx2(const double *source, double *target, size_t count,
                                                const ns_feature_step *steps, size_t step_count) {
  chain(source, target, count, steps, step_count);
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) void chain_avx512(
    const double *source, double *target, size_t count, const ns_feature_step *steps,
    size_t step_count) {
  chain(source, target, count, steps, step_count);
}
#endif

}  // namespace

extern "C" void ns_feature_chain(const double *source, double *target, size_t count,
                                 const ns_feature_step *steps, size_t step_count, ns_isa isa) {
  if (step_count == 0) {
    if (source != target) std::memmove(target, source, count * sizeof(double));
    return;
  }
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return chain_avx512(source, target, count, steps, step_count);
  if (isa == ns_isa_avx2) return chain_avx2(source, target, count, steps, step_count);
#endif
  chain_portable(source, target, count, steps, step_count);
}

extern "C" size_t ns_feature_rank(const double *table, size_t count, double x) {
  size_t base = 0;
  for (size_t rest = count; rest > 0;) {
    const size_t half = rest / 2;
    const bool is_past = table[base + half] <= x;
    base = is_past ? base + half + 1 : base;
    rest = is_past ? rest - half - 1 : half;
  }
  return base;
}
