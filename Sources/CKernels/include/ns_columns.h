#pragma once

// Columns laid out as Arrow does: their values as doubles, as codes and as text.
//
// Layouts: https://arrow.apache.org/docs/format/Columnar.html. Nothing here checks bounds of
// buffers, offsets or indices; whoever fills in ns_column has.

#include <stddef.h>
#include <stdint.h>

#include "ns_csv.h"
#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How the values of a column are stored.
typedef enum {
  ns_column_null = 0,      // no buffers: nothing has a value
  ns_column_boolean = 1,   // bits, the lowest first
  ns_column_int8 = 2,
  ns_column_int16 = 3,
  ns_column_int32 = 4,
  ns_column_int64 = 5,
  ns_column_uint8 = 6,
  ns_column_uint16 = 7,
  ns_column_uint32 = 8,
  ns_column_uint64 = 9,
  ns_column_float16 = 10,
  ns_column_float32 = 11,
  ns_column_float64 = 12,
  ns_column_decimal = 13,      // `width` bytes, two's complement, little endian, by 10^-scale
  ns_column_date32 = 14,       // int32 days since 1970-01-01
  ns_column_date64 = 15,       // int64 milliseconds since 1970-01-01
  ns_column_timestamp = 16,    // int64 units since 1970-01-01
  ns_column_time32 = 17,       // int32 units since midnight
  ns_column_time64 = 18,       // int64 units since midnight
  ns_column_text = 19,         // int32 offsets into `bytes`, UTF-8
  ns_column_large_text = 20,   // int64 offsets into `bytes`, UTF-8
  ns_column_binary = 21,       // int32 offsets into `bytes`
  ns_column_large_binary = 22, // int64 offsets into `bytes`
  ns_column_fixed_binary = 23, // `width` bytes each
} ns_column_kind;

/// A run of values of one column.
typedef struct {
  int32_t kind;            // ns_column_kind
  int32_t width;           // bytes of a decimal (4, 8, 16, 32) or of a fixed binary value
  int32_t scale;           // of a decimal; -76 to 76
  int32_t unit_digits;     // of times: 0 seconds, 3 milli-, 6 micro-, 9 nanoseconds
  int32_t has_zone;        // whether a timestamp is a moment (UTC) and not a reading of some clock
  const uint8_t *_Nullable validity;  // bit `first + i` is 1 where there is a value; NULL: everywhere
  const void *_Nullable values;       // value `first + i`; of text the offsets
  const uint8_t *_Nullable bytes;     // what the offsets point into
  int64_t first;                      // where the run begins in all three
} ns_column;

/// Writes values as doubles: output[i * stride] for value i of the run; NaN where there is none.
///
/// Booleans are 0 and 1, dates days and timestamps microseconds since 1970-01-01 (rounded down),
/// times seconds since midnight. Integers and decimals are rounded to the nearest double, ties to
/// even. Text and binary give NaN.
void ns_column_numbers(const ns_column *_Nonnull column, uint32_t count, double *_Nonnull output,
                       size_t stride, ns_isa isa);

/// Writes the indices of a dictionary as codes: -1 where there is no value.
///
/// `column` is one of the integer kinds, every value below 2^31.
void ns_column_codes(const ns_column *_Nonnull column, uint32_t count,
                     int32_t *_Nonnull output);

/// Writes output[i] = map[codes[i]], -1 where the code is.
void ns_column_map_codes(const int32_t *_Nonnull codes, uint32_t count,
                         const int32_t *_Nonnull map, int32_t *_Nonnull output);

/// Writes output[i * stride] = dictionary[codes[i]], NaN where the code is -1.
void ns_column_gather_numbers(const int32_t *_Nonnull codes, uint32_t count,
                              const double *_Nonnull dictionary, double *_Nonnull output,
                              size_t stride);

/// Adds to lengths[i] what value i may take as text at most: text its own length, binary as many
/// bytes as Base64 needs, everything else a fixed number for its kind. Sums stay at UINT32_MAX.
void ns_column_add_lengths(const ns_column *_Nonnull column, uint32_t count,
                           uint32_t *_Nonnull lengths);

/// The sum of what ns_column_add_lengths adds.
uint64_t ns_column_length(const ns_column *_Nonnull column, uint32_t count);

/// Renders values: field i is fields[i * field_stride], its text stands in `window`.
///
/// Text stays as it is and is flagged NS_CSV_QUOTED, so are dates and times (ISO 8601; a timestamp
/// with a zone ends in Z) and binary (Base64). Numbers are digits: floats the shortest that read
/// back as the same, decimals with all digits of their scale. No value is an empty field that is
/// not quoted; so are NaN and the infinities, which JSON has no number for.
///
/// `window` has room behind `position` for ns_column_length and NS_CSV_PADDING bytes, and ends
/// below 2^32. Returns the position after the last byte written.
uint32_t ns_column_render(const ns_column *_Nonnull column, uint32_t count,
                          uint8_t *_Nonnull window, uint32_t position,
                          ns_csv_field *_Nonnull fields, size_t field_stride);

/// The bytes of the texts that codes stand for in a dictionary rendered by ns_column_render.
uint64_t ns_column_gather_length(const int32_t *_Nonnull codes, uint32_t count,
                                 const ns_csv_field *_Nonnull dictionary);

/// Adds them to lengths[i], each to its own. Sums stay at UINT32_MAX.
void ns_column_gather_add_lengths(const int32_t *_Nonnull codes, uint32_t count,
                                  const ns_csv_field *_Nonnull dictionary,
                                  uint32_t *_Nonnull lengths);

/// Renders codes as ns_column_render does values: `dictionary` are the fields of a rendered
/// dictionary, in `texts` with NS_CSV_PADDING bytes behind them.
uint32_t ns_column_gather(const int32_t *_Nonnull codes, uint32_t count,
                          const ns_csv_field *_Nonnull dictionary, const uint8_t *_Nonnull texts,
                          uint8_t *_Nonnull window, uint32_t position,
                          ns_csv_field *_Nonnull fields, size_t field_stride);

/// Writes a number for the text and flags of each field: equal fields give equal numbers, and
/// changed ones others with a chance of one in 2^64. Not for what an enemy may choose. `window` has
/// NS_CSV_PADDING bytes behind its texts.
void ns_column_hash_fields(const ns_csv_field *_Nonnull fields, size_t field_stride,
                           uint32_t count, const uint8_t *_Nonnull window,
                           uint64_t *_Nonnull hashes);

/// The same for codes of a dictionary whose fields have `dictionary` as numbers, and `none` where
/// the code is -1.
void ns_column_gather_hashes(const int32_t *_Nonnull codes, uint32_t count,
                             const uint64_t *_Nonnull dictionary, uint64_t none,
                             uint64_t *_Nonnull hashes);

/// Mixes doubles into eight numbers: equal bits in equal order give equal numbers, and changed ones
/// others with a chance of about one in 2^60. Not for what an enemy may choose.
void ns_column_hash_numbers(const double *_Nonnull values, uint32_t count,
                            uint64_t *_Nonnull hashes, ns_isa isa);

/// Whether all text of the run is UTF-8; true for all other kinds.
int ns_column_is_utf8(const ns_column *_Nonnull column, uint32_t count);

/// Whether the offsets of a run of text ascend and stay within `byte_count`; others are true.
int ns_column_has_bounds(const ns_column *_Nonnull column, uint32_t count, uint64_t byte_count);

/// Whether every value of an integer column that is there lies in 0 ..< limit.
int ns_column_is_below(const ns_column *_Nonnull column, uint32_t count, uint64_t limit);

#ifdef __cplusplus
}
#endif
