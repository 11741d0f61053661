#include <arrow/c/bridge.h>

#include <algorithm>
#include <cmath>

#include "columnar_read_file.h"
#include "ns_columns.h"

// The C functions.

using namespace ns::columnar;

struct ns_columnar_file {
  std::unique_ptr<File> file;
};

struct ns_columnar_stream {
  File *file;
  Selection selection;
  std::unique_ptr<SelectionReader> reader;
  std::unique_ptr<GroupReader> group;
  uint32_t next_group;
  /// Rows that are read but not yet handed out: a record batch may hold more than the limit.
  Rows rows;
  int64_t taken = 0;
};

namespace ns::columnar {

void File::take_columns(const arrow::Schema &schema) {
  if (schema.num_fields() > NS_COLUMNAR_COLUMN_LIMIT) {
    throw Failure{ns_columnar_limit, "it has " + std::to_string(schema.num_fields()) +
                                         " columns, which are more than " +
                                         std::to_string(NS_COLUMNAR_COLUMN_LIMIT)};
  }
  for (const auto &field : schema.fields()) columns.push_back(describe(*field));
}

void File::check_group_count(int64_t count) {
  if (count < 0 || count > NS_COLUMNAR_GROUP_LIMIT) {
    throw Failure{ns_columnar_limit, "it has " + std::to_string(count) +
                                         " row groups, which are more than " +
                                         std::to_string(NS_COLUMNAR_GROUP_LIMIT)};
  }
}

void File::check_sizes() const {
  const int64_t size = take(input->GetSize());
  int64_t rows = 0;
  for (size_t i = 0; i < groups.size(); i++) {
    const ns_columnar_group &group = groups[i];
    if (group.row_count < 0 || group.row_count > NS_COLUMNAR_ROW_LIMIT - rows ||
        group.stored_byte_count < 0 || group.stored_byte_count > size) {
      throw Failure{ns_columnar_damaged,
                    std::string(group_name()) + " " + std::to_string(i) + " has " +
                        std::to_string(group.row_count) + " rows in " +
                        std::to_string(group.stored_byte_count) + " bytes"};
    }
    rows += group.row_count;
  }
}

namespace {

/// Bytes of a batch that its columns' values share, when nobody says how many rows it has: a row
/// group of the usual size then is one batch, and each column is read from begin to end with its
/// dictionary in the nearest cache.
constexpr int64_t kBatchBytes = 32 << 20;
constexpr int64_t kBatchRows = 131'072;

std::unique_ptr<File> open(int32_t format, const ns_columnar_input &input, int64_t memory_limit) {
  switch (format) {
    case ns_columnar_parquet: return open_parquet(input, memory_limit);
    case ns_columnar_orc: return open_orc(input, memory_limit);
    case ns_columnar_arrow: return open_arrow(input, memory_limit);
    default: throw Failure{ns_columnar_argument, "there is no such format"};
  }
}

Selection checked(const File &file, const ns_columnar_selection &wanted) {
  Selection selection;
  if (wanted.first_group > wanted.end_group || wanted.end_group > file.groups.size()) {
    throw Failure{ns_columnar_argument,
                  "there is no " + std::string(file.group_name()) + " " +
                      std::to_string(std::max(wanted.first_group, wanted.end_group)) +
                      ", there are " + std::to_string(file.groups.size())};
  }
  selection.first_group = wanted.first_group;
  selection.end_group = wanted.end_group;
  selection.skipped_row_count = std::max<int64_t>(0, wanted.skipped_row_count);
  for (uint32_t i = 0; i < wanted.column_count; i++) {
    const uint32_t column = wanted.columns[i];
    if (column >= file.columns.size()) {
      throw Failure{ns_columnar_argument, "there is no column " + std::to_string(column)};
    }
    if (file.columns[column].values == nullptr) {
      throw Failure{ns_columnar_unsupported,
                    "column " + file.columns[column].name + " is of type " +
                        file.columns[column].type_name + ", which is not read"};
    }
    selection.columns.push_back(column);
    selection.takes_dictionary.push_back(wanted.takes_dictionary != nullptr &&
                                         wanted.takes_dictionary[i] != 0);
  }
  int64_t limit = wanted.batch_row_limit;
  if (limit == 0) {
    limit = kBatchBytes / (8 * std::max<int64_t>(1, wanted.column_count)) / 1024 * 1024;
    limit = std::clamp<int64_t>(limit, 1024, kBatchRows);
  }
  selection.batch_row_limit = limit;
  return selection;
}

/// One value as ns_column_numbers gives it.
double number_of(const arrow::Array &array) {
  ns_columnar_column described = {};
  describe(*array.type(), described);
  ns_column column = {};
  column.kind = described.kind;
  column.width = described.width;
  column.scale = described.scale;
  column.unit_digits = described.unit_digits;
  column.values = array.data()->buffers[1]->data();
  column.first = array.offset();
  double value;
  ns_column_numbers(&column, 1, &value, 1, ns_isa_portable);
  return value;
}

std::string text_of(const arrow::Array &array) {
  if (array.type_id() == arrow::Type::LARGE_STRING) {
    return static_cast<const arrow::LargeStringArray &>(array).GetString(0);
  }
  return static_cast<const arrow::StringArray &>(array).GetString(0);
}

/// Runs `body` for a file; where its bytes could not be had, that is the cause.
template <typename Value, typename Body>
Value guarded_for(const File &file, ns_columnar_error *error, Value otherwise, Body body) noexcept {
  return guarded(error, otherwise, [&] {
    try {
      return body();
    } catch (...) {
      Failure failure = current_failure();
      if (file.input->has_failed()) failure.code = ns_columnar_callback;
      throw failure;
    }
  });
}

/// Has rows to hand out, or tells that there are no more.
bool fill(ns_columnar_stream &stream) {
  while (stream.taken == stream.rows.row_count) {
    stream.rows.columns.clear();
    stream.rows.row_count = stream.taken = 0;
    if (stream.group != nullptr && stream.group->next(stream.rows)) continue;
    stream.group = nullptr;
    if (stream.next_group == stream.selection.end_group) return false;
    const bool is_first = stream.next_group == stream.selection.first_group;
    stream.group =
        stream.reader->open(stream.next_group, is_first ? stream.selection.skipped_row_count : 0);
    stream.next_group++;
  }
  return true;
}

void hand_out(ns_columnar_stream &stream, ArrowArray *arrays, ns_columnar_batch *batch) {
  const int64_t limit = stream.selection.batch_row_limit;
  const int64_t count = std::min(limit, stream.rows.row_count - stream.taken);
  batch->group = stream.rows.group;
  batch->first_row = stream.rows.first_row + stream.taken;
  batch->row_count = static_cast<uint32_t>(count);
  size_t done = 0;
  try {
    for (; done < stream.rows.columns.size(); done++) {
      const auto slice = stream.rows.columns[done]->Slice(stream.taken, count);
      check(arrow::ExportArray(*slice, arrays + done));
    }
  } catch (...) {
    for (size_t i = 0; i < done; i++) arrays[i].release(arrays + i);
    throw;
  }
  stream.taken += count;
}

}  // namespace

}  // namespace ns::columnar

ns_columnar_file *ns_columnar_open(int32_t format, const ns_columnar_input *input,
                                   int64_t memory_limit, ns_columnar_error *error) {
  return guarded(error, static_cast<ns_columnar_file *>(nullptr), [&] {
    auto file = std::make_unique<ns_columnar_file>();
    file->file = open(format, *input, memory_limit);
    file->file->check_sizes();
    return file.release();
  });
}

void ns_columnar_close(ns_columnar_file *file) { delete file; }

uint32_t ns_columnar_column_count(const ns_columnar_file *file) {
  return static_cast<uint32_t>(file->file->columns.size());
}

ns_columnar_column ns_columnar_column_at(const ns_columnar_file *file, uint32_t index) {
  const Column &column = file->file->columns[index];
  ns_columnar_column result = {};
  result.name = column.name.data();
  result.name_length = column.name.size();
  result.type_name = column.type_name.c_str();
  result.is_nullable = column.is_nullable;
  result.kind = result.index_kind = -1;
  if (column.values == nullptr) return result;
  if (column.indices != nullptr) {
    describe(*column.indices, result);
    result.index_kind = result.kind;
  }
  describe(*column.values, result);
  return result;
}

uint32_t ns_columnar_group_count(const ns_columnar_file *file) {
  return static_cast<uint32_t>(file->file->groups.size());
}

ns_columnar_group ns_columnar_group_at(const ns_columnar_file *file, uint32_t group) {
  return file->file->groups[group];
}

ns_columnar_bounds ns_columnar_bounds_at(ns_columnar_file *file, uint32_t group,
                                         uint32_t column) {
  ns_columnar_bounds bounds = {};
  bounds.null_count = -1;
  ns_columnar_error ignored;  // without statistics nothing is left out, which is right as well
  guarded(&ignored, false, [&] {
    const File::Extremes extremes = file->file->extremes(group, column);
    bounds.null_count = extremes.null_count;
    if (extremes.minimum == nullptr || extremes.maximum == nullptr) return true;
    const arrow::Type::type type = extremes.minimum->type_id();
    if (type == arrow::Type::STRING || type == arrow::Type::LARGE_STRING) {
      file->file->minimum_text = text_of(*extremes.minimum);
      file->file->maximum_text = text_of(*extremes.maximum);
      bounds.minimum_text = reinterpret_cast<const uint8_t *>(file->file->minimum_text.data());
      bounds.minimum_length = file->file->minimum_text.size();
      bounds.maximum_text = reinterpret_cast<const uint8_t *>(file->file->maximum_text.data());
      bounds.maximum_length = file->file->maximum_text.size();
      bounds.has_texts = 1;
    } else {
      bounds.minimum = number_of(*extremes.minimum);
      bounds.maximum = number_of(*extremes.maximum);
      bounds.has_numbers = bounds.minimum <= bounds.maximum;  // false with NaN
    }
    return true;
  });
  return bounds;
}

int64_t ns_columnar_memory_peak(const ns_columnar_file *file) {
  return file->file->pool->max_memory();
}

ns_columnar_stream *ns_columnar_read(ns_columnar_file *file,
                                     const ns_columnar_selection *selection,
                                     ns_columnar_error *error) {
  return guarded_for(*file->file, error, static_cast<ns_columnar_stream *>(nullptr), [&] {
    auto stream = std::make_unique<ns_columnar_stream>();
    stream->file = file->file.get();
    stream->selection = checked(*file->file, *selection);
    stream->reader = file->file->read(stream->selection);
    stream->next_group = selection->first_group;
    return stream.release();
  });
}

void ns_columnar_end(ns_columnar_stream *stream) { delete stream; }

int32_t ns_columnar_next(ns_columnar_stream *stream, ArrowArray *arrays, ns_columnar_batch *batch,
                         ns_columnar_error *error) {
  return guarded_for(*stream->file, error, int32_t{-1}, [&]() -> int32_t {
    if (!fill(*stream)) return 0;
    hand_out(*stream, arrays, batch);
    return 1;
  });
}
