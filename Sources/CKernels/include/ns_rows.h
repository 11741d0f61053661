#pragma once

// Scored records as lines of text: some of their fields, then numbers.

#include "ns_csv.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// How a record's fields are written.
typedef enum {
  ns_row_csv,          // with delimiters between them, in quotes where they need them
  ns_row_json_key,     // {"name":value,... left open, by ns_csv_write_json
  ns_row_json_array,   // {"instance":[value,...]
  ns_row_json_object,  // {"instance":{"name":value,...}
} ns_row_form;

typedef enum {
  ns_row_float64,  // as ns_format_double writes it
  ns_row_float32,  // as ns_format_float writes the nearest float
  ns_row_integer,  // in decimal digits; null where it is no whole number of 64 bits, signed
} ns_row_kind;

// Set in the place of a number that is one of the record's explanation.
#define NS_ROW_EXPLAINS 0x80000000u

typedef struct {
  ns_row_form form;
  uint8_t delimiter;
  const ns_csv_layout *_Nonnull fields;  // of CSV, columns and null words alone
  // What stands before each number and after the last, piece i before piece_ends[i].
  // NS_CSV_PADDING bytes follow the last.
  const uint8_t *_Nonnull pieces;
  const uint32_t *_Nonnull piece_ends;  // number_count + 1
  const uint32_t *_Nonnull places;    // of each number among those of its record
  const uint8_t *_Nonnull kinds;      // ns_row_kind
  uint32_t number_count;
  uint32_t prediction_width;   // numbers of a record
  uint32_t explanation_width;
} ns_row_layout;

// Writes lines for `count` records without an error.
//
// `records`, `predictions` and `explanations` begin with the first of them. Fields are CSV, or,
// where `is_json` is set and the form is not ns_row_csv, values of JSON lines. A CSV field has
// quotes around it where it has a delimiter, a quote, a line feed or CR, is a null word and was in
// quotes, or is all of the fields and empty. For each record `output` has room for 6 bytes for
// each of its text, 8 for each column, the keys, the pieces, NS_DOUBLE_TEXT_LIMIT for each number,
// and 2 * NS_CSV_PADDING.
//
// Returns the number of bytes written.
size_t ns_write_rows(const uint8_t *_Nonnull window, const ns_csv_record *_Nonnull records,
                     uint32_t count, const ns_csv_field *_Nonnull fields, int is_json,
                     const ns_row_layout *_Nonnull layout, const double *_Nonnull predictions,
                     const double *_Nonnull explanations, uint8_t *_Nonnull output);

// Sets bit i % 64 of records[i / 64] where one of the numbers of row i is infinite or NaN.
void ns_mark_not_finite(const double *_Nonnull numbers, size_t row_count, size_t width,
                        uint64_t *_Nonnull records);

// The same where record i is an error.
void ns_csv_mark_errors(const ns_csv_record *_Nonnull records, uint32_t count,
                        uint64_t *_Nonnull marks);

#ifdef __cplusplus
}
#endif
