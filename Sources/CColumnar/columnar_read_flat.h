#pragma once

// Columns of Parquet whose values have a fixed width and lie in no list, read page by page straight
// into their arrays.
//
// Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/.

#include <arrow/util/compression.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <zstd.h>

#include <memory>

#include "columnar_read_file.h"

namespace ns::columnar {

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

/// One column of one row group.
///
/// Whatever it does not know or cannot read it refuses by an exception; Arrow's reader then has the
/// last word on what that is.
class FlatColumn {
 public:
  /// Whether a column is of a kind that is read here.
  static bool reads(const parquet::ColumnChunkMetaData &chunk,
                    const parquet::ColumnDescriptor &descriptor, const arrow::DataType &type);

  /// Reads nothing yet. What it is given as references has to outlive it.
  FlatColumn(const std::shared_ptr<Input> &input, const parquet::ReaderProperties &properties,
             const parquet::ColumnChunkMetaData &chunk,
             const parquet::ColumnDescriptor &descriptor,
             std::shared_ptr<arrow::DataType> type, Unpacker &unpacker);

  /// The next `count` rows, or as many as there are.
  std::shared_ptr<arrow::Array> next(int64_t count);
  /// Passes over `count` rows; pages that are passed over as a whole are not unpacked.
  void skip(int64_t count);

 private:
  /// Makes the next page of values the one under way; false at the end. What is at most
  /// `skippable` rows long is left packed.
  bool load(int64_t skippable);
  void load_dictionary(const parquet::DictionaryPage &page);
  /// A page's bytes from `prefix` on, which are stored as they are before it.
  const uint8_t *unpacked(const parquet::DataPage &page, int64_t prefix, bool is_packed,
                          const uint8_t **end);
  void begin_values(const parquet::DataPage &page, const uint8_t *at, const uint8_t *end);

  /// Reads values that are there, one after the other.
  void read_values(uint8_t *to, int64_t count);
  template <typename Value>
  void read_by_dictionary(Value *to, int64_t count);
  void pass_values(int64_t count);
  /// Reads rows of which some may have no value.
  struct Target;
  void read_rows(Target &target, int64_t count);
  void spread(Target &target, const uint32_t *levels, int64_t count);
  void release();

  const std::shared_ptr<Input> input_;
  const parquet::ReaderProperties &properties_;
  const parquet::ColumnDescriptor &descriptor_;
  arrow::MemoryPool *const pool_;
  const arrow::Compression::type codec_;
  const std::shared_ptr<arrow::DataType> type_;
  const int width_;
  const bool is_nullable_;
  Unpacker &unpacker_;
  int64_t begin_ = 0, byte_count_ = 0;
  std::unique_ptr<parquet::PageReader> pages_;
  int64_t left_;  // rows of the column that no page has begun with yet
  std::shared_ptr<parquet::Page> page_;
  std::unique_ptr<arrow::Buffer> bytes_, dictionary_;
  int64_t dictionary_count_ = -1;
  // Of the page under way.
  int64_t page_left_ = 0;
  bool is_encoded_ = false;
  PackedRuns levels_, indices_;
  const uint8_t *at_ = nullptr, *end_ = nullptr;
};

}  // namespace ns::columnar
