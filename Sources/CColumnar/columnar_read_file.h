#pragma once

// What the readers of the three formats have in common.

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "columnar_error.h"
#include "include/columnar_file.h"
#include "include/columnar_read.h"

namespace ns::columnar {

/// Memory from Arrow's default pool, up to a limit; more is an error of the allocation.
///
/// Lives until its owner has let go of it and all memory has come back, because arrays that were
/// handed out may outlive their file. Any thread may free.
class LimitedPool : public arrow::MemoryPool {
 public:
  struct LetGo {
    void operator()(LimitedPool *pool) const { pool->leave(); }
  };
  using Owner = std::unique_ptr<LimitedPool, LetGo>;

  static Owner make(int64_t limit) { return Owner(new LimitedPool(limit)); }

  using arrow::MemoryPool::Allocate;
  using arrow::MemoryPool::Free;
  using arrow::MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t **out) override;
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                           uint8_t **pointer) override;
  void Free(uint8_t *buffer, int64_t size, int64_t alignment) override;
  int64_t bytes_allocated() const override { return used_; }
  int64_t max_memory() const override { return peak_; }
  int64_t total_bytes_allocated() const override { return total_; }
  int64_t num_allocations() const override { return count_; }
  std::string backend_name() const override { return inner_->backend_name(); }
  int64_t limit() const { return limit_; }

 private:
  explicit LimitedPool(int64_t limit) : limit_(limit) {}

  /// Counts `size` more bytes, or tells that they are too many.
  arrow::Status add(int64_t size);
  /// One user fewer: the owner, or a piece of memory.
  void leave();

  arrow::MemoryPool *const inner_ = arrow::default_memory_pool();
  const int64_t limit_;
  std::atomic<int64_t> used_{0}, peak_{0}, total_{0}, count_{0}, users_{1};
};

/// The caller's bytes as Arrow reads them.
class Input : public arrow::io::RandomAccessFile {
 public:
  Input(const ns_columnar_input &source, LimitedPool *pool) : source_(source), pool_(pool) {
    set_mode(arrow::io::FileMode::READ);
  }

  /// Whether the caller's function has failed; whatever Arrow made of it, that is the cause.
  bool has_failed() const { return has_failed_; }

  /// Reads exactly `count` bytes that are known to be there, or throws.
  void read_whole(int64_t offset, int64_t count, void *to);

  arrow::Result<int64_t> ReadAt(int64_t offset, int64_t count, void *to) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t offset, int64_t count) override;
  arrow::Result<int64_t> Read(int64_t count, void *to) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override;
  arrow::Result<int64_t> ReadAt(int64_t offset, int64_t count, bool may_be_short,
                                void *to) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t offset, int64_t count,
                                                       bool may_be_short) override;
  // On the calling thread: the caller's function may be used by one thread only.
  arrow::Future<std::shared_ptr<arrow::Buffer>> ReadAsync(const arrow::io::IOContext &context,
                                                          int64_t offset,
                                                          int64_t count) override;
  arrow::Future<std::shared_ptr<arrow::Buffer>> ReadAsync(const arrow::io::IOContext &context,
                                                          int64_t offset, int64_t count,
                                                          bool may_be_short) override;
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> GetSize() override { return source_.size; }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }

 private:
  const ns_columnar_input source_;
  LimitedPool *const pool_;
  int64_t position_ = 0;
  bool has_failed_ = false;
};

/// One column of a file, as its arrays arrive.
struct Column {
  std::string name;
  std::string type_name;
  /// What values have after `settle`; null where the type is not read.
  std::shared_ptr<arrow::DataType> values;
  /// What a dictionary in the schema has as indices; null without one.
  std::shared_ptr<arrow::DataType> indices;
  bool is_nullable = true;
};

Column describe(const arrow::Field &field);

/// Fills in kind, width, scale, unit and zone of a type that is read.
void describe(const arrow::DataType &type, ns_columnar_column &column);

/// Which dictionary of a column was found to be right last, so that it is not looked at again.
using CheckedDictionary = std::shared_ptr<arrow::ArrayData>;

/// An array as it is handed out: of its column's type or a dictionary of it, without views and
/// extensions, with no offset and no index that points outside. Throws `Failure`.
std::shared_ptr<arrow::Array> settle(const Column &column, std::shared_ptr<arrow::Array> array,
                                     arrow::MemoryPool *pool, CheckedDictionary &checked);

/// Some rows of one row group; `columns` are in the order of the selection.
struct Rows {
  uint32_t group = 0;
  int64_t first_row = 0;
  int64_t row_count = 0;
  std::vector<std::shared_ptr<arrow::Array>> columns;
};

/// What is read of a file, see `ns_columnar_selection`.
struct Selection {
  uint32_t first_group, end_group;
  int64_t skipped_row_count;
  std::vector<uint32_t> columns;
  std::vector<bool> takes_dictionary;
  int64_t batch_row_limit;
};

/// The rows of one row group, handed out in batches.
class GroupReader {
 public:
  virtual ~GroupReader() = default;
  /// The next rows, fewer than the batch's limit where that is simpler; false at the end.
  virtual bool next(Rows &rows) = 0;
};

/// A file's reader for one selection.
class SelectionReader {
 public:
  virtual ~SelectionReader() = default;
  /// Begins a row group, `skipped` of whose rows are passed over.
  virtual std::unique_ptr<GroupReader> open(uint32_t group, int64_t skipped) = 0;
};

/// An open file.
class File {
 public:
  File(const ns_columnar_input &source, int64_t memory_limit)
      : pool(LimitedPool::make(memory_limit)),
        input(std::make_shared<Input>(source, pool.get())) {}
  virtual ~File() = default;
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  virtual std::unique_ptr<SelectionReader> read(const Selection &selection) = 0;
  /// The least and greatest value, as arrays of one value each, and the number of nulls or -1.
  struct Extremes {
    std::shared_ptr<arrow::Array> minimum, maximum;
    int64_t null_count = -1;
  };
  virtual Extremes extremes(uint32_t group, uint32_t column) {
    (void)group, (void)column;
    return {};
  }

  /// What messages call a row group of the format.
  virtual const char *group_name() const = 0;

  /// Throws where the sizes of the row groups, or their sums, cannot be those of a file.
  void check_sizes() const;

  const LimitedPool::Owner pool;
  const std::shared_ptr<Input> input;
  std::vector<Column> columns;
  std::vector<ns_columnar_group> groups;
  /// Texts that the last bounds point into.
  std::string minimum_text, maximum_text;

 protected:
  /// Takes the schema's columns; throws where they are too many.
  void take_columns(const arrow::Schema &schema);
  /// Throws where the number of row groups is no good.
  static void check_group_count(int64_t count);
};

std::unique_ptr<File> open_parquet(const ns_columnar_input &source, int64_t memory_limit);
std::unique_ptr<File> open_orc(const ns_columnar_input &source, int64_t memory_limit);
std::unique_ptr<File> open_arrow(const ns_columnar_input &source, int64_t memory_limit);

/// Runs `body`; a failure in it gets `place` put before it.
template <typename Body>
auto located(const std::string &place, Body body) {
  try {
    return body();
  } catch (...) {
    Failure failure = current_failure();
    failure.context = place + ": " + failure.context;
    throw failure;
  }
}

}  // namespace ns::columnar
