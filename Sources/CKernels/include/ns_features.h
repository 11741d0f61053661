// Preprocessing of columns: arithmetic, buckets, categories, dates and text.
//
// Every function gives the same bits on every CPU: plain IEEE operations in one fixed order, never
// a fused multiply-add, and logarithms and exponentials of our own.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Numbers

/// What one step of a chain does with a value x; NaN is a missing value and stays one unless said.
typedef enum {
  ns_feature_fill = 0,          // NaN becomes a
  ns_feature_is_missing = 1,    // 1 for NaN, else 0
  ns_feature_standard = 2,      // (x - a) / b
  ns_feature_linear = 3,        // x * a + b, rounded twice
  ns_feature_clip = 4,          // a where x < a, b where x > b
  ns_feature_log = 5,           // ln(x + a); NaN below 0, -inf at 0
  ns_feature_log1p = 6,         // ln(1 + x)
  ns_feature_yeo_johnson = 7,   // with lambda a
  ns_feature_box_cox = 8,       // with lambda a; NaN below 0
  ns_feature_power = 9,         // x to the power of a; NaN where x < 0 and a is no integer
  ns_feature_bucket = 10,       // how many of `table` are <= x
  ns_feature_bucket_right = 11  // how many of `table` are < x
} ns_feature_kind;

/// One step of a chain.
typedef struct {
  ns_feature_kind kind;
  uint32_t table_count;         // of the buckets, else 0
  double a;
  double b;
  const double *_Nullable table;  // ascending, for the buckets
} ns_feature_step;

/// Sends `count` values through all steps, a few at a time, from `source` to `target`, which may be
/// the same; neither needs to be aligned. No steps: a copy.
void ns_feature_chain(const double *_Nonnull source, double *_Nonnull target, size_t count,
                      const ns_feature_step *_Nonnull steps, size_t step_count, ns_isa isa);

/// How many of the `count` ascending values are <= x; 0 for NaN.
size_t ns_feature_rank(const double *_Nonnull table, size_t count, double x);

// MARK: Dates

/// Places in the ten numbers of a date.
typedef enum {
  ns_date_year = 0,
  ns_date_month = 1,        // 1 to 12
  ns_date_day = 2,          // 1 to 31
  ns_date_weekday = 3,      // 0 is Monday
  ns_date_hour = 4,
  ns_date_minute = 5,
  ns_date_second = 6,       // with its fraction
  ns_date_day_of_year = 7,  // from 1
  ns_date_is_weekend = 8,   // 1 on Saturday and Sunday
  ns_date_unix_seconds = 9         // seconds since 1970-01-01T00:00:00Z, with their fraction
} ns_date_part;
#define NS_DATE_PART_COUNT 10

/// Reads an ISO 8601 date, or date and time: `2024-02-29`, `20240229`, `2024-02-29T13:45`,
/// `2024-02-29 13:45:07.25+01:00`, with `Z`, `+01`, `+0100` or `+01:00` or without. Years 1 to 9999.
/// The parts are those of the time as it stands there; only the seconds count the offset in.
///
/// Returns 1, or 0 with all parts NaN where the text is none.
int ns_date_read(const uint8_t *_Nonnull text, size_t count, double *_Nonnull parts);

/// The parts of seconds since 1970 in UTC; NaN where they are none or outside the years 1 to 9999.
void ns_date_of_unix_seconds(double seconds, double *_Nonnull parts);

// MARK: Text

/// MurmurHash3_x86_32 (Austin Appleby, public domain), as scikit-learn hashes features.
uint32_t ns_murmur3(const uint8_t *_Nonnull text, size_t count, uint32_t seed);

/// What is known of characters.
typedef struct {
  const uint32_t *_Nonnull lower;  // 0x20000: the lower case of each character
  const uint64_t *_Nonnull words;  // 0x40000 bits: whether it is part of a word
} ns_characters;
#define NS_LOWER_COUNT 0x20000
#define NS_WORD_COUNT 0x40000

/// Makes a text lower case, character by character. `output` has room for 2 * count bytes.
/// Bytes that are not UTF-8 stay as they are. Returns the number of bytes.
size_t ns_text_lower(const ns_characters *_Nonnull characters, const uint8_t *_Nonnull text,
                     size_t count, uint8_t *_Nonnull output);

/// What a text is cut into.
typedef enum {
  ns_units_words = 0,            // runs of at least `least` word characters
  ns_units_characters = 1,       // characters; two or more blanks in a row become one space
  ns_units_word_characters = 2,  // characters of each run without blanks, with a space around it
} ns_unit_kind;

/// Cuts a text into units and writes them one after the other; between two words is one space.
///
/// `output` has room for 2 * count + 2 bytes and `starts` and `ends` for count + 2 numbers (for
/// `word_characters` 3 * count + 2 bytes and 3 * count + 2 numbers): unit i is
/// output[starts[i] ..< ends[i]]. With `word_characters` a unit of no bytes ends each run.
///
/// Returns the number of units.
size_t ns_text_units(const ns_characters *_Nonnull characters, ns_unit_kind kind, int lower,
                     uint32_t least, const uint8_t *_Nonnull text, size_t count,
                     uint8_t *_Nonnull output, uint32_t *_Nonnull starts, uint32_t *_Nonnull ends);

/// A list of n-grams of units, which are spans of the units' bytes: all with `smallest` units first.
/// `spans` has room for (largest - smallest + 1) * unit_count pairs of start and end.
///
/// Returns how many there are.
size_t ns_text_ngrams(ns_unit_kind kind, uint32_t smallest, uint32_t largest,
                      const uint32_t *_Nonnull starts, const uint32_t *_Nonnull ends,
                      size_t unit_count, uint32_t *_Nonnull spans);

/// A set of texts, each with its place in a list.
typedef struct {
  const uint8_t *_Nonnull bytes;    // all texts, one after the other
  const uint32_t *_Nonnull starts;  // of text i; one more for the end
  const uint32_t *_Nonnull slots;   // pairs: hash by ns_murmur3 with seed 0, place + 1 or 0
  uint32_t mask;                    // number of slots - 1, a power of two, more than texts
} ns_terms;

/// The place of a text in the list, or -1.
int64_t ns_terms_find(const ns_terms *_Nonnull terms, const uint8_t *_Nonnull text, size_t count);

/// A bucket of hashed features: its sum in the row that `stamp` says.
typedef struct {
  int32_t sum;
  uint32_t stamp;
} ns_count_cell;

/// Counts the n-grams of one row.
///
/// With `terms` the columns are places in its list and others are passed over; without, they are
/// |hash| mod `column_count`, hash being ns_murmur3 with seed 0 as a signed number, and with
/// `is_signed` the count falls where the hash is negative.
///
/// `cells` has one for each column, whose stamps differ from `stamp` at first. `touched` has room
/// for the smaller of `span_count` and `column_count`.
///
/// Returns how many columns were touched; they stand in `touched` in the order of the text.
size_t ns_text_count(const ns_terms *_Nullable terms, uint32_t column_count, int is_signed,
                     const uint8_t *_Nonnull bytes, const uint32_t *_Nonnull spans,
                     size_t span_count, uint32_t stamp, ns_count_cell *_Nonnull cells,
                     uint32_t *_Nonnull touched);

#ifdef __cplusplus
}
#endif
