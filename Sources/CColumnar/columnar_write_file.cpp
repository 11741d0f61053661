// Files of results from the streams of their blocks: Parquet, or the Arrow IPC file format.

#include <arrow/array/array_base.h>
#include <arrow/array/data.h>
#include <arrow/chunked_array.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>
#include <parquet/types.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "columnar_write_common.h"

using namespace ns::results;

namespace {

// Fixed, because the output's bytes depend on it.
constexpr int kCompressionLevel = 1;

// Writes tables: each is one row group, or one record batch.
class GroupWriter {
 public:
  virtual ~GroupWriter() = default;
  virtual arrow::Status write(const std::shared_ptr<arrow::Table> &table) = 0;
  virtual arrow::Status finish() = 0;
};

// Rows that are looked at to tell how a column is best encoded.
constexpr int64_t kSampleCount = 4096;

// The bytes of a value, as far as they tell values apart.
std::string_view bytes_of(const arrow::ArrayData &array, int64_t row) {
  if (array.buffers.size() == 3) {
    const auto *offsets = array.GetValues<int32_t>(1) + row;
    if (offsets[0] == offsets[1]) return {};
    const auto *bytes = reinterpret_cast<const char *>(array.buffers[2]->data());
    return {bytes + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
  }
  const auto width = static_cast<size_t>(array.type->bit_width() / 8);
  const auto *values = reinterpret_cast<const char *>(array.buffers[1]->data());
  return {values + static_cast<size_t>(array.offset + row) * width, width};
}

// Whether a column's values come again so often that a dictionary of them is worth its time: of
// numbers that hardly ever do, such as keys and predictions, it took a third of all time that
// writing took, to be given up when it was full.
bool repeats(const arrow::ChunkedArray &column) {
  if (column.type()->id() == arrow::Type::BOOL) return true;
  const int64_t step = std::max<int64_t>(1, column.length() / kSampleCount);
  std::vector<std::string_view> values;
  int64_t row = 0;
  for (const auto &chunk : column.chunks()) {
    for (; row < chunk->length(); row += step) {
      if (chunk->IsValid(row)) values.push_back(bytes_of(*chunk->data(), row));
    }
    row -= chunk->length();
  }
  const size_t count = values.size();
  if (count < 256) return true;
  std::sort(values.begin(), values.end());
  const auto different = std::unique(values.begin(), values.end()) - values.begin();
  return static_cast<size_t>(different) < count - count / 16;
}

class ParquetWriter final : public GroupWriter {
 public:
  static std::unique_ptr<GroupWriter> make(
      const std::shared_ptr<arrow::Schema> &schema, const ns_result_file_options &options,
      const std::shared_ptr<const arrow::KeyValueMetadata> &metadata,
      const std::shared_ptr<CallerStream> &stream) {
    auto writer = std::make_unique<ParquetWriter>();
    writer->schema_ = schema;
    writer->created_by_ = options.created_by;
    writer->is_compressed_ = options.is_compressed != 0;
    writer->metadata_ = metadata;
    writer->stream_ = stream;
    return writer;
  }

  arrow::Status write(const std::shared_ptr<arrow::Table> &table) override {
    if (!writer_) ARROW_RETURN_NOT_OK(begin(table.get()));
    return writer_->WriteTable(*table, std::max<int64_t>(1, table->num_rows()));
  }

  arrow::Status finish() override {
    if (!writer_) ARROW_RETURN_NOT_OK(begin(nullptr));
    ARROW_RETURN_NOT_OK(writer_->AddKeyValueMetadata(metadata_));
    return writer_->Close();
  }

 private:
  // Begins the file, whose columns are encoded as suits the first group of rows; there is none in a
  // file without rows.
  arrow::Status begin(const arrow::Table *first) {
    parquet::WriterProperties::Builder builder;
    builder.version(parquet::ParquetVersion::PARQUET_2_6)
        ->data_page_version(parquet::ParquetDataPageVersion::V1)  // what every reader knows
        ->created_by(created_by_)
        ->enable_dictionary()
        ->enable_statistics()
        ->enable_page_checksum()
        ->enable_write_page_index()
        ->data_pagesize(1 << 20)
        ->dictionary_pagesize_limit(1 << 20)
        ->write_batch_size(1024)
        ->max_rows_per_page(20'000)
        ->max_row_group_length(std::numeric_limits<int64_t>::max());
    if (is_compressed_) {
      builder.compression(arrow::Compression::ZSTD)->compression_level(kCompressionLevel);
    } else {
      builder.compression(arrow::Compression::UNCOMPRESSED);
    }
    for (int index = 0; first != nullptr && index < first->num_columns(); ++index) {
      if (repeats(*first->column(index))) continue;
      auto path = parquet::schema::ColumnPath({schema_->field(index)->name()});
      builder.disable_dictionary(path.ToDotString());
      switch (schema_->field(index)->type()->id()) {
        case arrow::Type::INT64:
        case arrow::Type::TIMESTAMP:
        case arrow::Type::DATE32:
          builder.encoding(path.ToDotString(), parquet::Encoding::DELTA_BINARY_PACKED);
          break;
        default: break;
      }
    }
    parquet::ArrowWriterProperties::Builder arrow_builder;
    arrow_builder.set_use_threads(false);
    ARROW_ASSIGN_OR_RAISE(
        writer_, parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), stream_,
                                                  builder.build(), arrow_builder.build()));
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> schema_;
  std::string created_by_;
  bool is_compressed_ = false;
  std::shared_ptr<CallerStream> stream_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  std::shared_ptr<const arrow::KeyValueMetadata> metadata_;
};

class ArrowWriter final : public GroupWriter {
 public:
  static arrow::Result<std::unique_ptr<GroupWriter>> make(
      const std::shared_ptr<arrow::Schema> &schema, const ns_result_file_options &options,
      const std::shared_ptr<const arrow::KeyValueMetadata> &metadata,
      const std::shared_ptr<CallerStream> &stream) {
    auto ipc = arrow::ipc::IpcWriteOptions::Defaults();
    ipc.use_threads = false;
    ipc.alignment = 64;
    ipc.metadata_version = arrow::ipc::MetadataVersion::V5;
    if (options.is_compressed) {
      ARROW_ASSIGN_OR_RAISE(ipc.codec, arrow::util::Codec::Create(arrow::Compression::ZSTD,
                                                                  kCompressionLevel));
    }
    auto writer = std::make_unique<ArrowWriter>();
    ARROW_ASSIGN_OR_RAISE(writer->writer_,
                          arrow::ipc::MakeFileWriter(stream, schema, ipc, metadata));
    return writer;
  }

  arrow::Status write(const std::shared_ptr<arrow::Table> &table) override {
    // One column's text may be more than one array's offsets can tell: then it is several batches.
    arrow::TableBatchReader reader(*table);
    std::shared_ptr<arrow::RecordBatch> batch;
    if (fits(*table)) {
      ARROW_ASSIGN_OR_RAISE(batch, table->CombineChunksToBatch());
      return writer_->WriteRecordBatch(*batch);
    }
    for (;;) {
      ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
      if (!batch) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(writer_->WriteRecordBatch(*batch));
    }
  }

  arrow::Status finish() override { return writer_->Close(); }

 private:
  static bool fits(const arrow::Table &table) {
    return arrow::util::TotalBufferSize(table) < std::numeric_limits<int32_t>::max();
  }

  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

// Takes what a block's stream holds.
class BlockListener final : public arrow::ipc::Listener {
 public:
  explicit BlockListener(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}

  arrow::Status OnSchemaDecoded(std::shared_ptr<arrow::Schema> schema) override {
    if (schema->Equals(*schema_, /*check_metadata=*/false)) return arrow::Status::OK();
    return arrow::Status::Invalid("the block has other columns than the file: ",
                                  schema->ToString());
  }
  arrow::Status OnRecordBatchDecoded(std::shared_ptr<arrow::RecordBatch> batch) override {
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    batches.push_back(std::move(batch));
    return arrow::Status::OK();
  }
  arrow::Status OnEOS() override {
    is_complete = true;
    return arrow::Status::OK();
  }

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  bool is_complete = false;

 private:
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

struct ns_result_writer {
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<CallerStream> stream;
  std::unique_ptr<GroupWriter> group_writer;
  int64_t group_row_count;
  int64_t group_byte_count;
  // The block under way.
  std::shared_ptr<BlockListener> listener;
  std::unique_ptr<arrow::ipc::StreamDecoder> decoder;
  uint64_t block_row_count = 0;
  // What the next group has so far.
  std::vector<std::shared_ptr<arrow::RecordBatch>> pending;
  int64_t pending_row_count = 0;
  int64_t pending_byte_count = 0;
  // Whether the bytes that came in are what failed.
  bool is_reading = false;
};

static arrow::Status write_group(ns_result_writer &writer) {
  if (writer.pending_row_count == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(
      auto table, arrow::Table::FromRecordBatches(writer.schema, std::move(writer.pending)));
  writer.pending.clear();
  writer.pending_row_count = 0;
  writer.pending_byte_count = 0;
  return writer.group_writer->write(table);
}

// The bytes of a batch's values: of their number and lengths alone, not of how they came.
static int64_t value_byte_count(const arrow::RecordBatch &batch) {
  int64_t total = 0;
  for (const auto &column : batch.column_data()) {
    if (column->buffers.size() == 3) {
      const auto *offsets = column->GetValues<int32_t>(1);
      total += 4 * column->length;
      if (offsets != nullptr) total += offsets[column->length] - offsets[0];
    } else {
      int width = column->type->bit_width();
      total += (column->length * width + 7) / 8;
    }
  }
  return total;
}

// Moves what was decoded to the group under way.
static arrow::Status take_batches(ns_result_writer &writer) {
  for (auto &batch : writer.listener->batches) {
    if (batch->num_rows() == 0) continue;
    writer.block_row_count += static_cast<uint64_t>(batch->num_rows());
    writer.pending_row_count += batch->num_rows();
    writer.pending_byte_count += value_byte_count(*batch);
    writer.pending.push_back(std::move(batch));
    // A block has at most some megabytes, but for one of a long compressed file.
    if (writer.pending_byte_count / 2 >= writer.group_byte_count) {
      ARROW_RETURN_NOT_OK(write_group(writer));
    }
  }
  writer.listener->batches.clear();
  return arrow::Status::OK();
}

static arrow::Status append_bytes(ns_result_writer &writer, const void *bytes, size_t count) {
  if (count == 0) return arrow::Status::OK();
  if (!writer.decoder) {
    writer.listener = std::make_shared<BlockListener>(writer.schema);
    writer.decoder = std::make_unique<arrow::ipc::StreamDecoder>(writer.listener);
    writer.block_row_count = 0;
  }
  // Batches point into the copy.
  auto size = static_cast<int64_t>(count);
  ARROW_ASSIGN_OR_RAISE(auto unique, arrow::AllocateBuffer(size));
  std::memcpy(unique->mutable_data(), bytes, count);
  std::shared_ptr<arrow::Buffer> buffer = std::move(unique);
  // Message by message, because the decoder passes over what follows the end in one piece.
  for (int64_t place = 0; place < size;) {
    if (writer.listener->is_complete) {
      return arrow::Status::Invalid(size - place, " bytes follow the end of the block's stream");
    }
    int64_t part = std::min(std::max<int64_t>(1, writer.decoder->next_required_size()),
                            size - place);
    ARROW_RETURN_NOT_OK(writer.decoder->Consume(arrow::SliceBuffer(buffer, place, part)));
    place += part;
  }
  writer.is_reading = false;
  return take_batches(writer);
}

static arrow::Status end_block(ns_result_writer &writer, uint64_t *row_count) {
  *row_count = 0;
  if (!writer.decoder) return arrow::Status::OK();  // a block without records has no stream
  if (!writer.listener->is_complete) {
    return arrow::Status::Invalid("the block's stream ends within a message");
  }
  *row_count = writer.block_row_count;
  writer.decoder.reset();
  writer.listener.reset();
  writer.is_reading = false;
  if (writer.pending_row_count < writer.group_row_count &&
      writer.pending_byte_count < writer.group_byte_count) {
    return arrow::Status::OK();
  }
  return write_group(writer);
}

static arrow::Status start(ns_result_writer &writer, const ns_result_field *fields,
                           size_t field_count, const ns_result_file_options &options) {
  ARROW_ASSIGN_OR_RAISE(writer.schema, make_schema(fields, field_count));
  std::vector<std::string> keys, values;
  for (size_t index = 0; index < options.property_count; ++index) {
    keys.emplace_back(options.properties[index].key);
    values.emplace_back(options.properties[index].value);
  }
  auto metadata = arrow::key_value_metadata(std::move(keys), std::move(values));
  writer.group_row_count = static_cast<int64_t>(options.group_row_count);
  writer.group_byte_count = static_cast<int64_t>(options.group_byte_count);
  if (options.format == NS_RESULT_PARQUET) {
    writer.group_writer = ParquetWriter::make(writer.schema, options, metadata, writer.stream);
  } else if (options.format == NS_RESULT_ARROW) {
    ARROW_ASSIGN_OR_RAISE(writer.group_writer,
                          ArrowWriter::make(writer.schema, options, metadata, writer.stream));
  } else {
    return arrow::Status::Invalid("no file has the format ", options.format);
  }
  return arrow::Status::OK();
}

static auto code_for(const ns_result_writer &writer) {
  return [&writer](const arrow::Status &status) {
    if (writer.stream->failed) return NS_RESULT_CALLER_FAILED;
    return writer.is_reading && is_corruption(status) ? NS_RESULT_CORRUPT : NS_RESULT_FAILED;
  };
}

ns_result_writer *ns_result_writer_make(const ns_result_field *fields, size_t field_count,
                                            const ns_result_file_options *options,
                                            ns_result_write write, void *context,
                                            char **error) {
  std::unique_ptr<ns_result_writer> writer;
  int code = guarded(
      error,
      [&]() -> arrow::Status {
        writer = std::make_unique<ns_result_writer>();
        writer->stream = std::make_shared<CallerStream>();
        writer->stream->set(write, context);
        return start(*writer, fields, field_count, *options);
      },
      [](const arrow::Status &) { return NS_RESULT_FAILED; });
  if (code == NS_RESULT_OK) return writer.release();
  if (writer) writer->stream->failed = true;  // nothing more is written
  return nullptr;
}

int ns_result_writer_append(ns_result_writer *writer, const void *bytes, size_t count,
                              char **error) {
  writer->is_reading = true;
  return guarded(error, [&] { return append_bytes(*writer, bytes, count); }, code_for(*writer));
}

int ns_result_writer_end_block(ns_result_writer *writer, uint64_t *row_count, char **error) {
  writer->is_reading = true;
  return guarded(error, [&] { return end_block(*writer, row_count); }, code_for(*writer));
}

int ns_result_writer_finish(ns_result_writer *writer, char **error) {
  writer->is_reading = false;
  return guarded(
      error,
      [&]() -> arrow::Status {
        if (writer->decoder) return arrow::Status::Invalid("a block has not ended");
        ARROW_RETURN_NOT_OK(write_group(*writer));
        return writer->group_writer->finish();
      },
      code_for(*writer));
}

void ns_result_writer_free(ns_result_writer *writer) {
  // Parquet's writer closes its file when it goes, and what it then writes is for nobody.
  if (writer != nullptr) writer->stream->failed = true;
  delete writer;
  // What was freed goes back to the system: a coordinator merges now and then for months. After 60
  // merges of 200,000 rows it has 30 MiB, and 98 without this.
  arrow::default_memory_pool()->ReleaseUnused();
}
