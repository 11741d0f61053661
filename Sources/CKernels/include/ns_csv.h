#pragma once

// The structure of CSV text: where records and fields begin and end.
//
// A record begins after a line feed that ended one. A quote opens a field only as the field's
// first byte; inside a quoted field "" is a quote, and after the closing quote only a delimiter, a
// line feed, CR LF or the end of the text is right. A record ends at a line feed outside quotes,
// or at the first line feed more than `record_byte_limit` bytes after its begin, wherever that is.
// Lines that are empty but for a CR are no records.

#include "ns_isa.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Bytes after the text that may be read (and are ignored). Up to 36 bytes before a field may be
// read too, as far as they are in the window.
#define NS_CSV_PADDING 64

// Fields beyond the capacity that may be written (and are ignored).
#define NS_CSV_FIELD_SLACK 96

// Flags in a field's upper bits. A quoted field's span excludes its quotes; "escaped" says that
// doubled quotes are inside, "JSON escaped" that backslashes of a JSON string are.
#define NS_CSV_QUOTED 0x80000000u
#define NS_CSV_ESCAPED 0x40000000u
#define NS_CSV_JSON_ESCAPED 0x20000000u
#define NS_CSV_LENGTH_MASK 0x1FFFFFFFu

typedef struct {
  uint32_t start;
  uint32_t length_and_flags;
} ns_csv_field;

// Why a record is none. The numbers are part of no file and no message.
enum {
  NS_CSV_OK = 0,
  NS_CSV_FIELD_COUNT = 1,
  NS_CSV_TEXT_AFTER_QUOTE = 2,
  NS_CSV_UNTERMINATED_QUOTE = 3,
  NS_CSV_RECORD_TOO_LONG = 4,
  NS_CSV_INVALID_UTF8 = 5,
};

// One record; its fields are `field_count` entries from `first_field` on where error is OK or
// INVALID_UTF8. The span is the text without its line end.
typedef struct {
  uint32_t start;
  uint32_t length;
  uint32_t first_field;
  uint32_t field_count;
  uint32_t error;
} ns_csv_record;

// What is kept of a record that is too long.
#define NS_CSV_EXCERPT_LIMIT 256

// Why ns_csv_scan came back.
enum {
  // All bytes but perhaps the last two are scanned; more have to follow.
  NS_CSV_MORE = 0,
  // The tile is full, or would hold more text than it may.
  NS_CSV_TILE_END = 1,
  // A line feed at `event_position`, at or past `next_bound`, or the end of the record under way
  // where `stops_after_record` is set. `event_ends_record` tells which state follows it.
  NS_CSV_BOUND = 2,
  // There is no room for another record's fields.
  NS_CSV_GROW = 3,
  // The text has ended and so has its last record.
  NS_CSV_END = 4,
};

// Positions are indexes into the window; negative ones lie before it.
typedef struct {
  uint8_t delimiter;
  uint8_t isa;                 // an ns_isa
  uint8_t mode;                // private: unquoted, quoted, closed
  uint8_t record_error;        // private
  uint8_t discards_record;     // the record under way is not put into the tile
  uint8_t stops_after_record;  // report the end of the record under way as a bound
  uint8_t event_ends_record;
  uint32_t expected_field_count;
  uint32_t tile_record_limit;
  int64_t tile_byte_limit;  // no record of a tile begins further than this from its first
  int64_t record_byte_limit;
  int64_t skipped_text_start;  // the record whose text begins here is not put into the tile
  int64_t next_bound;
  int64_t event_position;
  int64_t scan_position;  // everything before it is scanned
  int64_t record_start;
  int64_t text_start;  // record_start, or after a byte order mark
  int64_t field_start;
  int64_t field_stop;      // private: where the closing quote was
  int64_t skipped_quote;   // private: second quote of a pair
  uint32_t field_flags;    // private
  uint32_t field_ordinal;  // fields of the record under way that have ended
  uint32_t record_count;
  uint32_t field_count;
  uint32_t field_capacity;
  uint64_t non_ascii;      // not 0 where a byte above 127 may have been seen; never set to 0 here
  ns_csv_record *records;  // room for tile_record_limit
  ns_csv_field *fields;    // room for field_capacity and NS_CSV_FIELD_SLACK
} ns_csv_scanner;

// Makes a record begin at `position`.
void ns_csv_begin_record(ns_csv_scanner *scanner, int64_t position);

// Says that `scan_position` lies inside a quoted field of a record that began at `record_start`.
void ns_csv_resume_in_quotes(ns_csv_scanner *scanner, int64_t record_start);

// Scans window[scan_position, end) until something has to be reported. `is_final` says that the
// text ends at `end`. NS_CSV_PADDING bytes after `end` must be readable.
int ns_csv_scan(ns_csv_scanner *scanner, const uint8_t *window, int64_t end, int is_final);

// Ends the record under way before `stop`; it is too long.
void ns_csv_end_too_long(ns_csv_scanner *scanner, int64_t stop);

// Moves down by `count` bytes all positions but skipped_text_start and next_bound, and the spans
// in the tile, as the window's bytes were.
void ns_csv_shift(ns_csv_scanner *scanner, int64_t count);

// Marks the records that are not UTF-8. Returns their number.
uint32_t ns_csv_mark_invalid_utf8(ns_isa isa, const uint8_t *window, ns_csv_record *records,
                                  uint32_t count);

// Words that mean "no value", one after the other in `bytes`; word i ends before ends[i].
typedef struct {
  const uint8_t *bytes;
  const uint32_t *ends;
  uint32_t count;
  uint64_t length_mask;  // bit min(length, 63) of every word
  int has_numbers;       // whether a word could be read as a number
} ns_csv_words;

int ns_csv_is_word(const ns_csv_words *words, const uint8_t *text, size_t count);

// Reads columns of a tile as doubles: field `columns[c]` of record i becomes
// output[c * column_stride + i * stride].
//
// Null words become NaN, with or without spaces and tabs around them; so does everything in
// records that are errors. A field that is no number becomes NaN and sets bit i % 64 of
// failures[c * failure_stride + i / 64]. Returns the number of bits set.
uint32_t ns_csv_number_columns(ns_isa isa, const uint8_t *window, const ns_csv_record *records,
                               uint32_t count, const ns_csv_field *fields, const uint32_t *columns,
                               uint32_t column_count, const ns_csv_words *nulls, double *output,
                               size_t column_stride, size_t stride, uint64_t *failures,
                               size_t failure_stride);

// What a text can be; bits of a set.
typedef enum {
  ns_csv_boolean = 1,     // true, false in any case, 1 or 0: 1 or 0
  ns_csv_integer = 2,     // a sign and digits: 64 bits, signed
  ns_csv_number = 4,      // what ns_parse_double takes: the bits of a double
  ns_csv_date = 8,        // YYYY-MM-DD from year 1 on: days since 1970-01-01
  ns_csv_timestamp = 16,  // that, T or a space, hh:mm, perhaps :ss and a fraction, perhaps Z or
                          // ±hh[[:]mm]; or a date: microseconds since 1970, UTC; digits of the
                          // fraction after the sixth have to be 0
  ns_csv_text = 32,
} ns_csv_type;

// The types of the values of a column: of each the narrowest that takes it, in the order integer,
// number, boolean, date, timestamp, text. Digits after a leading zero are text. Spaces and tabs
// around a value and quotes do not count; null words and records that are errors have no type.
uint32_t ns_csv_types(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                      const ns_csv_field *fields, uint32_t column, const ns_csv_words *nulls);

// Reads one column of a tile as values of a type other than text, see there.
//
// Null words, or where `nulls` is NULL empty fields that are not in quotes, set bit i of missing,
// and so does what is not of the type, which sets bit i of failures too. Returns how often that
// was.
uint32_t ns_csv_values(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                       const ns_csv_field *fields, uint32_t column, ns_csv_type type,
                       const ns_csv_words *nulls, int64_t *values, uint64_t *missing,
                       uint64_t *failures);

// Bytes that ns_csv_texts may write for a column of a tile.
size_t ns_csv_text_room(const ns_csv_record *records, uint32_t count, const ns_csv_field *fields,
                        uint32_t column);

// Writes the texts of one column of a tile one after the other: text i ends before ends[i].
//
// Doubled quotes and escapes of JSON are resolved. Null words that are not in quotes, or where
// `nulls` is NULL empty fields that are not, are empty and set bit i of missing, and so are fields
// of records that are errors. Returns the number of bytes written.
size_t ns_csv_texts(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                    const ns_csv_field *fields, uint32_t column, const ns_csv_words *nulls,
                    uint8_t *output, uint32_t *ends, uint64_t *missing);

// Which columns are written as JSON, and their names.
typedef struct {
  const uint32_t *columns;
  uint32_t column_count;
  const uint8_t *keys;       // names with quotes and colon, all but the first after a comma;
  const uint32_t *key_ends;  // key i ends before key_ends[i]; NS_CSV_PADDING bytes follow the last
  const ns_csv_words *nulls;
} ns_csv_layout;

// Writes columns of a record without an error as a JSON object or array. A field that is a JSON
// number and not in quotes stays as it is, a null word not in quotes is null, all else a string.
//
// `output` has room for 6 bytes for each of the record's text, 8 for each column, the keys and
// NS_CSV_PADDING. Returns the number of bytes written.
size_t ns_csv_write_json(const uint8_t *window, const ns_csv_record *record,
                         const ns_csv_field *fields, const ns_csv_layout *layout, int is_object,
                         uint8_t *output);

#ifdef __cplusplus
}
#endif
