#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "columnar_messages.h"
#include "columnar_read_file.h"
#include "columnar_read_slices.h"

// Arrow IPC: a record batch is read whole, unless it is large and not compressed: then some rows at
// a time. Files are read by their footer, so that only the wanted columns' bytes are; streams
// message after message, from the first that is needed.

namespace ns::columnar {

namespace {

/// Bytes of a record batch's wanted columns that are read at once where a part can be.
constexpr int64_t kSliceBytes = 32 << 20;

arrow::ipc::IpcReadOptions read_options(arrow::MemoryPool *pool) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  return options;
}

/// Ranges of the input, one after the other.
class Splice : public arrow::io::InputStream {
 public:
  struct Range {
    int64_t offset, length;
  };

  Splice(std::shared_ptr<Input> input, LimitedPool *pool, std::vector<Range> ranges)
      : input_(std::move(input)), pool_(pool), ranges_(std::move(ranges)) {
    set_mode(arrow::io::FileMode::READ);
    for (const Range &range : ranges_) left_ += range.length;
  }

  arrow::Result<int64_t> Read(int64_t count, void *to) override {
    uint8_t *output = static_cast<uint8_t *>(to);
    int64_t done = 0;
    while (done < count && next_ < ranges_.size()) {
      const Range &range = ranges_[next_];
      const int64_t part = std::min(count - done, range.length - at_);
      ARROW_ASSIGN_OR_RAISE(const int64_t got,
                            input_->ReadAt(range.offset + at_, part, output + done));
      if (got != part) return arrow::Status::IOError("the input ends too early");
      done += part;
      at_ += part;
      if (at_ == range.length) next_++, at_ = 0;
    }
    position_ += done;
    left_ -= done;
    return done;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer,
                          arrow::AllocateResizableBuffer(std::min(count, left_), pool_));
    ARROW_RETURN_NOT_OK(Read(buffer->size(), buffer->mutable_data()).status());
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }

 private:
  const std::shared_ptr<Input> input_;
  LimitedPool *const pool_;
  const std::vector<Range> ranges_;
  size_t next_ = 0;
  int64_t at_ = 0, position_ = 0, left_ = 0;
};

class ArrowFile : public File {
 public:
  ArrowFile(const ns_columnar_input &source, int64_t memory_limit);

  std::unique_ptr<SelectionReader> read(const Selection &selection) override;
  const char *group_name() const override { return "record batch"; }

  /// A reader of some columns whose next record batch is `group`.
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_from(
      uint32_t group, const std::vector<int> &included) const;
  /// Record batch `group`, some columns of it.
  std::shared_ptr<arrow::RecordBatch> read_batch(uint32_t group,
                                                 const std::vector<int> &included) const;

  bool is_stream = false;
  /// Whether numbers are stored with their bytes in this machine's order.
  bool is_native = true;
  std::shared_ptr<arrow::Schema> schema;
  /// The messages of the record batches.
  std::vector<Message> batches;

 private:
  /// Of a stream all messages; of a file none.
  std::vector<Message> messages_;
};

class ArrowSelection;

class ArrowGroup : public GroupReader {
 public:
  ArrowGroup(ArrowSelection &selection, uint32_t group, int64_t skipped)
      : selection_(selection), group_(group), skipped_(skipped) {}

  bool next(Rows &rows) override;

 private:
  /// Prepares to read some rows at a time, if that can and need be.
  void find_slices(const std::string &place);
  void read_slices(Rows &rows, const std::string &place);
  void read_whole(Rows &rows, std::string place);

  ArrowSelection &selection_;
  const uint32_t group_;
  /// Rows that were passed over or handed out.
  int64_t skipped_;
  bool is_begun_ = false;
  /// Null where the batch is read whole.
  std::unique_ptr<BatchSlices> slices_;
  int64_t slice_row_count_ = 0;
};

class ArrowSelection : public SelectionReader {
 public:
  ArrowSelection(const ArrowFile &file, const Selection &selection);

  std::unique_ptr<GroupReader> open(uint32_t group, int64_t skipped) override {
    return std::make_unique<ArrowGroup>(*this, group, skipped);
  }

  std::shared_ptr<arrow::RecordBatch> read_batch(uint32_t group);
  /// The name of the first column that fails when it is read alone; empty where none does.
  std::string failing_column(uint32_t group) const;

  const ArrowFile &file;
  const Selection selection;
  /// For each column of the selection its place in a batch.
  std::vector<int> places;
  std::vector<CheckedDictionary> checked;

 private:
  std::vector<int> included_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> batches_;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  uint32_t next_group_ = 0;
};

// MARK: File

ArrowFile::ArrowFile(const ns_columnar_input &source, int64_t memory_limit)
    : File(source, memory_limit) {
  uint8_t begin[6] = {};
  const int64_t size = take(input->GetSize());
  if (size < 8) throw Failure{ns_columnar_damaged, "is no Arrow IPC file: it is too short"};
  input->read_whole(0, 6, begin);
  if (std::memcmp(begin, "FEA1", 4) == 0) {
    throw Failure{ns_columnar_unsupported, "is of the first Feather version"};
  }
  is_stream = std::memcmp(begin, "ARROW1", 6) != 0;
  messages_ = is_stream ? read_stream(*input) : read_footer(*input);
  for (const Message &message : messages_) {
    if (message.kind == Message::Kind::batch) {
      groups.push_back({message.row_count, message.length()});
      batches.push_back(message);
    }
  }
  check_group_count(static_cast<int64_t>(groups.size()));
  arrow::ipc::IpcReadOptions as_stored = read_options(pool.get());
  as_stored.ensure_native_endian = false;  // so that the schema tells
  if (is_stream) {
    Splice::Range range{messages_[0].offset, messages_[0].length()};
    auto splice = std::make_shared<Splice>(input, pool.get(), std::vector{range});
    const auto reader = take(
        arrow::ipc::RecordBatchStreamReader::Open(splice, as_stored));
    schema = reader->schema();
  } else {
    messages_.clear();
    const auto reader =
        take(arrow::ipc::RecordBatchFileReader::Open(input, as_stored));
    schema = reader->schema();
    if (reader->num_record_batches() != static_cast<int>(groups.size())) {
      throw Failure{ns_columnar_damaged, "its footer is damaged"};
    }
  }
  is_native = schema->is_native_endian();
  take_columns(*schema);
}

std::unique_ptr<SelectionReader> ArrowFile::read(const Selection &selection) {
  return std::make_unique<ArrowSelection>(*this, selection);
}

std::shared_ptr<arrow::ipc::RecordBatchStreamReader> ArrowFile::stream_from(
    uint32_t group, const std::vector<int> &included) const {
  std::vector<Splice::Range> ranges;
  // Of each dictionary the last whole one before the batch and what was added to it since.
  std::map<int64_t, std::vector<Splice::Range>> dictionaries;
  uint32_t batch_count = 0;
  for (const Message &message : messages_) {
    const Splice::Range range{message.offset, message.length()};
    if (message.kind == Message::Kind::schema) ranges.push_back(range);
    if (batch_count == group && batch_count < groups.size() &&
        message.kind == Message::Kind::batch && !dictionaries.empty()) {
      for (const auto &entry : dictionaries) {
        ranges.insert(ranges.end(), entry.second.begin(), entry.second.end());
      }
      dictionaries.clear();
    }
    if (message.kind == Message::Kind::dictionary && batch_count <= group) {
      auto &parts = dictionaries[message.dictionary_id];
      if (!message.is_delta) parts.clear();
      parts.push_back(range);
    }
    const bool is_wanted = message.kind == Message::Kind::batch ? batch_count >= group
                           : message.kind == Message::Kind::dictionary && batch_count > group;
    if (is_wanted) ranges.push_back(range);
    if (message.kind == Message::Kind::batch) batch_count++;
  }
  auto options = read_options(pool.get());
  options.included_fields = included;
  auto splice = std::make_shared<Splice>(input, pool.get(), std::move(ranges));
  return take(arrow::ipc::RecordBatchStreamReader::Open(splice, options));
}

std::shared_ptr<arrow::RecordBatch> ArrowFile::read_batch(
    uint32_t group, const std::vector<int> &included) const {
  if (is_stream) {
    std::shared_ptr<arrow::RecordBatch> batch;
    check(stream_from(group, included)->ReadNext(&batch));
    return batch;
  }
  auto options = read_options(pool.get());
  options.included_fields = included;
  const auto reader = take(arrow::ipc::RecordBatchFileReader::Open(input, options));
  return take(reader->ReadRecordBatch(static_cast<int>(group)));
}

// MARK: Selection

ArrowSelection::ArrowSelection(const ArrowFile &file, const Selection &selection)
    : file(file), selection(selection), checked(selection.columns.size()),
      included_(selection.columns.begin(), selection.columns.end()) {
  std::sort(included_.begin(), included_.end());
  for (const uint32_t column : selection.columns) {
    const auto place =
        std::lower_bound(included_.begin(), included_.end(), static_cast<int>(column));
    places.push_back(static_cast<int>(place - included_.begin()));
  }
  if (file.is_stream || included_.empty()) return;
  auto options = read_options(file.pool.get());
  options.included_fields = included_;
  batches_ = take(arrow::ipc::RecordBatchFileReader::Open(file.input, options));
}

std::shared_ptr<arrow::RecordBatch> ArrowSelection::read_batch(uint32_t group) {
  if (batches_ != nullptr) return take(batches_->ReadRecordBatch(static_cast<int>(group)));
  if (stream_ == nullptr || next_group_ != group) stream_ = file.stream_from(group, included_);
  next_group_ = group + 1;
  std::shared_ptr<arrow::RecordBatch> batch;
  check(stream_->ReadNext(&batch));
  return batch;
}

std::string ArrowSelection::failing_column(uint32_t group) const {
  for (const uint32_t column : selection.columns) {
    try {
      file.read_batch(group, {static_cast<int>(column)});
    } catch (...) {
      return ", column " + file.columns[column].name;
    }
  }
  return "";
}

// MARK: Record batch

bool ArrowGroup::next(Rows &rows) {
  const int64_t row_count = selection_.file.groups[group_].row_count;
  if (skipped_ >= row_count) return false;
  rows.group = group_;
  rows.first_row = skipped_;
  rows.row_count = row_count - skipped_;
  rows.columns.clear();
  const std::string place = "record batch " + std::to_string(group_);
  if (!is_begun_ && !selection_.selection.columns.empty()) find_slices(place);
  is_begun_ = true;
  if (slices_ != nullptr) {
    read_slices(rows, place);
  } else if (!selection_.selection.columns.empty()) {
    read_whole(rows, place);
  }
  skipped_ += rows.row_count;
  return true;
}

void ArrowGroup::find_slices(const std::string &place) {
  const ArrowFile &file = selection_.file;
  const Message &message = file.batches[group_];
  if (message.body_length <= kSliceBytes || message.row_count == 0 || !file.is_native) return;
  auto slices = located(place, [&] {
    return std::make_unique<BatchSlices>(file.input, file.pool.get(), *file.schema, message);
  });
  int64_t byte_count = 0;
  bool can_read = true;
  for (const uint32_t column : selection_.selection.columns) {
    byte_count += slices->byte_count(column);
    can_read = can_read && slices->can_read(column);
  }
  if (can_read && byte_count > kSliceBytes) {
    const int64_t row_bytes = byte_count / message.row_count + 1;
    slice_row_count_ = std::max<int64_t>(8, kSliceBytes / row_bytes / 8 * 8);
    slices_ = std::move(slices);
  } else if (byte_count > file.pool->limit()) {
    throw Failure{ns_columnar_limit,
                  place + ": takes " + std::to_string(byte_count) + " bytes, more than " +
                      std::to_string(file.pool->limit()) +
                      " at once; write smaller record batches"};
  }
}

void ArrowGroup::read_slices(Rows &rows, const std::string &place) {
  const ArrowFile &file = selection_.file;
  const int64_t first = skipped_ / 8 * 8;
  const int64_t count =
      std::min(slice_row_count_, file.groups[group_].row_count - first);
  rows.row_count = first + count - skipped_;
  for (size_t i = 0; i < selection_.selection.columns.size(); i++) {
    const uint32_t number = selection_.selection.columns[i];
    const Column &column = file.columns[number];
    rows.columns.push_back(located(place + ", column " + column.name, [&] {
      return settle(column, slices_->read(number, first, count), file.pool.get(),
                    selection_.checked[i])
          ->Slice(skipped_ - first);
    }));
  }
}

void ArrowGroup::read_whole(Rows &rows, std::string place) {
  const ArrowFile &file = selection_.file;
  const int64_t row_count = file.groups[group_].row_count;
  std::shared_ptr<arrow::RecordBatch> batch;
  try {
    batch = selection_.read_batch(group_);
  } catch (...) {
    Failure failure = current_failure();
    // Read column by column once more, only to tell which one it is.
    if (!file.input->has_failed() && failure.code != ns_columnar_limit) {
      place += selection_.failing_column(group_);
    }
    failure.context = place + ": " + failure.context;
    throw failure;
  }
  if (batch == nullptr || batch->num_rows() != row_count) {
    throw Failure{ns_columnar_damaged,
                  place + ": does not have the " + std::to_string(row_count) + " rows it should"};
  }
  for (size_t i = 0; i < selection_.places.size(); i++) {
    const Column &column = file.columns[selection_.selection.columns[i]];
    rows.columns.push_back(located(place + ", column " + column.name, [&] {
      const auto array =
          settle(column, batch->column(selection_.places[i]), file.pool.get(),
                 selection_.checked[i]);
      return array->Slice(skipped_);
    }));
    if (rows.columns.back()->length() != rows.row_count) {
      throw Failure{ns_columnar_damaged, place + ", column " + column.name + ": is too short"};
    }
  }
}

}  // namespace

std::unique_ptr<File> open_arrow(const ns_columnar_input &source, int64_t memory_limit) {
  return std::make_unique<ArrowFile>(source, memory_limit);
}

}  // namespace ns::columnar
