#pragma once

// Columns of Parquet whose values are texts or bytes of any length.

#include "columnar_read_flat.h"

namespace ns::columnar {

/// A dictionary of texts: value i is the bytes from offset i to the next.
struct TextDictionary {
  /// Reads a dictionary's page. Throws `Failure`.
  TextDictionary(const parquet::DictionaryPage &page, arrow::Compression::type codec,
                 Unpacker &unpacker, arrow::MemoryPool *pool);

  const int32_t *offsets() const { return reinterpret_cast<const int32_t *>(ends->data()); }

  std::shared_ptr<arrow::Buffer> ends, bytes;
};

/// Texts that come as they are, however they are stored.
class TextColumn : public PagedColumn {
 public:
  /// Whether a column is of a kind that is read here.
  static bool reads(const parquet::ColumnChunkMetaData &chunk,
                    const parquet::ColumnDescriptor &descriptor, const arrow::DataType &type);

  TextColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type);

 protected:
  void load_dictionary(const parquet::DictionaryPage &page) override;
  void begin_rows(int64_t count) override;
  void append_values(int64_t count) override;
  void append_some(const uint32_t *levels, int64_t count, int64_t present) override;
  void pass_values(int64_t count) override;
  std::shared_ptr<arrow::Array> end_rows() override;

 private:
  /// Appends values as rows from `row` on.
  void append_at(int64_t row, int64_t count);
  void append_stored(int32_t *offsets, int64_t count);
  void append_coded(int32_t *offsets, int64_t count);
  /// Makes room for bytes up to `end`, and a few more that copies may spoil.
  void reserve(int64_t end);

  const std::shared_ptr<arrow::DataType> type_;
  std::unique_ptr<TextDictionary> dictionary_;
  std::shared_ptr<arrow::Buffer> offsets_;
  std::shared_ptr<arrow::ResizableBuffer> bytes_;
};

/// Texts that come as indices of their dictionary; refuses what is stored otherwise.
class CodedTextColumn : public FlatColumn {
 public:
  CodedTextColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type);

 protected:
  void load_dictionary(const parquet::DictionaryPage &page) override;
  void read_values(uint8_t *to, int64_t count) override;
  std::shared_ptr<arrow::Array> end_rows() override;

 private:
  const std::shared_ptr<arrow::DataType> text_type_;
  std::shared_ptr<arrow::ArrayData> dictionary_;
};

}  // namespace ns::columnar
