#pragma once

// Columns of Parquet that lie in no list, read page by page straight into their arrays.
//
// Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/.

#include <arrow/util/compression.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <zstd.h>

#include <cstring>
#include <memory>

#include "columnar_read_file.h"

namespace ns::columnar {

/// Values that are unpacked at a time.
constexpr int64_t kRun = 512;

[[noreturn]] inline void refuse(const char *text) { throw Failure{ns_columnar_damaged, text}; }

template <typename Value>
inline Value load_as(const uint8_t *from) {
  Value value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Unpacks pages; keeps what zstd needs for that from page to page.
class Unpacker {
 public:
  /// Whether pages of a codec are unpacked.
  static bool knows(arrow::Compression::type codec);

  /// Fills `to` with exactly `count` bytes. Throws `Failure`.
  void unpack(arrow::Compression::type codec, const uint8_t *from, int64_t stored_count,
              uint8_t *to, int64_t count);

 private:
  struct Free {
    void operator()(ZSTD_DCtx *context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> zstd_;
  std::unique_ptr<arrow::util::Codec> snappy_;
};

/// Numbers of one width that are stored as runs of equal ones and as packed bits.
class PackedRuns {
 public:
  PackedRuns() = default;
  PackedRuns(const uint8_t *at, const uint8_t *end, int width)
      : at_(at), end_(end), width_(width) {}

  /// What comes next: `count` times the same number, or as many packed ones.
  struct Run {
    int64_t count;
    bool is_same;
    uint32_t value;
  };
  /// The rest of the run under way, or the next one. Throws `Failure` where there is none.
  Run peek();
  /// Writes packed numbers of the run that `peek` told.
  void unpack(uint32_t *to, int64_t count);
  /// Passes over numbers of that run.
  void pass(int64_t count);

 private:
  const uint8_t *at_ = nullptr, *end_ = nullptr;
  int width_ = 0;
  Run run_ = {0, true, 0};
  /// Of the packed run: where it begins, where it ends and how many numbers were taken.
  const uint8_t *packed_ = nullptr, *packed_end_ = nullptr;
  int64_t taken_ = 0;
};

/// What a column is read from; what it refers to has to outlive the column.
struct ColumnChunk {
  const std::shared_ptr<Input> &input;
  const parquet::ReaderProperties &properties;
  const parquet::ColumnChunkMetaData &metadata;
  const parquet::ColumnDescriptor &descriptor;
  Unpacker &unpacker;
};

/// One column of one row group: its pages, its levels and its dictionary.
///
/// Whatever it does not know or cannot read it refuses by an exception; Arrow's reader then has the
/// last word on what that is.
class PagedColumn {
 public:
  virtual ~PagedColumn() = default;

  /// The next `count` rows, or as many as there are.
  std::shared_ptr<arrow::Array> next(int64_t count);
  /// Passes over `count` rows; pages that are passed over as a whole are not unpacked.
  void skip(int64_t count);

 protected:
  /// Whether a column is packed and encoded as it is read here.
  static bool reads(const parquet::ColumnChunkMetaData &chunk,
                    const parquet::ColumnDescriptor &descriptor);

  /// Reads nothing yet.
  explicit PagedColumn(const ColumnChunk &chunk);

  /// The rows under way: how many are wanted, how many there are, and a bit for each, set where it
  /// has a value; made with the first row that has none.
  struct Rows {
    int64_t count = 0, at = 0, null_count = 0;
    std::unique_ptr<arrow::Buffer> validity;
  };

  /// Takes the dictionary, whose number of values is not negative.
  virtual void load_dictionary(const parquet::DictionaryPage &page) = 0;
  /// Makes room for so many rows.
  virtual void begin_rows(int64_t count) = 0;
  /// Appends the page's next values, one for each row from `rows_.at` on.
  virtual void append_values(int64_t count) = 0;
  /// Appends a value, of which `present` come, where a level is 1, and none where it is 0.
  virtual void append_some(const uint32_t *levels, int64_t count, int64_t present) = 0;
  /// Passes over values of the page.
  virtual void pass_values(int64_t count) = 0;
  virtual std::shared_ptr<arrow::Array> end_rows() = 0;

  void pass_indices(int64_t count);

  arrow::MemoryPool *const pool_;
  const arrow::Compression::type codec_;
  const bool is_nullable_;
  Unpacker &unpacker_;
  int64_t dictionary_count_ = -1;
  Rows rows_;
  // Of the page under way.
  bool is_encoded_ = false;
  PackedRuns indices_;
  const uint8_t *at_ = nullptr, *end_ = nullptr;

 private:
  /// Makes the next page of values the one under way; false at the end. What is at most
  /// `skippable` rows long is left packed.
  bool load(int64_t skippable);
  void begin_dictionary(const parquet::DictionaryPage &page);
  /// A page's bytes from `prefix` on, which are stored as they are before it.
  const uint8_t *unpacked(const parquet::DataPage &page, int64_t prefix, bool is_packed,
                          const uint8_t **end);
  void begin_values(const parquet::DataPage &page, const uint8_t *at, const uint8_t *end);
  void read_rows(int64_t count);
  void append_spread(const uint32_t *levels, int64_t count);
  void release();

  int64_t left_;  // rows of the column that no page has begun with yet
  const std::shared_ptr<Input> input_;
  const parquet::ReaderProperties &properties_;
  const parquet::ColumnDescriptor &descriptor_;
  int64_t begin_ = 0, byte_count_ = 0;
  std::unique_ptr<parquet::PageReader> pages_;
  std::shared_ptr<parquet::Page> page_;
  std::unique_ptr<arrow::Buffer> bytes_;
  int64_t page_left_ = 0;
  PackedRuns levels_;
};

}  // namespace ns::columnar
