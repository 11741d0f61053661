#pragma once

// Large record batches of Arrow IPC that are not compressed, read some rows at a time.

#include <arrow/type.h>

#include <memory>
#include <vector>

#include "columnar_messages.h"
#include "columnar_read_file.h"

namespace ns::columnar {

/// Reads rows of one record batch, column by column, from their bytes in the file.
class BatchSlices {
 public:
  BatchSlices(std::shared_ptr<Input> input, LimitedPool *pool, const arrow::Schema &schema,
              const Message &batch);

  /// Whether some rows of a column can be read; not where the batch is compressed or the column is
  /// a dictionary, of views or of a type that is not read.
  bool can_read(uint32_t column) const;

  /// Stored bytes of a column.
  int64_t byte_count(uint32_t column) const;

  /// Rows of a column that can be read; `first` is a multiple of 8.
  std::shared_ptr<arrow::Array> read(uint32_t column, int64_t first, int64_t count) const;

 private:
  std::shared_ptr<arrow::Buffer> read_bytes(size_t buffer, int64_t first, int64_t count) const;
  template <typename Offset>
  void read_texts(size_t buffer, int64_t first, int64_t count,
                  std::vector<std::shared_ptr<arrow::Buffer>> &buffers) const;

  const std::shared_ptr<Input> input_;
  LimitedPool *const pool_;
  const arrow::FieldVector fields_;
  const Message batch_;
  const BatchLayout layout_;
  /// For each column its node, which tells its nulls.
  std::vector<size_t> first_nodes_;
  /// For each column its first buffer, and at the end their number.
  std::vector<size_t> first_buffers_;
};

}  // namespace ns::columnar
