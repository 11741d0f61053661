#include "columns.h"

#include <cstring>
#include <limits>

// Columns as doubles and as codes.

#pragma STDC FP_CONTRACT OFF

namespace {

constexpr uint32_t kRun = 256;  // values converted at a time: 2 KiB, a multiple of 64

#define NS_INLINE inline __attribute__((always_inline))

/// Makes NaN what has no value. `output` has room for 64-value runs.
NS_INLINE void drop_nulls(const uint8_t *validity, int64_t first, uint32_t count, double *output) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (uint32_t i = 0; i < count; i += 64) {
    const uint32_t left = count - i < 64 ? count - i : 64;
    const uint64_t word = ns::bits_from(validity, first + i, left);
    if (word == (left == 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1)) continue;
    for (uint32_t k = 0; k < 64; k++) output[i + k] = word >> k & 1 ? output[i + k] : none;
  }
}

template <typename Value>
NS_INLINE void convert(const void *values, int64_t first, uint32_t count, double *output) {
  const Value *from = static_cast<const Value *>(values) + first;
  for (uint32_t i = 0; i < count; i++) output[i] = static_cast<double>(from[i]);
}

NS_INLINE void convert_bits(const void *values, int64_t first, uint32_t count, double *output) {
  for (uint32_t i = 0; i < count; i += 64) {
    const uint32_t left = count - i < 64 ? count - i : 64;
    const uint64_t word = ns::bits_from(static_cast<const uint8_t *>(values), first + i, left);
    for (uint32_t k = 0; k < 64; k++) output[i + k] = static_cast<double>(word >> k & 1);
  }
}

/// Whole microseconds or days of int64 times, rounded down.
NS_INLINE void convert_times(const void *values, int64_t first, uint32_t count, int64_t factor,
                             int64_t divisor, double *output) {
  const int64_t *from = static_cast<const int64_t *>(values) + first;
  if (divisor == 1) {
    // The product of two doubles: what overflows an int64 is far beyond any calendar.
    for (uint32_t i = 0; i < count; i++) {
      output[i] = static_cast<double>(from[i]) * static_cast<double>(factor);
    }
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    output[i] = static_cast<double>(ns::floor_division(from[i], divisor));
  }
}

template <typename Value>
NS_INLINE void convert_clock(const void *values, int64_t first, uint32_t count, double per_second,
                             double *output) {
  const Value *from = static_cast<const Value *>(values) + first;
  for (uint32_t i = 0; i < count; i++) output[i] = static_cast<double>(from[i]) / per_second;
}

void convert_halves(const void *values, int64_t first, uint32_t count, double *output) {
  const uint16_t *from = static_cast<const uint16_t *>(values) + first;
  for (uint32_t i = 0; i < count; i++) output[i] = ns::half_to_float(from[i]);
}

void convert_decimals(const ns_column *column, int64_t first, uint32_t count, double *output) {
  for (uint32_t i = 0; i < count; i++) output[i] = ns::decimal_to_double(column, first + i);
}

constexpr int64_t kPowersOfTen[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000};

/// Converts at most kRun values, `at` counted from the begin of the run.
NS_INLINE void convert_run(const ns_column *column, int64_t first, uint32_t count, double *output) {
  const void *values = column->values;
  const int digits = column->unit_digits;
  switch (column->kind) {
    case ns_column_boolean: return convert_bits(values, first, count, output);
    case ns_column_int8: return convert<int8_t>(values, first, count, output);
    case ns_column_int16: return convert<int16_t>(values, first, count, output);
    case ns_column_int32:
    case ns_column_date32: return convert<int32_t>(values, first, count, output);
    case ns_column_int64: return convert<int64_t>(values, first, count, output);
    case ns_column_uint8: return convert<uint8_t>(values, first, count, output);
    case ns_column_uint16: return convert<uint16_t>(values, first, count, output);
    case ns_column_uint32: return convert<uint32_t>(values, first, count, output);
    case ns_column_uint64: return convert<uint64_t>(values, first, count, output);
    case ns_column_float16: return convert_halves(values, first, count, output);
    case ns_column_float32: return convert<float>(values, first, count, output);
    case ns_column_float64: return convert<double>(values, first, count, output);
    case ns_column_decimal: return convert_decimals(column, first, count, output);
    case ns_column_date64: return convert_times(values, first, count, 1, 86'400'000, output);
    case ns_column_timestamp:
      return convert_times(values, first, count, kPowersOfTen[digits < 6 ? 6 - digits : 0],
                           kPowersOfTen[digits > 6 ? digits - 6 : 0], output);
    case ns_column_time32:
      return convert_clock<int32_t>(values, first, count, ns::power_of_ten(digits), output);
    case ns_column_time64:
      return convert_clock<int64_t>(values, first, count, ns::power_of_ten(digits), output);
    default:
      for (uint32_t i = 0; i < count; i++) output[i] = std::numeric_limits<double>::quiet_NaN();
  }
}

NS_INLINE void numbers(const ns_column *column, uint32_t count, double *output, size_t stride) {
  alignas(64) double run[kRun];
  for (uint32_t at = 0; at < count; at += kRun) {
    const uint32_t left = count - at < kRun ? count - at : kRun;
    const int64_t first = column->first + at;
    // A last run that is short is converted aside, because nulls are dropped 64 at a time.
    double *to = stride == 1 && left == kRun ? output + at : run;
    convert_run(column, first, left, to);
    if (column->validity != nullptr) drop_nulls(column->validity, first, left, to);
    if (to != run) continue;
    if (stride == 1) {
      std::memcpy(output + at, run, left * sizeof(double));
    } else {
      for (uint32_t i = 0; i < left; i++) output[(at + i) * stride] = run[i];
    }
  }
}

/// Multiplies the halves of each value with a key that is another for every place, as XXH3's long
/// inputs do: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
NS_INLINE void hash_numbers(const double *values, uint32_t count, uint64_t *hashes) {
  constexpr uint64_t kStep = 0x9E3779B97F4A7C15, kPrime = 0x9E3779B1;
  typedef uint64_t Lanes __attribute__((vector_size(64)));
  Lanes sums, keys;
  for (uint64_t lane = 0; lane < 8; lane++) {
    sums[lane] = kStep * (lane + 1);
    keys[lane] = 0xBF58476D1CE4E5B9 ^ kStep * (lane + 9);
  }
  for (uint32_t at = 0; at < count; at += 8) {
    Lanes words = {};
    if (count - at >= 8) {
      std::memcpy(&words, values + at, 64);
    } else {
      std::memcpy(&words, values + at, (count - at) * 8);
    }
    const Lanes mixed = words ^ keys;
    sums += (mixed & 0xFFFFFFFF) * (mixed >> 32) + (words << 32 | words >> 32);
    keys += kStep;
    if (at % 128 == 120) sums = (sums ^ sums >> 47 ^ keys) * kPrime;
  }
  std::memcpy(hashes, &sums, 64);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void hash_numbers_avx2(const double *values, uint32_t count,
                                                       uint64_t *hashes) {
  hash_numbers(values, count, hashes);
}

__attribute__((target("avx2,bmi,bmi2"))) void numbers_avx2(const ns_column *column, uint32_t count,
                                                           double *output, size_t stride) {
  numbers(column, count, output, stride);
}

__attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl"))) void numbers_avx512(
    const ns_column *column, uint32_t count, double *output, size_t stride) {
  numbers(column, count, output, stride);
}
#endif

template <typename Value>
void codes(const ns_column *column, uint32_t count, int32_t *output) {
  const Value *from = static_cast<const Value *>(column->values) + column->first;
  for (uint32_t i = 0; i < count; i++) output[i] = static_cast<int32_t>(from[i]);
  if (column->validity == nullptr) return;
  for (uint32_t i = 0; i < count; i++) output[i] = ns::is_valid(column, i) ? output[i] : -1;
}

template <typename Value>
int is_below(const ns_column *column, uint32_t count, uint64_t limit) {
  const Value *from = static_cast<const Value *>(column->values) + column->first;
  uint64_t bad = 0;
  // A negative index is a large one.
  for (uint32_t i = 0; i < count; i++) bad |= static_cast<uint64_t>(from[i]) >= limit;
  if (bad == 0) return 1;
  for (uint32_t i = 0; i < count; i++) {
    if (static_cast<uint64_t>(from[i]) >= limit && ns::is_valid(column, i)) return 0;
  }
  return 1;
}

}  // namespace

void ns_column_numbers(const ns_column *column, uint32_t count, double *output, size_t stride,
                       ns_isa isa) {
#if defined(__x86_64__)
  if (isa == ns_isa_avx512) return numbers_avx512(column, count, output, stride);
  if (isa == ns_isa_avx2) return numbers_avx2(column, count, output, stride);
#endif
  (void)isa;
  numbers(column, count, output, stride);
}

void ns_column_hash_numbers(const double *values, uint32_t count, uint64_t *hashes, ns_isa isa) {
#if defined(__x86_64__)
  // For AVX-512 the compiler's takes three times as long, and one written out gains nothing.
  if (isa != ns_isa_portable) return hash_numbers_avx2(values, count, hashes);
#endif
  (void)isa;
  hash_numbers(values, count, hashes);
}

void ns_column_gather_hashes(const int32_t *codes, uint32_t count, const uint64_t *dictionary,
                             uint64_t none, uint64_t *hashes) {
  for (uint32_t i = 0; i < count; i++) hashes[i] = codes[i] < 0 ? none : dictionary[codes[i]];
}

void ns_column_gather_numbers(const int32_t *codes, uint32_t count, const double *dictionary,
                              double *output, size_t stride) {
  for (uint32_t i = 0; i < count; i++) {
    output[i * stride] =
        codes[i] >= 0 ? dictionary[codes[i]] : std::numeric_limits<double>::quiet_NaN();
  }
}

void ns_column_codes(const ns_column *column, uint32_t count, int32_t *output) {
  switch (column->kind) {
    case ns_column_int8: return codes<int8_t>(column, count, output);
    case ns_column_int16: return codes<int16_t>(column, count, output);
    case ns_column_int32: return codes<int32_t>(column, count, output);
    case ns_column_int64: return codes<int64_t>(column, count, output);
    case ns_column_uint8: return codes<uint8_t>(column, count, output);
    case ns_column_uint16: return codes<uint16_t>(column, count, output);
    case ns_column_uint32: return codes<uint32_t>(column, count, output);
    default: return codes<uint64_t>(column, count, output);
  }
}

void ns_column_map_codes(const int32_t *codes, uint32_t count, const int32_t *map,
                         int32_t *output) {
  for (uint32_t i = 0; i < count; i++) output[i] = codes[i] < 0 ? -1 : map[codes[i]];
}

int ns_column_is_below(const ns_column *column, uint32_t count, uint64_t limit) {
  switch (column->kind) {
    case ns_column_int8: return is_below<int8_t>(column, count, limit);
    case ns_column_int16: return is_below<int16_t>(column, count, limit);
    case ns_column_int32: return is_below<int32_t>(column, count, limit);
    case ns_column_int64: return is_below<int64_t>(column, count, limit);
    case ns_column_uint8: return is_below<uint8_t>(column, count, limit);
    case ns_column_uint16: return is_below<uint16_t>(column, count, limit);
    case ns_column_uint32: return is_below<uint32_t>(column, count, limit);
    default: return is_below<uint64_t>(column, count, limit);
  }
}
