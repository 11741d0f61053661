#pragma once

// Columns of Parquet whose values have a fixed width.

#include "columnar_read_pages.h"

namespace ns::columnar {

/// Numbers, or the indices of texts whose dictionary goes with them.
class FlatColumn : public PagedColumn {
 public:
  /// Whether a column is of a kind that is read here.
  static bool reads(const parquet::ColumnChunkMetaData &chunk,
                    const parquet::ColumnDescriptor &descriptor, const arrow::DataType &type);

  FlatColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type);

 protected:
  void load_dictionary(const parquet::DictionaryPage &page) override;
  void begin_rows(int64_t count) override;
  void append_values(int64_t count) override;
  void append_some(const uint32_t *levels, int64_t count, int64_t present) override;
  void pass_values(int64_t count) override;
  std::shared_ptr<arrow::Array> end_rows() override;

  /// Reads values that are there, one after the other.
  virtual void read_values(uint8_t *to, int64_t count);

  const std::shared_ptr<arrow::DataType> type_;

 private:
  template <typename Value>
  void read_by_dictionary(Value *to, int64_t count);

  const int width_;
  std::unique_ptr<arrow::Buffer> dictionary_;
  std::shared_ptr<arrow::Buffer> values_;
};

}  // namespace ns::columnar
