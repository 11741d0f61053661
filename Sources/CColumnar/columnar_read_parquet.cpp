#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/array/util.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/size_statistics.h>
#include <parquet/statistics.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cstring>

#include "columnar_read_file.h"
#include "columnar_read_texts.h"

// Parquet: each column of a row group is read by a reader of its own, so that a failure names its
// column and each may arrive with or without a dictionary. Numbers and texts are read page by page
// by a `PagedColumn`; what it refuses, and everything else, by Arrow.

namespace ns::columnar {

namespace {

/// Stored bytes of a row group that are held at once, over all columns.
constexpr int64_t kStoredBytes = 48 << 20;

parquet::ReaderProperties reader_properties(arrow::MemoryPool *pool) {
  parquet::ReaderProperties properties(pool);
  properties.set_page_checksum_verification(true);
  properties.set_thrift_string_size_limit(NS_COLUMNAR_METADATA_LIMIT);
  properties.set_thrift_container_size_limit(4 * NS_COLUMNAR_GROUP_LIMIT);
  properties.set_footer_read_size(64 << 10);
  return properties;
}

bool is_text(const arrow::DataType &type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}

/// Whether bounds of type `bounds` bound the numbers or texts that values of type `values` become.
bool says_the_same(const arrow::DataType &values, const arrow::DataType &bounds) {
  if (is_text(values)) return is_text(bounds);
  // Binary is written as Base64, whose order is another.
  if (arrow::is_base_binary_like(values.id()) || arrow::is_fixed_size_binary(values.id())) {
    return arrow::is_decimal(values.id()) && arrow::is_decimal(bounds.id());
  }
  return values.id() == bounds.id() && values.id() != arrow::Type::NA;
}

/// The rows of one column of a row group, as far as they are read.
struct ColumnRows {
  /// One of the two is there.
  std::unique_ptr<PagedColumn> paged;
  std::unique_ptr<arrow::RecordBatchReader> reader;
  std::shared_ptr<arrow::Array> rows;
  int64_t at = 0;
  /// Rows before `rows` that were passed over without reading.
  int64_t passed = 0;
  CheckedDictionary checked;

  int64_t left() const { return passed + (rows == nullptr ? 0 : rows->length() - at); }
};

class ParquetFile;
class ParquetSelection;

class ParquetGroup : public GroupReader {
 public:
  ParquetGroup(const ParquetFile &file, const ParquetSelection &reader, uint32_t group,
               int64_t skipped, std::vector<ColumnRows> columns);

  bool next(Rows &rows) override;

 private:
  /// Reads on where nothing is left of a column.
  void refill(size_t index);
  /// Reads the next rows of a column, or passes over those that are skipped.
  void read(ColumnRows &column, uint32_t number);
  /// Reads all of a column from here on as Arrow does.
  void fall_back(size_t index);

  const ParquetFile &file_;
  const ParquetSelection &reader_;
  const Selection &selection_;
  const uint32_t group_;
  int64_t at_, skip_;
  std::vector<ColumnRows> columns_;
};

class ParquetSelection : public SelectionReader {
 public:
  ParquetSelection(const ParquetFile &file, const Selection &selection);
  std::unique_ptr<GroupReader> open(uint32_t group, int64_t skipped) override;
  /// Arrow's reader of a column.
  std::unique_ptr<arrow::RecordBatchReader> read(uint32_t group, size_t index) const;
  const Selection &selection() const { return selection_; }

 private:
  /// Our own reader of a column; null where Arrow's is needed.
  std::unique_ptr<PagedColumn> read_pages(uint32_t group, size_t index);
  /// What pages are read with.
  parquet::ReaderProperties stored_properties() const;
  /// The selection with as many rows in a batch as leave its text some room.
  static Selection shortened(const ParquetFile &file, Selection selection);
  std::unique_ptr<parquet::arrow::FileReader> make(bool has_dictionaries) const;
  /// The stored bytes of the columns in the row group that has most.
  int64_t largest_byte_count() const;
  /// Whether a column's values are all stored by a dictionary in a row group.
  bool is_encoded(uint32_t group, size_t index) const;

  const ParquetFile &file_;
  const Selection selection_;
  const parquet::ReaderProperties stored_;
  Unpacker unpacker_;
  std::unique_ptr<parquet::arrow::FileReader> plain_, encoded_;
};

class ParquetFile : public File {
 public:
  ParquetFile(const ns_columnar_input &source, int64_t memory_limit);

  std::unique_ptr<SelectionReader> read(const Selection &selection) override {
    return std::make_unique<ParquetSelection>(*this, selection);
  }
  Extremes extremes(uint32_t group, uint32_t column) override;
  const char *group_name() const override { return "row group"; }

  std::string place(uint32_t group, uint32_t column) const {
    return "row group " + std::to_string(group) + ", column " + columns[column].name;
  }

  std::shared_ptr<parquet::FileMetaData> metadata;
  /// For each column of ours the one of the file; -1 where it is nested.
  std::vector<int> leaves;

 private:
  void check_footer() const;
  void forget_arrow_schema() const;
};

// MARK: File

ParquetFile::ParquetFile(const ns_columnar_input &source, int64_t memory_limit)
    : File(source, memory_limit) {
  check_footer();
  auto reader = parquet::ParquetFileReader::Open(input, reader_properties(pool.get()));
  metadata = reader->metadata();
  if (metadata->num_columns() > NS_COLUMNAR_COLUMN_LIMIT) {
    throw Failure{ns_columnar_limit, "it has " + std::to_string(metadata->num_columns()) +
                                         " columns, which are more than " +
                                         std::to_string(NS_COLUMNAR_COLUMN_LIMIT)};
  }
  forget_arrow_schema();
  auto files = take(parquet::arrow::FileReader::Make(pool.get(), std::move(reader)));
  std::shared_ptr<arrow::Schema> schema;
  check(files->GetSchema(&schema));
  take_columns(*schema);
  for (size_t i = 0; i < columns.size(); i++) {
    const auto &field = files->manifest().schema_fields[i];
    leaves.push_back(field.is_leaf() ? field.column_index : -1);
    if (!field.is_leaf()) columns[i].values = nullptr;
    // What indices have where text is read with its dictionary.
    if (columns[i].values != nullptr && is_text(*columns[i].values)) {
      columns[i].indices = arrow::int32();
    }
  }
  check_group_count(metadata->num_row_groups());
  const int64_t size = take(input->GetSize());
  for (int i = 0; i < metadata->num_row_groups(); i++) {
    const auto group = metadata->RowGroup(i);
    // What old writers leave out of it is the sum of the columns.
    int64_t byte_count = group->total_compressed_size();
    if (byte_count <= 0) {
      byte_count = 0;
      for (int k = 0; k < group->num_columns(); k++) {
        const int64_t stored = group->ColumnChunk(k)->total_compressed_size();
        byte_count = std::min(size, byte_count + std::clamp<int64_t>(stored, 0, size));
      }
    }
    // It only decides where shards are cut: a writer that counts otherwise does no harm.
    groups.push_back({group->num_rows(), std::min(size, byte_count)});
  }
}

/// Looks at the file's begin and end before Arrow takes memory for what they say.
void ParquetFile::check_footer() const {
  const int64_t size = take(input->GetSize());
  uint8_t tail[8] = {};
  if (size < 12) throw Failure{ns_columnar_damaged, "is no Parquet file: it is too short"};
  input->read_whole(size - 8, 8, tail);
  if (std::memcmp(tail + 4, "PARE", 4) == 0) {
    throw Failure{ns_columnar_unsupported, "is encrypted"};
  }
  if (std::memcmp(tail + 4, "PAR1", 4) != 0) {
    throw Failure{ns_columnar_damaged, "is no Parquet file, or its end is missing"};
  }
  uint32_t length;
  std::memcpy(&length, tail, 4);
  if (length > NS_COLUMNAR_METADATA_LIMIT) {
    throw Failure{ns_columnar_limit, "its metadata takes " + std::to_string(length) +
                                         " bytes, which are more than " +
                                         std::to_string(NS_COLUMNAR_METADATA_LIMIT)};
  }
}

/// Makes Arrow read columns by Parquet's own types.
///
/// A schema that the writer left beside them would ask for other layouts of the same values (large
/// text, dictionaries of its own making, other zones), which say nothing more to us. The reader has
/// no option for that; the metadata was made for this file alone and is changed before it is used.
void ParquetFile::forget_arrow_schema() const {
  const auto &pairs = metadata->key_value_metadata();
  if (pairs == nullptr || !pairs->Contains("ARROW:schema")) return;
  check(const_cast<arrow::KeyValueMetadata &>(*pairs).Delete("ARROW:schema"));
}

File::Extremes ParquetFile::extremes(uint32_t group, uint32_t column) {
  Extremes result;
  if (leaves[column] < 0 || columns[column].values == nullptr) return result;
  const auto chunk = metadata->RowGroup(static_cast<int>(group))->ColumnChunk(leaves[column]);
  // Arrow leaves out what writers are known to have got wrong.
  if (!chunk->is_stats_set()) return result;
  const auto statistics = chunk->statistics();
  if (statistics == nullptr) return result;
  if (statistics->HasNullCount()) result.null_count = statistics->null_count();
  if (!statistics->HasMinMax()) return result;
  std::shared_ptr<arrow::Scalar> minimum, maximum;
  // A type whose bounds Arrow does not give has none.
  if (!parquet::arrow::StatisticsAsScalars(*statistics, &minimum, &maximum).ok()) return result;
  const auto array_of = [&](const arrow::Scalar &scalar) -> std::shared_ptr<arrow::Array> {
    auto array = arrow::MakeArrayFromScalar(scalar, 1, pool.get());
    return array.ok() && says_the_same(*columns[column].values, *(*array)->type()) ? *array
                                                                                   : nullptr;
  };
  result.minimum = array_of(*minimum);
  result.maximum = array_of(*maximum);
  return result;
}

// MARK: Selection

ParquetSelection::ParquetSelection(const ParquetFile &file, const Selection &selection)
    : file_(file), selection_(shortened(file, selection)), stored_(stored_properties()),
      plain_(make(false)) {
  const auto &wants = selection.takes_dictionary;
  if (std::find(wants.begin(), wants.end(), true) != wants.end()) encoded_ = make(true);
}

/// Bytes that a column's values take in a row on average, once they are decoded.
double decoded_width(const parquet::ColumnChunkMetaData &chunk, int64_t row_count) {
  int64_t byte_count = chunk.total_uncompressed_size();
  const auto sizes = chunk.size_statistics();
  if (sizes != nullptr && sizes->unencoded_byte_array_data_bytes.has_value()) {
    byte_count = std::max(byte_count, *sizes->unencoded_byte_array_data_bytes);
  }
  return static_cast<double>(byte_count) / static_cast<double>(std::max<int64_t>(row_count, 1));
}

Selection ParquetSelection::shortened(const ParquetFile &file, Selection selection) {
  double widest = 1;
  for (uint32_t group = selection.first_group; group < selection.end_group; group++) {
    const auto metadata = file.metadata->RowGroup(static_cast<int>(group));
    double width = 0;
    for (const uint32_t column : selection.columns) {
      width += decoded_width(*metadata->ColumnChunk(file.leaves[column]), metadata->num_rows());
    }
    widest = std::max(widest, width);
  }
  const double rows = std::max(static_cast<double>(file.pool->limit() / 8) / widest, 1.0);
  if (rows < static_cast<double>(selection.batch_row_limit)) {
    selection.batch_row_limit = static_cast<int64_t>(rows);
  }
  return selection;
}

std::unique_ptr<parquet::arrow::FileReader> ParquetSelection::make(bool has_dictionaries) const {
  parquet::ArrowReaderProperties properties(false);
  properties.set_pre_buffer(false);
  properties.set_batch_size(selection_.batch_row_limit);
  for (size_t i = 0; has_dictionaries && i < selection_.columns.size(); i++) {
    const uint32_t column = selection_.columns[i];
    if (!selection_.takes_dictionary[i] || !is_text(*file_.columns[column].values)) continue;
    properties.set_read_dictionary(file_.leaves[column], true);
  }
  auto reader = parquet::ParquetFileReader::Open(file_.input, stored_, file_.metadata);
  return take(
      parquet::arrow::FileReader::Make(file_.pool.get(), std::move(reader), properties));
}

parquet::ReaderProperties ParquetSelection::stored_properties() const {
  auto stored = reader_properties(file_.pool.get());
  if (largest_byte_count() > kStoredBytes) {
    // Pages come through a buffer for each column; that costs a copy, and more reads.
    const int64_t column_count = static_cast<int64_t>(selection_.columns.size());
    stored.enable_buffered_stream();
    stored.set_buffer_size(std::clamp<int64_t>(kStoredBytes / column_count, 64 << 10, 4 << 20));
  }
  return stored;
}

int64_t ParquetSelection::largest_byte_count() const {
  int64_t largest = 0;
  for (uint32_t group = selection_.first_group; group < selection_.end_group; group++) {
    const auto metadata = file_.metadata->RowGroup(static_cast<int>(group));
    int64_t byte_count = 0;
    for (const uint32_t column : selection_.columns) {
      const int64_t stored =
          metadata->ColumnChunk(file_.leaves[column])->total_compressed_size();
      byte_count += std::clamp<int64_t>(stored, 0, INT64_MAX - byte_count);
    }
    largest = std::max(largest, byte_count);
  }
  return largest;
}

bool ParquetSelection::is_encoded(uint32_t group, size_t index) const {
  const uint32_t column = selection_.columns[index];
  if (!selection_.takes_dictionary[index] || !is_text(*file_.columns[column].values)) return false;
  const auto chunk =
      file_.metadata->RowGroup(static_cast<int>(group))->ColumnChunk(file_.leaves[column]);
  if (!chunk->has_dictionary_page()) return false;
  bool is_known = false;
  for (const auto &page : chunk->encoding_stats()) {
    const bool holds_values = page.page_type == parquet::PageType::DATA_PAGE ||
                              page.page_type == parquet::PageType::DATA_PAGE_V2;
    if (!holds_values) continue;
    is_known = true;
    if (page.encoding != parquet::Encoding::PLAIN_DICTIONARY &&
        page.encoding != parquet::Encoding::RLE_DICTIONARY) {
      return false;
    }
  }
  if (is_known) return true;
  // Without counts: the old name of the encoding, and no plain page beside it.
  const auto &encodings = chunk->encodings();
  const auto has = [&](parquet::Encoding::type encoding) {
    return std::find(encodings.begin(), encodings.end(), encoding) != encodings.end();
  };
  return has(parquet::Encoding::PLAIN_DICTIONARY) && !has(parquet::Encoding::PLAIN);
}

std::unique_ptr<arrow::RecordBatchReader> ParquetSelection::read(uint32_t group,
                                                                 size_t index) const {
  auto &reader = is_encoded(group, index) ? *encoded_ : *plain_;
  return take(reader.GetRecordBatchReader({static_cast<int>(group)},
                                          {file_.leaves[selection_.columns[index]]}));
}

std::unique_ptr<PagedColumn> ParquetSelection::read_pages(uint32_t group, size_t index) {
  const uint32_t column = selection_.columns[index];
  const int leaf = file_.leaves[column];
  // Versions that pack pages and say that they do not (ARROW-10353): Arrow knows them.
  if (file_.metadata->writer_version().VersionLt(
          parquet::ApplicationVersion::PARQUET_CPP_10353_FIXED_VERSION())) {
    return nullptr;
  }
  try {
    const auto chunk = file_.metadata->RowGroup(static_cast<int>(group))->ColumnChunk(leaf);
    const auto &descriptor = *file_.metadata->schema()->Column(leaf);
    const auto &type = file_.columns[column].values;
    const ColumnChunk from = {file_.input, stored_, *chunk, descriptor, unpacker_};
    if (FlatColumn::reads(*chunk, descriptor, *type)) {
      return std::make_unique<FlatColumn>(from, type);
    }
    if (!TextColumn::reads(*chunk, descriptor, *type)) return nullptr;
    if (is_encoded(group, index)) return std::make_unique<CodedTextColumn>(from, type);
    return std::make_unique<TextColumn>(from, type);
  } catch (...) {
    return nullptr;  // Arrow tells why
  }
}

std::unique_ptr<GroupReader> ParquetSelection::open(uint32_t group, int64_t skipped) {
  std::vector<ColumnRows> columns(selection_.columns.size());
  for (size_t i = 0; i < columns.size(); i++) {
    columns[i].paged = read_pages(group, i);
    if (columns[i].paged != nullptr) continue;
    columns[i].reader = located(file_.place(group, selection_.columns[i]),
                                [&] { return read(group, i); });
  }
  return std::make_unique<ParquetGroup>(file_, *this, group, skipped, std::move(columns));
}

// MARK: Row group

ParquetGroup::ParquetGroup(const ParquetFile &file, const ParquetSelection &reader,
                           uint32_t group, int64_t skipped, std::vector<ColumnRows> columns)
    : file_(file), reader_(reader), selection_(reader.selection()), group_(group), at_(0),
      skip_(std::min(skipped, file.groups[group].row_count)), columns_(std::move(columns)) {}

void ParquetGroup::refill(size_t index) {
  ColumnRows &column = columns_[index];
  if (column.left() > 0) return;
  const uint32_t number = selection_.columns[index];
  located(file_.place(group_, number), [&] {
    if (column.paged != nullptr) {
      try {
        return read(column, number);
      } catch (...) {
        if (file_.input->has_failed()) throw;
        fall_back(index);
        if (column.left() > 0) return;
      }
    }
    read(column, number);
  });
}

void ParquetGroup::read(ColumnRows &column, uint32_t number) {
  column.rows = nullptr;
  column.at = 0;
  if (column.paged != nullptr) {
    if (at_ < skip_) {
      column.paged->skip(skip_ - at_);
      column.passed = skip_ - at_;
    } else {
      column.rows = column.paged->next(selection_.batch_row_limit);
    }
    return;
  }
  do {
    std::shared_ptr<arrow::RecordBatch> batch;
    check(column.reader->ReadNext(&batch));
    if (batch == nullptr) return;
    column.rows = settle(file_.columns[number], batch->column(0), file_.pool.get(),
                         column.checked);
  } while (column.left() == 0);
}

void ParquetGroup::fall_back(size_t index) {
  ColumnRows &column = columns_[index];
  column.paged = nullptr;
  column.reader = reader_.read(group_, index);
  for (int64_t done = 0; done < at_;) {
    read(column, selection_.columns[index]);
    const int64_t count = std::min(column.left(), at_ - done);
    if (count == 0) return;
    column.at = count;
    done += count;
  }
}

bool ParquetGroup::next(Rows &rows) {
  const int64_t row_count = file_.groups[group_].row_count;
  while (at_ < row_count) {
    int64_t count = columns_.empty() ? row_count - at_ : selection_.batch_row_limit;
    for (size_t i = 0; i < columns_.size(); i++) {
      refill(i);
      count = std::min(count, columns_[i].left());
      if (count > 0) continue;
      throw Failure{ns_columnar_damaged,
                    file_.place(group_, selection_.columns[i]) + ": ends after " +
                        std::to_string(at_) + " of " + std::to_string(row_count) + " rows"};
    }
    count = std::min(count, row_count - at_);
    const int64_t passed = std::min(count, std::max<int64_t>(0, skip_ - at_));
    rows.group = group_;
    rows.first_row = at_ + passed;
    rows.row_count = count - passed;
    rows.columns.clear();
    for (ColumnRows &column : columns_) {
      if (column.passed > 0) {
        column.passed -= count;
        continue;
      }
      rows.columns.push_back(column.rows->Slice(column.at + passed, count - passed));
      column.at += count;
    }
    at_ += count;
    if (rows.row_count > 0) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<File> open_parquet(const ns_columnar_input &source, int64_t memory_limit) {
  return std::make_unique<ParquetFile>(source, memory_limit);
}

}  // namespace ns::columnar
