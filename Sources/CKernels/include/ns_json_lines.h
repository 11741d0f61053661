#pragma once

// JSON lines: records that are one JSON object (RFC 8259) each, read into the spans of ns_csv.h.
//
// A record is one line; a line feed cannot stand inside a JSON string, so every line feed ends
// one. Lines of nothing but spaces, tabs and CRs are no records. Each record is checked against
// the whole grammar, the members that no column names included. Values stay as they are written:
// a string's span is without its quotes (NS_CSV_QUOTED, with backslashes NS_CSV_JSON_ESCAPED),
// numbers, true, false, objects and arrays are unquoted, null and missing members are empty and
// unquoted. Of members with one name the last counts.

#include <stddef.h>
#include <stdint.h>

#include "ns_csv.h"
#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Why a line is no record, beside NS_CSV_RECORD_TOO_LONG, NS_CSV_INVALID_UTF8 and, for arrays of
/// another length, NS_CSV_FIELD_COUNT.
enum {
  NS_JSON_INVALID = 16,
  NS_JSON_NOT_AN_OBJECT = 17,
};

/// Most objects and arrays inside one another, the record itself included.
#define NS_JSON_DEPTH_LIMIT 128

/// The columns of a table, and what was learnt about the order of the members: it makes reading
/// fast and changes no result.
typedef struct ns_json_keys ns_json_keys;

/// Takes the names of `count` columns, all different: name i are the bytes of `names` (unescaped
/// UTF-8) from ends[i - 1] (0 for the first) to ends[i]. Takes about 200 bytes for each.
/// Returns NULL where there is no memory.
ns_json_keys *_Nullable ns_json_keys_make(const uint8_t *_Nonnull names,
                                          const uint32_t *_Nonnull ends, uint32_t count);
void ns_json_keys_free(ns_json_keys *_Nonnull keys);

/// Why ns_json_scan came back.
enum {
  /// All lines are read.
  NS_JSON_MORE = 0,
  /// The tile is full, or would hold more text than it may, or its last record is too long.
  NS_JSON_TILE_END = 1,
  /// The line feed at `line_feed` is at or past `next_bound`; takes precedence over the above.
  NS_JSON_BOUND = 2,
  /// There is no room for another record's fields.
  NS_JSON_GROW = 3,
};

/// Where a scan stands. Positions are indexes into the window.
typedef struct {
  uint32_t column_count;
  uint32_t record_limit;      // records of a tile
  int64_t tile_byte_limit;    // no record of a tile begins further than this from its first
  int64_t record_byte_limit;  // longer ones are errors; at most NS_CSV_LENGTH_MASK
  int64_t next_bound;
  int64_t line_feed;  // the last one passed
  int64_t position;   // where the next line begins
  uint32_t record_count;
  uint32_t field_count;
  uint32_t field_capacity;  // more than field_count + column_count are needed for one more record
  uint8_t isa;              // ns_isa
  uint8_t accepts_arrays;   // whether [value, ...] is a record, its values by position
  ns_csv_record *_Null_unspecified records;  // room for record_limit
  ns_csv_field *_Null_unspecified fields;
} ns_json_scanner;

/// Reads the lines of window[position, end) until something has to be reported. The last byte
/// before `end` is a line feed. NS_CSV_PADDING bytes from `end` - 1 on must be readable.
int ns_json_scan(ns_json_scanner *_Nonnull scanner, ns_json_keys *_Nonnull keys,
                 const uint8_t *_Nonnull window, int64_t end);

/// Moves all positions and the spans in the tile down by `count` bytes, as the window's bytes were;
/// but not next_bound.
void ns_json_shift(ns_json_scanner *_Nonnull scanner, int64_t count);

/// The index after the last line feed in window[begin, end), or `begin` where there is none.
int64_t ns_json_lines_end(const uint8_t *_Nonnull window, int64_t begin, int64_t end);

/// Reads columns of a tile of up to 1,024 records as doubles: field `columns[c]` of record i becomes
/// output[c * column_stride + i * stride].
///
/// A missing or null value and what is in records that are errors becomes NaN, true 1 and false 0.
/// A string is no number, whatever is in it, unless it is one of the words in `nulls`: then NaN.
/// Everything else becomes NaN and sets bit i % 64 of failures[c * failure_stride + i / 64].
/// Returns the number of bits set.
uint32_t ns_json_number_columns(ns_isa isa, const uint8_t *_Nonnull window,
                                const ns_csv_record *_Nonnull records, uint32_t count,
                                const ns_csv_field *_Nonnull fields,
                                const uint32_t *_Nonnull columns, uint32_t column_count,
                                const ns_csv_words *_Nonnull nulls, double *_Nonnull output,
                                size_t column_stride, size_t stride, uint64_t *_Nonnull failures,
                                size_t failure_stride);

/// Writes columns of a record without an error as a JSON object or array, each value as it stood.
///
/// `output` has room for the record's text, 8 bytes for each column, the keys and NS_CSV_PADDING.
/// Returns the number of bytes written.
size_t ns_json_write(const uint8_t *_Nonnull window, const ns_csv_record *_Nonnull record,
                     const ns_csv_field *_Nonnull fields, const ns_csv_layout *_Nonnull layout,
                     int is_object, uint8_t *_Nonnull output);

/// Writes the text that the inside of a valid JSON string stands for. Surrogates that are no pair
/// become U+FFFD. `output` has room for count bytes. Returns the number of bytes written.
size_t ns_json_unescape(const uint8_t *_Nonnull text, size_t count, uint8_t *_Nonnull output);

#ifdef __cplusplus
}
#endif
