// What a written file holds: its number of rows, and single rows.

#include <arrow/array.h>
#include <arrow/io/caching.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <limits>

#include "columnar_write_common.h"

using namespace ns::results;

namespace {

// A file that a caller's function reads.
class CallerFile final : public arrow::io::RandomAccessFile {
 public:
  explicit CallerFile(const ns_result_source &source) : source_(source) {}

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void *out) override {
    auto size = static_cast<int64_t>(source_.byte_count);
    if (position < 0 || count < 0) return arrow::Status::IOError("a place before the begin");
    int64_t left = std::min(count, std::max<int64_t>(0, size - position));
    if (left == 0) return 0;
    if (source_.read(source_.context, static_cast<uint64_t>(position), out,
                     static_cast<size_t>(left)) != 0) {
      failed = true;
      return arrow::Status::IOError("the read at ", position, " failed");
    }
    return left;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    // A footer that lies must not have memory taken for what is not there.
    auto size = static_cast<int64_t>(source_.byte_count);
    int64_t left = std::clamp<int64_t>(size - std::max<int64_t>(position, 0), 0,
                                       std::max<int64_t>(count, 0));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(left));
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, left, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t count, void *out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position_, count, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> GetSize() override { return static_cast<int64_t>(source_.byte_count); }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

  bool failed = false;

 private:
  ns_result_source source_;
  int64_t position_ = 0;
  bool closed_ = false;
};

using Batch = std::shared_ptr<arrow::RecordBatch>;

// Goes through the batches of a file until one has the row.
template <typename Next>
arrow::Result<std::pair<Batch, int64_t>> find(uint64_t row, Next next) {
  auto left = static_cast<int64_t>(std::min<uint64_t>(row, std::numeric_limits<int64_t>::max()));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(Batch batch, next());
    if (!batch) return arrow::Status::Invalid("there is no row ", row);
    if (left < batch->num_rows()) return std::make_pair(batch, left);
    left -= batch->num_rows();
  }
}

std::unique_ptr<parquet::ParquetFileReader> open_parquet(const std::shared_ptr<CallerFile> &file) {
  parquet::ReaderProperties properties(arrow::default_memory_pool());
  properties.set_page_checksum_verification(true);
  return parquet::ParquetFileReader::Open(file, properties);
}

arrow::Result<std::pair<Batch, int64_t>> parquet_row(const std::shared_ptr<CallerFile> &file,
                                                     uint64_t row) {
  auto reader = open_parquet(file);
  auto metadata = reader->metadata();
  auto left = static_cast<int64_t>(std::min<uint64_t>(row, std::numeric_limits<int64_t>::max()));
  int group = 0;
  while (group < metadata->num_row_groups() && left >= metadata->RowGroup(group)->num_rows()) {
    left -= metadata->RowGroup(group)->num_rows();
    ++group;
  }
  if (group == metadata->num_row_groups()) {
    return arrow::Status::Invalid("there is no row ", row);
  }
  std::unique_ptr<parquet::arrow::FileReader> arrow_reader;
  parquet::arrow::FileReaderBuilder builder;
  parquet::ReaderProperties properties(arrow::default_memory_pool());
  properties.set_page_checksum_verification(true);
  ARROW_RETURN_NOT_OK(builder.Open(file, properties));
  ARROW_RETURN_NOT_OK(builder.Build(&arrow_reader));
  arrow_reader->set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(auto table, arrow_reader->ReadRowGroup(group));
  arrow::TableBatchReader batches(table->Slice(left, 1));
  ARROW_ASSIGN_OR_RAISE(Batch batch, batches.Next());
  if (!batch) return arrow::Status::Invalid("there is no row ", row);
  return std::make_pair(batch, int64_t{0});
}

arrow::ipc::IpcReadOptions read_options() {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  return options;
}

arrow::Result<std::pair<Batch, int64_t>> find_row(const std::shared_ptr<CallerFile> &file,
                                                  int format, uint64_t row) {
  switch (format) {
    case NS_RESULT_PARQUET: return parquet_row(file, row);
    case NS_RESULT_ARROW: {
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::ipc::RecordBatchFileReader::Open(file, read_options()));
      int index = 0;
      return find(row, [&]() -> arrow::Result<Batch> {
        if (index == reader->num_record_batches()) return Batch();
        return reader->ReadRecordBatch(index++);
      });
    }
    case NS_RESULT_STREAM: {
      std::shared_ptr<arrow::io::InputStream> input = file;
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::ipc::RecordBatchStreamReader::Open(input, read_options()));
      return find(row, [&]() -> arrow::Result<Batch> { return reader->Next(); });
    }
    default: return arrow::Status::Invalid("no file has the format ", format);
  }
}

arrow::Result<int64_t> count_rows(const std::shared_ptr<CallerFile> &file, int format) {
  switch (format) {
    case NS_RESULT_PARQUET: return open_parquet(file)->metadata()->num_rows();
    case NS_RESULT_ARROW: {
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::ipc::RecordBatchFileReader::Open(file, read_options()));
      return reader->CountRows();
    }
    case NS_RESULT_STREAM: {
      std::shared_ptr<arrow::io::InputStream> input = file;
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::ipc::RecordBatchStreamReader::Open(input, read_options()));
      int64_t total = 0;
      for (;;) {
        ARROW_ASSIGN_OR_RAISE(Batch batch, reader->Next());
        if (!batch) return total;
        total += batch->num_rows();
      }
    }
    default: return arrow::Status::Invalid("no file has the format ", format);
  }
}

// Hands one value of a fixed size to the caller.
template <typename Array>
void visit_value(const arrow::Array &array, int64_t row, const std::string &name, int type,
                 ns_result_visit visit, void *context) {
  auto value = static_cast<const Array &>(array).Value(row);
  visit(context, name.data(), name.size(), type, &value, sizeof value);
}

arrow::Status visit_column(const arrow::Field &field, const arrow::Array &array, int64_t row,
                           ns_result_visit visit, void *context) {
  int type = type_code(*array.type());
  const std::string &name = field.name();
  if (type < 0) return arrow::Status::Invalid("column ", name, " is ", array.type()->ToString());
  if (array.IsNull(row)) {
    visit(context, name.data(), name.size(), type, nullptr, 0);
    return arrow::Status::OK();
  }
  switch (type) {
    case NS_RESULT_BOOLEAN:
      visit_value<arrow::BooleanArray>(array, row, name, type, visit, context);
      break;
    case NS_RESULT_INTEGER:
      visit_value<arrow::Int64Array>(array, row, name, type, visit, context);
      break;
    case NS_RESULT_NUMBER:
      visit_value<arrow::DoubleArray>(array, row, name, type, visit, context);
      break;
    case NS_RESULT_FLOAT:
      visit_value<arrow::FloatArray>(array, row, name, type, visit, context);
      break;
    case NS_RESULT_DATE:
      visit_value<arrow::Date32Array>(array, row, name, type, visit, context);
      break;
    case NS_RESULT_TIMESTAMP:
      visit_value<arrow::TimestampArray>(array, row, name, type, visit, context);
      break;
    default: {
      auto text = static_cast<const arrow::BinaryArray &>(array).GetView(row);
      const char *start = text.data() != nullptr ? text.data() : "";
      visit(context, name.data(), name.size(), type, start, text.size());
    }
  }
  return arrow::Status::OK();
}

auto code_for(const std::shared_ptr<CallerFile> &file) {
  return [file](const arrow::Status &status) {
    if (file->failed) return NS_RESULT_CALLER_FAILED;
    return is_corruption(status) ? NS_RESULT_CORRUPT : NS_RESULT_FAILED;
  };
}

}  // namespace

int ns_result_count_rows(const ns_result_source *source, uint64_t *row_count, char **error) {
  auto file = std::make_shared<CallerFile>(*source);
  return guarded(
      error,
      [&]() -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(int64_t count, count_rows(file, source->format));
        if (count < 0) return arrow::Status::Invalid("its footer counts ", count, " rows");
        *row_count = static_cast<uint64_t>(count);
        return arrow::Status::OK();
      },
      code_for(file));
}

int ns_result_read_row(const ns_result_source *source, uint64_t row, ns_result_visit visit,
                         void *context, char **error) {
  auto file = std::make_shared<CallerFile>(*source);
  return guarded(
      error,
      [&]() -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(auto found, find_row(file, source->format, row));
        const auto &[batch, index] = found;
        ARROW_RETURN_NOT_OK(batch->ValidateFull());
        for (int column = 0; column < batch->num_columns(); ++column) {
          ARROW_RETURN_NOT_OK(visit_column(*batch->schema()->field(column), *batch->column(column),
                                           index, visit, context));
        }
        return arrow::Status::OK();
      },
      code_for(file));
}
