// Rows of a written file against blocks of results.

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/compare.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>
#include <vector>

#include "columnar_write_source.h"

using namespace ns::results;

struct ns_result_comparer {
  std::shared_ptr<CallerFile> file;
  // One of the two.
  std::unique_ptr<parquet::arrow::FileReader> parquet;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> ipc;
  int group_count = 0;
  int next_group = 0;
  // The row group, or record batch, at hand, and its first row in the file.
  std::shared_ptr<arrow::Table> group;
  int64_t group_begin = 0;
};

static arrow::Status open_file(ns_result_comparer &comparer, int format) {
  if (format == NS_RESULT_PARQUET) {
    ARROW_ASSIGN_OR_RAISE(comparer.parquet, open_arrow_reader(comparer.file));
    comparer.group_count = comparer.parquet->num_row_groups();
    return arrow::Status::OK();
  }
  if (format != NS_RESULT_ARROW) return arrow::Status::Invalid("no file has the format ", format);
  ARROW_ASSIGN_OR_RAISE(comparer.ipc,
                        arrow::ipc::RecordBatchFileReader::Open(comparer.file, read_options()));
  comparer.group_count = comparer.ipc->num_record_batches();
  return arrow::Status::OK();
}

// Reads the next group; of Parquet those that end before the row are passed over.
static arrow::Status read_group(ns_result_comparer &comparer, int64_t row) {
  if (comparer.group) comparer.group_begin += comparer.group->num_rows();
  comparer.group.reset();
  if (comparer.parquet) {
    auto metadata = comparer.parquet->parquet_reader()->metadata();
    while (comparer.next_group < comparer.group_count) {
      int64_t count = metadata->RowGroup(comparer.next_group)->num_rows();
      if (row - comparer.group_begin < count) break;
      comparer.group_begin += count;
      ++comparer.next_group;
    }
  }
  if (comparer.next_group == comparer.group_count) {
    return arrow::Status::Invalid("there is no row ", row);
  }
  int index = comparer.next_group++;
  if (comparer.parquet) {
    ARROW_ASSIGN_OR_RAISE(comparer.group, comparer.parquet->ReadRowGroup(index));
  } else {
    ARROW_ASSIGN_OR_RAISE(auto batch, comparer.ipc->ReadRecordBatch(index));
    ARROW_ASSIGN_OR_RAISE(comparer.group, arrow::Table::FromRecordBatches({batch}));
  }
  return comparer.group->ValidateFull();
}

// Has the group at hand that the row is in.
static arrow::Status seek(ns_result_comparer &comparer, int64_t row) {
  if (row < comparer.group_begin) {
    return arrow::Status::Invalid("row ", row, " comes after row ", comparer.group_begin);
  }
  while (!comparer.group || row - comparer.group_begin >= comparer.group->num_rows()) {
    ARROW_RETURN_NOT_OK(read_group(comparer, row));
  }
  return arrow::Status::OK();
}

// By their bits, but for those of NaNs.
static arrow::EqualOptions bits() {
  return arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
}

// Marks the rows in which one piece of a column differs.
static void mark(const arrow::Array &found, const arrow::Array &expected, int64_t begin,
                 std::vector<char> &differs) {
  if (found.Equals(expected, bits())) return;
  for (int64_t row = 0; row < found.length(); ++row) {
    if (found.RangeEquals(expected, row, row + 1, row, bits())) continue;
    differs[static_cast<size_t>(begin + row)] = 1;
  }
}

// Marks the rows in which two pieces of as many rows differ.
static arrow::Status mark(const arrow::Table &found, const arrow::RecordBatch &expected,
                          std::vector<char> &differs) {
  if (found.num_columns() != expected.num_columns()) {
    return arrow::Status::Invalid("it has ", found.num_columns(),
                                  " columns, scored again there are ",
                                  expected.num_columns());
  }
  for (int index = 0; index < found.num_columns(); ++index) {
    const auto &field = *found.schema()->field(index);
    const auto &other = *expected.schema()->field(index);
    if (field.name() != other.name() || !field.type()->Equals(*other.type())) {
      return arrow::Status::Invalid("column ", index, " is ", field.ToString(),
                                    ", scored again it is ", other.ToString());
    }
    int64_t begin = 0;
    for (const auto &chunk : found.column(index)->chunks()) {
      mark(*chunk, *expected.column(index)->Slice(begin, chunk->length()), begin, differs);
      begin += chunk->length();
    }
  }
  return arrow::Status::OK();
}

static arrow::Status compare(ns_result_comparer &comparer, uint64_t first_row, const void *bytes,
                             size_t count, uint64_t *row_count, ns_result_differ differ,
                             void *context) {
  *row_count = 0;
  arrow::io::BufferReader input(std::make_shared<arrow::Buffer>(
      static_cast<const uint8_t *>(bytes), static_cast<int64_t>(count)));
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        arrow::ipc::RecordBatchStreamReader::Open(&input, read_options()));
  std::vector<char> differs;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    for (int64_t place = 0; place < batch->num_rows();) {
      auto row = static_cast<int64_t>(first_row + *row_count);
      ARROW_RETURN_NOT_OK(seek(comparer, row));
      int64_t offset = row - comparer.group_begin;
      int64_t part = std::min(batch->num_rows() - place, comparer.group->num_rows() - offset);
      differs.assign(static_cast<size_t>(part), 0);
      ARROW_RETURN_NOT_OK(
          mark(*comparer.group->Slice(offset, part), *batch->Slice(place, part), differs));
      for (int64_t index = 0; index < part; ++index) {
        if (differs[static_cast<size_t>(index)] == 0) continue;
        differ(context, static_cast<uint64_t>(row + index),
               *row_count + static_cast<uint64_t>(index));
      }
      place += part;
      *row_count += static_cast<uint64_t>(part);
    }
  }
}

ns_result_comparer *ns_result_comparer_make(const ns_result_source *source, char **error) {
  auto comparer = std::make_unique<ns_result_comparer>();
  comparer->file = std::make_shared<CallerFile>(*source);
  int format = source->format;
  int code = guarded(
      error, [&] { return open_file(*comparer, format); }, code_for(comparer->file));
  return code == NS_RESULT_OK ? comparer.release() : nullptr;
}

int ns_result_comparer_compare(ns_result_comparer *comparer, uint64_t first_row,
                               const void *bytes, size_t count, uint64_t *row_count,
                               ns_result_differ differ, void *context, char **error) {
  return guarded(
      error,
      [&] { return compare(*comparer, first_row, bytes, count, row_count, differ, context); },
      code_for(comparer->file));
}

void ns_result_comparer_free(ns_result_comparer *comparer) { delete comparer; }
