// What a written file holds: its number of rows, and single rows.

#include <arrow/array.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <limits>

#include "columnar_write_source.h"

using namespace ns::results;

namespace {

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
  ARROW_ASSIGN_OR_RAISE(auto arrow_reader, open_arrow_reader(file));
  ARROW_ASSIGN_OR_RAISE(auto table, arrow_reader->ReadRowGroup(group));
  arrow::TableBatchReader batches(table->Slice(left, 1));
  ARROW_ASSIGN_OR_RAISE(Batch batch, batches.Next());
  if (!batch) return arrow::Status::Invalid("there is no row ", row);
  return std::make_pair(batch, int64_t{0});
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
