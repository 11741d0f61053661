#include "columnar_read_slices.h"

#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/extension_type.h>
#include <arrow/type_traits.h>

#include <algorithm>

namespace ns::columnar {

namespace {

/// Rows beyond which places in a buffer could overflow; no batch of Arrow's has as many.
constexpr int64_t kRowLimit = int64_t{1} << 40;

/// A type as it is stored.
const arrow::DataType &stored(const arrow::DataType &type) {
  if (type.id() != arrow::Type::EXTENSION) return type;
  return *static_cast<const arrow::ExtensionType &>(type).storage_type();
}

/// Adds the nodes and buffers of a column and of what is nested in it.
void count_buffers(const arrow::DataType &declared, const BatchLayout &layout, size_t &views,
                   size_t &nodes, size_t &count) {
  nodes++;
  const arrow::DataType &type = stored(declared);
  const arrow::DataTypeLayout buffers = type.layout();
  for (const auto &buffer : buffers.buffers) {
    // IPC leaves those out.
    if (buffer.kind != arrow::DataTypeLayout::ALWAYS_NULL) count++;
  }
  if (buffers.variadic_spec.has_value() && views < layout.variadic_counts.size()) {
    count += static_cast<size_t>(std::max<int64_t>(0, layout.variadic_counts[views++]));
  }
  for (const auto &field : type.fields()) count_buffers(*field->type(), layout, views, nodes, count);
}

bool is_text(const arrow::DataType &type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY;
}

bool is_large_text(const arrow::DataType &type) {
  return type.id() == arrow::Type::LARGE_STRING || type.id() == arrow::Type::LARGE_BINARY;
}

}  // namespace

BatchSlices::BatchSlices(std::shared_ptr<Input> input, LimitedPool *pool,
                         const arrow::Schema &schema, const Message &batch)
    : input_(std::move(input)), pool_(pool), fields_(schema.fields()), batch_(batch),
      layout_(read_layout(*input_, batch)) {
  size_t views = 0, nodes = 0, count = 0;
  for (const auto &field : fields_) {
    first_nodes_.push_back(nodes);
    first_buffers_.push_back(count);
    count_buffers(*field->type(), layout_, views, nodes, count);
  }
  first_buffers_.push_back(count);
}

bool BatchSlices::can_read(uint32_t column) const {
  const arrow::DataType &type = stored(*fields_[column]->type());
  const size_t first = first_buffers_[column], count = first_buffers_[column + 1] - first;
  if (layout_.version < 4 || layout_.is_compressed || first + count > layout_.buffers.size() ||
      first_nodes_[column] >= layout_.null_counts.size() || batch_.row_count > kRowLimit) {
    return false;
  }
  if (is_text(type) || is_large_text(type)) return count == 3;
  const bool is_plain = type.id() == arrow::Type::BOOL || arrow::is_primitive(type.id()) ||
                        arrow::is_decimal(type.id()) ||
                        type.id() == arrow::Type::FIXED_SIZE_BINARY;
  return is_plain && count == 2;
}

int64_t BatchSlices::byte_count(uint32_t column) const {
  int64_t sum = 0;
  const size_t end = std::min(first_buffers_[column + 1], layout_.buffers.size());
  for (size_t i = first_buffers_[column]; i < end; i++) sum += layout_.buffers[i].length;
  return sum;
}

std::shared_ptr<arrow::Array> BatchSlices::read(uint32_t column, int64_t first,
                                                int64_t count) const {
  const arrow::DataType &type = stored(*fields_[column]->type());
  const size_t buffer = first_buffers_[column];
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{nullptr};
  // Without nulls there may be no bits for them, or bits that mean nothing.
  const bool has_nulls =
      layout_.null_counts[first_nodes_[column]] != 0 && layout_.buffers[buffer].length > 0;
  if (has_nulls) buffers[0] = read_bytes(buffer, first / 8, (count + 7) / 8);
  if (is_text(type)) {
    read_texts<int32_t>(buffer + 1, first, count, buffers);
  } else if (is_large_text(type)) {
    read_texts<int64_t>(buffer + 1, first, count, buffers);
  } else if (type.id() == arrow::Type::BOOL) {
    buffers.push_back(read_bytes(buffer + 1, first / 8, (count + 7) / 8));
  } else {
    const int64_t width = type.byte_width();
    buffers.push_back(read_bytes(buffer + 1, first * width, count * width));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      fields_[column]->type(), count, std::move(buffers),
      has_nulls ? arrow::kUnknownNullCount : 0));
}

std::shared_ptr<arrow::Buffer> BatchSlices::read_bytes(size_t buffer, int64_t first,
                                                       int64_t count) const {
  const BatchLayout::Buffer place = layout_.buffers[buffer];
  if (first < 0 || count < 0 || first > place.length || count > place.length - first) {
    throw Failure{ns_columnar_damaged, "is too short"};
  }
  const int64_t offset = batch_.offset + batch_.metadata_length + place.offset + first;
  std::shared_ptr<arrow::Buffer> bytes = take(arrow::AllocateBuffer(count, pool_));
  if (count > 0) input_->read_whole(offset, count, bytes->mutable_data());
  return bytes;
}

template <typename Offset>
void BatchSlices::read_texts(size_t buffer, int64_t first, int64_t count,
                             std::vector<std::shared_ptr<arrow::Buffer>> &buffers) const {
  const auto offsets =
      read_bytes(buffer, first * int64_t{sizeof(Offset)}, (count + 1) * int64_t{sizeof(Offset)});
  Offset *ends = reinterpret_cast<Offset *>(offsets->mutable_data());
  const Offset begin = ends[0];
  if (begin < 0 || ends[count] < begin) {
    throw Failure{ns_columnar_damaged, "has texts out of order"};
  }
  const int64_t length = int64_t{ends[count]} - begin;
  // What lies between is looked at with the rest of the array; here it must not overflow.
  for (int64_t i = 0; i <= count; i++) {
    if (ends[i] < begin) throw Failure{ns_columnar_damaged, "has texts out of order"};
    ends[i] -= begin;
  }
  buffers.push_back(offsets);
  buffers.push_back(read_bytes(buffer + 1, begin, length));
}

}  // namespace ns::columnar
