#pragma once

#include <arrow/io/caching.h>
#include <arrow/ipc/options.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>

#include "columnar_write_common.h"

namespace ns::results {

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

inline parquet::ReaderProperties checked_pages() {
  parquet::ReaderProperties properties(arrow::default_memory_pool());
  properties.set_page_checksum_verification(true);
  return properties;
}

inline std::unique_ptr<parquet::ParquetFileReader> open_parquet(
    const std::shared_ptr<CallerFile> &file) {
  return parquet::ParquetFileReader::Open(file, checked_pages());
}

inline arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> open_arrow_reader(
    const std::shared_ptr<CallerFile> &file) {
  std::unique_ptr<parquet::arrow::FileReader> reader;
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(file, checked_pages()));
  ARROW_RETURN_NOT_OK(builder.Build(&reader));
  reader->set_use_threads(false);
  return reader;
}

inline arrow::ipc::IpcReadOptions read_options() {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  return options;
}

// What a failure of a call that reads is.
inline auto code_for(const std::shared_ptr<CallerFile> &file) {
  return [file](const arrow::Status &status) {
    if (file->failed) return NS_RESULT_CALLER_FAILED;
    return is_corruption(status) ? NS_RESULT_CORRUPT : NS_RESULT_FAILED;
  };
}

}  // namespace ns::results
