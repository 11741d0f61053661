// Blocks of results as Arrow IPC streams.

#include <arrow/array/data.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>

#include <vector>

#include "columnar_write_common.h"

using namespace ns::results;

struct ns_result_encoder {
  std::shared_ptr<arrow::Schema> schema;
  arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
  std::shared_ptr<CallerStream> stream;
  // Of the block under way; none between two blocks.
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
};

// Bytes of a row's value of a fixed size, or 0.
static int64_t value_size(int type) {
  switch (type) {
    case NS_RESULT_INTEGER:
    case NS_RESULT_NUMBER:
    case NS_RESULT_TIMESTAMP: return 8;
    case NS_RESULT_FLOAT:
    case NS_RESULT_DATE: return 4;
    default: return 0;
  }
}

// A view of the caller's memory.
static std::shared_ptr<arrow::Buffer> view(const void *bytes, int64_t count) {
  return std::make_shared<arrow::Buffer>(static_cast<const uint8_t *>(bytes), count);
}

static std::shared_ptr<arrow::ArrayData> array_data(const std::shared_ptr<arrow::DataType> &type,
                                                    int64_t rows,
                                                    const ns_result_column &column) {
  int64_t bitmap_size = (rows + 7) / 8;
  arrow::BufferVector buffers{column.validity ? view(column.validity, bitmap_size) : nullptr};
  int code = type_code(*type);
  if (column.offsets != nullptr) {
    buffers.push_back(view(column.offsets, (rows + 1) * 4));
    buffers.push_back(view(column.values, column.offsets[rows]));
  } else if (code == NS_RESULT_BOOLEAN) {
    buffers.push_back(view(column.values, bitmap_size));
  } else {
    buffers.push_back(view(column.values, rows * value_size(code)));
  }
  return arrow::ArrayData::Make(type, rows, std::move(buffers),
                                column.validity ? arrow::kUnknownNullCount : 0);
}

static arrow::Status append_batch(ns_result_encoder &encoder, size_t row_count,
                                  const ns_result_column *columns) {
  auto rows = static_cast<int64_t>(row_count);
  std::vector<std::shared_ptr<arrow::ArrayData>> all;
  all.reserve(static_cast<size_t>(encoder.schema->num_fields()));
  for (int index = 0; index < encoder.schema->num_fields(); ++index) {
    const auto &type = encoder.schema->field(index)->type();
    bool has_offsets = columns[index].offsets != nullptr;
    bool needs_offsets = type->id() == arrow::Type::STRING || type->id() == arrow::Type::BINARY;
    if (has_offsets != needs_offsets) {
      return arrow::Status::Invalid("column ", index, ": offsets and type disagree");
    }
    all.push_back(array_data(type, rows, columns[index]));
  }
  if (!encoder.writer) {
    ARROW_ASSIGN_OR_RAISE(encoder.writer, arrow::ipc::MakeStreamWriter(
                                              encoder.stream, encoder.schema, encoder.options));
  }
  return encoder.writer->WriteRecordBatch(
      *arrow::RecordBatch::Make(encoder.schema, rows, std::move(all)));
}

static auto code_for(const ns_result_encoder &encoder) {
  return [&encoder](const arrow::Status &) {
    return encoder.stream->failed ? NS_RESULT_CALLER_FAILED : NS_RESULT_FAILED;
  };
}

ns_result_encoder *ns_result_encoder_make(const ns_result_field *fields, size_t field_count,
                                              char **error) {
  std::unique_ptr<ns_result_encoder> encoder;
  int code = guarded(
      error,
      [&]() -> arrow::Status {
        encoder = std::make_unique<ns_result_encoder>();
        ARROW_ASSIGN_OR_RAISE(encoder->schema, make_schema(fields, field_count));
        encoder->stream = std::make_shared<CallerStream>();
        encoder->options.use_threads = false;
        encoder->options.alignment = 8;
        encoder->options.metadata_version = arrow::ipc::MetadataVersion::V5;
        return arrow::Status::OK();
      },
      [](const arrow::Status &) { return NS_RESULT_FAILED; });
  return code == NS_RESULT_OK ? encoder.release() : nullptr;
}

int ns_result_encoder_append(ns_result_encoder *encoder, size_t row_count,
                               const ns_result_column *columns, ns_result_write write,
                               void *context, char **error) {
  encoder->stream->set(write, context);
  return guarded(
      error, [&] { return append_batch(*encoder, row_count, columns); }, code_for(*encoder));
}

int ns_result_encoder_end_block(ns_result_encoder *encoder, ns_result_write write,
                                  void *context, char **error) {
  encoder->stream->set(write, context);
  return guarded(
      error,
      [&]() -> arrow::Status {
        if (!encoder->writer) {
          ARROW_ASSIGN_OR_RAISE(
              encoder->writer,
              arrow::ipc::MakeStreamWriter(encoder->stream, encoder->schema, encoder->options));
        }
        auto writer = std::exchange(encoder->writer, nullptr);
        ARROW_RETURN_NOT_OK(writer->Close());
        // Alignment counts from the stream's begin.
        encoder->stream = std::make_shared<CallerStream>();
        return arrow::Status::OK();
      },
      code_for(*encoder));
}

void ns_result_encoder_free(ns_result_encoder *encoder) { delete encoder; }
