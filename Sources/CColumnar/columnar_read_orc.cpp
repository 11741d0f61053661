#include <arrow/adapters/orc/adapter.h>
#include <arrow/record_batch.h>

#include <algorithm>

#include "columnar_orc_lengths.h"
#include "columnar_read_file.h"

// ORC: stripe after stripe; a batch is decoded for all columns at once.

namespace ns::columnar {

namespace {

using arrow::adapters::orc::ORCFileReader;

class OrcFile : public File {
 public:
  OrcFile(const ns_columnar_input &source, int64_t memory_limit);

  std::unique_ptr<SelectionReader> read(const Selection &selection) override;
  const char *group_name() const override { return "stripe"; }

  std::unique_ptr<ORCFileReader> reader;
  std::unique_ptr<OrcLengths> lengths;
  std::vector<int64_t> first_rows;
};

class OrcGroup : public GroupReader {
 public:
  OrcGroup(OrcFile &file, const Selection &selection, uint32_t group, int64_t skipped);

  bool next(Rows &rows) override;

 private:
  /// The next batch; there is one.
  std::shared_ptr<arrow::RecordBatch> read();
  /// The name of the first column that fails when it is read alone; empty where none does.
  std::string failing_column() const;

  OrcFile &file_;
  const Selection &selection_;
  const uint32_t group_;
  int64_t at_;
  // Passed over by reading: to seek into a stripe fails for some encodings of text.
  const int64_t skip_;
  int64_t batch_row_limit_ = 0;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  /// For each column of the selection its place in a batch.
  std::vector<int> places_;
  std::vector<CheckedDictionary> checked_;
};

class OrcSelection : public SelectionReader {
 public:
  OrcSelection(OrcFile &file, const Selection &selection) : file_(file), selection_(selection) {}

  std::unique_ptr<GroupReader> open(uint32_t group, int64_t skipped) override {
    return located("stripe " + std::to_string(group), [&] {
      return std::make_unique<OrcGroup>(file_, selection_, group, skipped);
    });
  }

 private:
  OrcFile &file_;
  const Selection selection_;
};

OrcFile::OrcFile(const ns_columnar_input &source, int64_t memory_limit)
    : File(source, memory_limit) {
  check_orc_postscript(*input);
  reader = take(ORCFileReader::Open(input, pool.get()));
  lengths = std::make_unique<OrcLengths>(reader->GetSerializedFileTail());
  take_columns(*take(reader->ReadSchema()));
  check_group_count(reader->NumberOfStripes());
  const int64_t size = take(input->GetSize());
  int64_t next_row = 0;
  for (int64_t i = 0; i < reader->NumberOfStripes(); i++) {
    const auto stripe = reader->GetStripeInformation(i);
    const bool fits = stripe.offset >= 0 && stripe.length >= 0 && stripe.offset <= size &&
                      stripe.length <= size - stripe.offset && stripe.num_rows >= 0 &&
                      stripe.num_rows <= INT64_MAX - next_row;
    if (!fits) {
      throw Failure{ns_columnar_damaged, "stripe " + std::to_string(i) + " is not in the file"};
    }
    first_rows.push_back(next_row);
    next_row += stripe.num_rows;
    groups.push_back({stripe.num_rows, stripe.length});
  }
  if (next_row != reader->NumberOfRows()) {
    throw Failure{ns_columnar_damaged, "its stripes have " + std::to_string(next_row) +
                                           " rows, the footer says " +
                                           std::to_string(reader->NumberOfRows())};
  }
}

std::unique_ptr<SelectionReader> OrcFile::read(const Selection &selection) {
  return std::make_unique<OrcSelection>(*this, selection);
}

OrcGroup::OrcGroup(OrcFile &file, const Selection &selection, uint32_t group, int64_t skipped)
    : file_(file), selection_(selection), group_(group), at_(0), skip_(skipped),
      checked_(selection.columns.size()) {
  if (selection.columns.empty()) return;
  std::vector<int> included(selection.columns.begin(), selection.columns.end());
  std::sort(included.begin(), included.end());
  for (const uint32_t column : selection.columns) {
    const auto place =
        std::lower_bound(included.begin(), included.end(), static_cast<int>(column));
    places_.push_back(static_cast<int>(place - included.begin()));
  }
  batch_row_limit_ = selection.batch_row_limit;
  for (const uint32_t column : selection.columns) {
    const int64_t limit = located("column " + file.columns[column].name, [&] {
      return file.lengths->check(*file.input, group, {column}, selection.batch_row_limit,
                                 file.pool->limit());
    });
    batch_row_limit_ = std::min(batch_row_limit_, limit);
  }
  check(file.reader->Seek(file.first_rows[group]));
  batches_ = take(file.reader->NextStripeReader(batch_row_limit_, included));
}

std::string OrcGroup::failing_column() const {
  for (const uint32_t column : selection_.columns) {
    try {
      check(file_.reader->Seek(file_.first_rows[group_]));
      const auto batches = take(file_.reader->NextStripeReader(
          batch_row_limit_, {static_cast<int>(column)}));
      std::shared_ptr<arrow::RecordBatch> batch;
      do check(batches->ReadNext(&batch));
      while (batch != nullptr);
    } catch (...) {
      return ", column " + file_.columns[column].name;
    }
  }
  return "";
}

std::shared_ptr<arrow::RecordBatch> OrcGroup::read() {
  const int64_t row_count = file_.groups[group_].row_count;
  const std::string place = "stripe " + std::to_string(group_);
  std::shared_ptr<arrow::RecordBatch> batch;
  try {
    check(batches_->ReadNext(&batch));
  } catch (...) {
    Failure failure = current_failure();
    // Read column by column once more, only to tell which one it is.
    const std::string column = file_.input->has_failed() ? "" : failing_column();
    failure.context = place + column + ": " + failure.context;
    throw failure;
  }
  if (batch == nullptr || batch->num_rows() == 0 || batch->num_rows() > row_count - at_) {
    throw Failure{ns_columnar_damaged, place + ": ends after " + std::to_string(at_) + " of " +
                                           std::to_string(row_count) + " rows"};
  }
  return batch;
}

bool OrcGroup::next(Rows &rows) {
  const int64_t row_count = file_.groups[group_].row_count;
  rows.group = group_;
  rows.columns.clear();
  if (selection_.columns.empty()) {
    rows.first_row = std::max(at_, skip_);
    rows.row_count = row_count - rows.first_row;
    at_ = row_count;
    return rows.row_count > 0;
  }
  while (at_ < row_count) {
    const auto batch = read();
    const int64_t passed = std::clamp<int64_t>(skip_ - at_, 0, batch->num_rows());
    rows.first_row = at_ + passed;
    rows.row_count = batch->num_rows() - passed;
    at_ += batch->num_rows();
    if (rows.row_count == 0) continue;
    for (size_t i = 0; i < selection_.columns.size(); i++) {
      const Column &column = file_.columns[selection_.columns[i]];
      const std::string place = "stripe " + std::to_string(group_) + ", column " + column.name;
      rows.columns.push_back(located(place, [&] {
        return settle(column, batch->column(places_[i]), file_.pool.get(), checked_[i])
            ->Slice(passed);
      }));
    }
    return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<File> open_orc(const ns_columnar_input &source, int64_t memory_limit) {
  return std::make_unique<OrcFile>(source, memory_limit);
}

}  // namespace ns::columnar
