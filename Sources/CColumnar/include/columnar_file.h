#pragma once

// What a Parquet, ORC or Arrow IPC file holds: columns, row groups and their statistics.
//
// A file and the streams over it are used by one thread at a time. No exception leaves a function.

#include <stddef.h>
#include <stdint.h>

#include "columnar_error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  ns_columnar_parquet = 1,
  ns_columnar_orc = 2,
  ns_columnar_arrow = 3,  // both the IPC file and the IPC stream format
} ns_columnar_format;

/// Where a file's bytes come from.
typedef struct {
  void *_Nullable context;
  int64_t size;
  /// Fills `buffer` with `count` bytes from `offset` on, all of them within the file.
  /// Returns 0, or something else where it failed; the file is then of no more use.
  int32_t (*_Nonnull read_at)(void *_Nullable context, int64_t offset, int64_t count,
                              uint8_t *_Nonnull buffer);
} ns_columnar_input;

/// Most columns of a file.
#define NS_COLUMNAR_COLUMN_LIMIT 65536
/// Most row groups, stripes or record batches of a file.
#define NS_COLUMNAR_GROUP_LIMIT 1000000
/// Most rows of a file: what goes over the wire, and what sums of them fit.
#define NS_COLUMNAR_ROW_LIMIT (INT64_C(1) << 60)
/// Most bytes of a file's metadata as it is stored; in memory it takes some ten times that.
#define NS_COLUMNAR_METADATA_LIMIT (64 << 20)

typedef struct ns_columnar_file ns_columnar_file;

/// Opens a file and reads its metadata.
///
/// `memory_limit` bounds what decoding may hold at any time, in bytes, beside 48 MiB of pieces that
/// all files of the process keep for the next one. Returns NULL and sets
/// `error` where it fails.
ns_columnar_file *_Nullable ns_columnar_open(int32_t format,
                                             const ns_columnar_input *_Nonnull input,
                                             int64_t memory_limit,
                                             ns_columnar_error *_Nonnull error);

/// Closes a file; no stream over it may be left.
void ns_columnar_close(ns_columnar_file *_Nonnull file);

/// One column; `name` is UTF-8 as far as the file says the truth, and lives as long as the file.
typedef struct {
  const char *_Nonnull name;
  size_t name_length;
  int32_t kind;         // ns_column_kind of what arrives; -1 for types that are not read
  int32_t width;        // see ns_column
  int32_t scale;        // see ns_column
  int32_t unit_digits;  // see ns_column
  int32_t has_zone;     // see ns_column
  int32_t index_kind;   // ns_column_kind of a dictionary's indices; -1: never arrives with one
  int32_t is_nullable;
  const char *_Nonnull type_name;  // Arrow's name of the type, for messages
} ns_columnar_column;

uint32_t ns_columnar_column_count(const ns_columnar_file *_Nonnull file);
ns_columnar_column ns_columnar_column_at(const ns_columnar_file *_Nonnull file, uint32_t column);

/// A row group, stripe or record batch.
typedef struct {
  int64_t row_count;
  int64_t stored_byte_count;
} ns_columnar_group;

uint32_t ns_columnar_group_count(const ns_columnar_file *_Nonnull file);
ns_columnar_group ns_columnar_group_at(const ns_columnar_file *_Nonnull file, uint32_t group);

/// What a file says about the values of a column in a row group. Bounds hold, but need not be
/// reached.
typedef struct {
  int32_t has_numbers;  // minimum and maximum bound every value that is there and no NaN
  int32_t has_texts;    // the same for the texts, by bytes
  int64_t null_count;   // -1: not known. NaN is not counted
  double minimum;       // in the units of ns_column_numbers
  double maximum;
  const uint8_t *_Nullable minimum_text;  // valid until the next call for the same file
  size_t minimum_length;
  const uint8_t *_Nullable maximum_text;
  size_t maximum_length;
} ns_columnar_bounds;

/// Tells the statistics of a column in a row group; nothing is known where there are none.
ns_columnar_bounds ns_columnar_bounds_at(ns_columnar_file *_Nonnull file, uint32_t group,
                                         uint32_t column);

/// The most bytes that decoding has held at once.
int64_t ns_columnar_memory_peak(const ns_columnar_file *_Nonnull file);

#ifdef __cplusplus
}
#endif
