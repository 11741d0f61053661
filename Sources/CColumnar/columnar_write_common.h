#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "columnar_write.h"

namespace ns::results {

// A message for the caller, or NULL where there is no memory for it.
inline void tell(char **error, const std::string &text) {
  *error = strdup(text.c_str());
}

// The schema that a caller's fields stand for.
arrow::Result<std::shared_ptr<arrow::Schema>> make_schema(const ns_result_field *fields,
                                                          size_t count);

// The type code of an Arrow type, or -1 where it is none of ours.
int type_code(const arrow::DataType &type);

// Bytes for a caller's function.
//
// After a failure `failed` stays true, so that the caller's failure can be told from the library's.
class CallerStream final : public arrow::io::OutputStream {
 public:
  void set(ns_result_write write, void *context) {
    write_ = write;
    context_ = context;
  }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void *bytes, int64_t count) override {
    if (count == 0) return arrow::Status::OK();
    if (failed) return arrow::Status::IOError("an earlier write failed");
    if (write_(context_, bytes, static_cast<size_t>(count)) != 0) {
      failed = true;
      return arrow::Status::IOError("the write failed");
    }
    position_ += count;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }

  bool failed = false;

 private:
  ns_result_write write_ = nullptr;
  void *context_ = nullptr;
  int64_t position_ = 0;
  bool closed_ = false;
};

// Whether a status says that bytes which were read are wrong.
inline bool is_corruption(const arrow::Status &status) {
  return !status.IsOutOfMemory() && !status.IsCancelled();
}

// Runs the body of a call: no exception leaves it, and a status becomes a code and a message.
//
// `code` is that of a status; it is asked for after the body.
template <typename Body, typename Code>
int guarded(char **error, Body body, Code code) {
  *error = nullptr;
  try {
    arrow::Status status = body();
    if (status.ok()) return NS_RESULT_OK;
    int answer = code(status);
    tell(error, status.message());
    return answer;
  } catch (const std::bad_alloc &) {
    tell(error, "out of memory");
    return NS_RESULT_FAILED;
  } catch (const std::exception &exception) {
    // Parquet throws where Arrow answers.
    try {
      int answer = code(arrow::Status::IOError(exception.what()));
      tell(error, exception.what());
      return answer;
    } catch (...) {
      return NS_RESULT_FAILED;
    }
  } catch (...) {
    tell(error, "an exception of no known kind");
    return NS_RESULT_FAILED;
  }
}

}  // namespace ns::results
