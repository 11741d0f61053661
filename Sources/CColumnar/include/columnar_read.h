#pragma once

// Rows of a columnar file, batch after batch.

#include <stdint.h>

#include "columnar_arrays.h"
#include "columnar_error.h"
#include "columnar_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ns_columnar_stream ns_columnar_stream;

/// Reads columns of row groups.
typedef struct {
  uint32_t first_group;
  uint32_t end_group;
  /// Rows of the first row group that are passed over.
  int64_t skipped_row_count;
  /// Columns in the order they are wanted, none twice; none at all counts rows only.
  const uint32_t *_Nullable columns;
  uint32_t column_count;
  /// For each of them whether a dictionary may arrive instead of text.
  const uint8_t *_Nullable takes_dictionary;
  /// Most rows of a batch; 0 takes as many as fit some megabytes, a multiple of 1,024.
  uint32_t batch_row_limit;
} ns_columnar_selection;

/// Starts to read. Returns NULL and sets `error` where it fails.
///
/// Memory: of Parquet a page and a buffer for each column (or up to 48 MiB of its stored bytes) and
/// one batch; of ORC a compression block for each stream and one batch; of Arrow IPC one whole
/// record batch, of a large one 32 MiB.
ns_columnar_stream *_Nullable ns_columnar_read(ns_columnar_file *_Nonnull file,
                                               const ns_columnar_selection *_Nonnull selection,
                                               ns_columnar_error *_Nonnull error);

void ns_columnar_end(ns_columnar_stream *_Nonnull stream);

/// What a batch holds.
typedef struct {
  uint32_t group;     // the row group all of its rows are from
  int64_t first_row;  // of that row group
  uint32_t row_count;
} ns_columnar_batch;

/// Reads the next rows: array i holds `row_count` values of column i, checked so far that no
/// offset and no index of a dictionary points outside. The text may be no UTF-8.
///
/// Array i is of its column's kind, or has a `dictionary` that is: its indices are then of the
/// column's index_kind. The caller releases each array; they may
/// outlive stream and file. Returns 1, 0 at the end, -1 where it failed: the stream is then of no
/// more use.
int32_t ns_columnar_next(ns_columnar_stream *_Nonnull stream,
                         struct ArrowArray *_Nonnull arrays, ns_columnar_batch *_Nonnull batch,
                         ns_columnar_error *_Nonnull error);

#ifdef __cplusplus
}
#endif
