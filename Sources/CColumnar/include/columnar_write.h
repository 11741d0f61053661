#pragma once

// Columnar results: blocks as Arrow IPC streams, files as Parquet or Arrow IPC, and what a written
// file holds.
//
// Bytes depend on the schema, the options and the values alone: not on the CPU, on threads, on
// when something was written or on how its bytes were handed over. Calls return one of the codes
// below; where it is not NS_RESULT_OK, *error is a message that the caller frees with `free`.
// Objects are used by one thread at a time.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  NS_RESULT_OK = 0,
  // The caller's function that takes or gives bytes answered that it failed.
  NS_RESULT_CALLER_FAILED = 1,
  // The bytes that were given are not what they have to be.
  NS_RESULT_CORRUPT = 2,
  // No memory, or a refusal of the library.
  NS_RESULT_FAILED = 3,
};

// Types of columns. Every column may have nulls.
enum {
  NS_RESULT_BOOLEAN = 0,    // values: a bitmap
  NS_RESULT_INTEGER = 1,    // int64_t
  NS_RESULT_NUMBER = 2,     // double
  NS_RESULT_FLOAT = 3,      // float
  NS_RESULT_TEXT = 4,       // UTF-8
  NS_RESULT_BINARY = 5,     // bytes
  NS_RESULT_DATE = 6,       // int32_t, days since 1970-01-01
  NS_RESULT_TIMESTAMP = 7,  // int64_t, microseconds since 1970-01-01T00:00:00Z
};

// What a file is.
enum {
  NS_RESULT_PARQUET = 0,
  NS_RESULT_ARROW = 1,   // the Arrow IPC file format
  NS_RESULT_STREAM = 2,  // the Arrow IPC stream format; read only
};

// Takes bytes; answers 0, or anything else where it failed.
typedef int (*ns_result_write)(void *_Nullable context, const void *_Nonnull bytes, size_t count);

// Gives `count` bytes from `offset` on, which lie within the file; answers 0, or anything else
// where it failed.
typedef int (*ns_result_read)(void *_Nullable context, uint64_t offset, void *_Nonnull bytes,
                                size_t count);

typedef struct {
  const char *_Nonnull name;  // UTF-8, `name_byte_count` bytes
  size_t name_byte_count;
  int type;
} ns_result_field;

// One column of a batch. Bitmaps have the least bit first.
typedef struct {
  // Bit i says that row i has a value; NULL where all have one.
  const uint8_t *_Nullable validity;
  // A value for each row, or the bytes that `offsets` cuts. Where a row is null, its value is zero.
  const void *_Nonnull values;
  // For text and binary one more than there are rows, rising from 0.
  const int32_t *_Nullable offsets;
} ns_result_column;

typedef struct {
  const char *_Nonnull key;    // ends with NUL
  const char *_Nonnull value;  // ends with NUL
} ns_result_property;

// MARK: Blocks

typedef struct ns_result_encoder ns_result_encoder;

// Makes an encoder of blocks; NULL where it cannot.
ns_result_encoder *_Nullable ns_result_encoder_make(const ns_result_field *_Nonnull fields,
                                                        size_t field_count,
                                                        char *_Nullable *_Nonnull error);

// Writes the next batch of the block under way; the first one begins the block, with the schema.
int ns_result_encoder_append(ns_result_encoder *_Nonnull encoder, size_t row_count,
                               const ns_result_column *_Nonnull columns,
                               ns_result_write _Nonnull write, void *_Nullable context,
                               char *_Nullable *_Nonnull error);

// Ends the block: what was written since the last end is one complete Arrow IPC stream.
int ns_result_encoder_end_block(ns_result_encoder *_Nonnull encoder,
                                  ns_result_write _Nonnull write, void *_Nullable context,
                                  char *_Nullable *_Nonnull error);

void ns_result_encoder_free(ns_result_encoder *_Nullable encoder);

// MARK: Files

typedef struct ns_result_writer ns_result_writer;

typedef struct {
  int format;         // NS_RESULT_PARQUET or NS_RESULT_ARROW
  int is_compressed;  // zstd inside, or nothing
  // Who wrote it, as Parquet's readers want it: "<name> version <version>"; ends with NUL.
  const char *_Nonnull created_by;
  // Written into the file in this order.
  const ns_result_property *_Nullable properties;
  size_t property_count;
  // A row group, or record batch, ends with the first block after which it has this many rows or
  // bytes; with a batch within a block where it has twice as many bytes. Both are above 0.
  size_t group_row_count;
  size_t group_byte_count;
} ns_result_file_options;

// Starts a file; NULL where it cannot.
//
// `write` gets the file's bytes from begin to end, also in the calls below; `context` lives until
// the writer is freed.
ns_result_writer *_Nullable ns_result_writer_make(
    const ns_result_field *_Nonnull fields, size_t field_count,
    const ns_result_file_options *_Nonnull options, ns_result_write _Nonnull write,
    void *_Nullable context, char *_Nullable *_Nonnull error);

// Adds the next bytes of a block's stream, any part of it. After a failure only freeing is left.
int ns_result_writer_append(ns_result_writer *_Nonnull writer, const void *_Nonnull bytes,
                              size_t count, char *_Nullable *_Nonnull error);

// Ends the block: its stream has to be complete. `row_count` gets the rows it had.
int ns_result_writer_end_block(ns_result_writer *_Nonnull writer,
                                 uint64_t *_Nonnull row_count,
                                 char *_Nullable *_Nonnull error);

// Writes what is left and the footer; every block has been ended.
int ns_result_writer_finish(ns_result_writer *_Nonnull writer,
                              char *_Nullable *_Nonnull error);

void ns_result_writer_free(ns_result_writer *_Nullable writer);

// MARK: What was written

typedef struct {
  int format;  // any of the three
  uint64_t byte_count;
  ns_result_read _Nonnull read;
  void *_Nullable context;
} ns_result_source;

// Counts the rows of a file by its footer; of a stream by its batches.
int ns_result_count_rows(const ns_result_source *_Nonnull source,
                           uint64_t *_Nonnull row_count, char *_Nullable *_Nonnull error);

// Takes one value of a row, in the order of the columns: `value` points to what a column's values
// are (for boolean to one byte, for text and binary to `byte_count` bytes) and is NULL for null.
typedef void (*ns_result_visit)(void *_Nullable context, const char *_Nonnull name,
                                  size_t name_byte_count, int type,
                                  const void *_Nullable value, size_t byte_count);

// Reads one row, counted from 0; every page that is read is checked.
//
// NS_RESULT_CORRUPT also where there is no such row, or a column's type is none of ours.
int ns_result_read_row(const ns_result_source *_Nonnull source, uint64_t row,
                         ns_result_visit _Nonnull visit, void *_Nullable context,
                         char *_Nullable *_Nonnull error);

typedef struct ns_result_comparer ns_result_comparer;

// Opens a Parquet or Arrow file whose rows are compared; NULL where it cannot be read.
//
// What `source` reads with lives until the comparer is freed.
ns_result_comparer *_Nullable ns_result_comparer_make(const ns_result_source *_Nonnull source,
                                                        char *_Nullable *_Nonnull error);

// Takes the number of a row that differs: in the file, and in the block.
typedef void (*ns_result_differ)(void *_Nullable context, uint64_t row, uint64_t block_row);

// Compares a block's stream with the file's rows from `first_row` on, value by value: numbers by
// their bits, but any NaN is any other. `row_count` gets the rows of the block.
//
// Rows come in rising order, from call to call too: no more than one row group, or record batch, of
// the file is in memory. NS_RESULT_CORRUPT also where the file has fewer rows or other columns.
int ns_result_comparer_compare(ns_result_comparer *_Nonnull comparer, uint64_t first_row,
                                 const void *_Nonnull bytes, size_t count,
                                 uint64_t *_Nonnull row_count, ns_result_differ _Nonnull differ,
                                 void *_Nullable context, char *_Nullable *_Nonnull error);

void ns_result_comparer_free(ns_result_comparer *_Nullable comparer);

#ifdef __cplusplus
}
#endif
