#include "columnar_read_flat.h"

#include <arrow/array/util.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace ns::columnar {

bool FlatColumn::reads(const parquet::ColumnChunkMetaData &chunk,
                       const parquet::ColumnDescriptor &descriptor, const arrow::DataType &type) {
  if (!PagedColumn::reads(chunk, descriptor)) return false;
  switch (descriptor.physical_type()) {
    case parquet::Type::FLOAT: return type.id() == arrow::Type::FLOAT;
    case parquet::Type::DOUBLE: return type.id() == arrow::Type::DOUBLE;
    case parquet::Type::INT32:
      return type.id() == arrow::Type::INT32 || type.id() == arrow::Type::DATE32;
    case parquet::Type::INT64:
      return type.id() == arrow::Type::INT64 || type.id() == arrow::Type::TIMESTAMP;
    default: return false;
  }
}

FlatColumn::FlatColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type)
    : PagedColumn(chunk), type_(std::move(type)), width_(type_->bit_width() / 8) {}

void FlatColumn::load_dictionary(const parquet::DictionaryPage &page) {
  const int64_t count = page.num_values();
  if (count > INT32_MAX / width_) refuse("its dictionary has no size");
  const int64_t byte_count = count * width_;
  dictionary_ = take(arrow::AllocateBuffer(byte_count, pool_));
  if (codec_ != arrow::Compression::UNCOMPRESSED) {
    if (count > 0) {
      unpacker_.unpack(codec_, page.data(), page.size(), dictionary_->mutable_data(), byte_count);
    }
  } else {
    if (page.size() < byte_count) refuse("its dictionary is too short");
    std::memcpy(dictionary_->mutable_data(), page.data(), static_cast<size_t>(byte_count));
  }
}

template <typename Value>
void FlatColumn::read_by_dictionary(Value *to, int64_t count) {
  const auto *known = reinterpret_cast<const Value *>(dictionary_->data());
  const auto limit = static_cast<uint64_t>(dictionary_count_);
  uint32_t indices[kRun];
  while (count > 0) {
    const auto run = indices_.peek();
    int64_t part = std::min(run.count, count);
    if (run.is_same) {
      if (run.value >= limit) refuse("a value is not in its dictionary");
      std::fill(to, to + part, known[run.value]);
      indices_.pass(part);
    } else {
      part = std::min(part, kRun);
      indices_.unpack(indices, part);
      uint32_t largest = 0;
      for (int64_t i = 0; i < part; i++) largest = std::max(largest, indices[i]);
      if (largest >= limit) refuse("a value is not in its dictionary");
      for (int64_t i = 0; i < part; i++) to[i] = known[indices[i]];
    }
    to += part;
    count -= part;
  }
}

void FlatColumn::read_values(uint8_t *to, int64_t count) {
  if (is_encoded_) {
    if (width_ == 4) return read_by_dictionary(reinterpret_cast<uint32_t *>(to), count);
    return read_by_dictionary(reinterpret_cast<uint64_t *>(to), count);
  }
  const int64_t byte_count = count * width_;
  if (end_ - at_ < byte_count) refuse("its values end too early");
  std::memcpy(to, at_, static_cast<size_t>(byte_count));
  at_ += byte_count;
}

void FlatColumn::pass_values(int64_t count) {
  if (is_encoded_) return pass_indices(count);
  if (end_ - at_ < count * width_) refuse("its values end too early");
  at_ += count * width_;
}

void FlatColumn::begin_rows(int64_t count) {
  values_ = take(arrow::AllocateBuffer(count * width_, pool_));
}

void FlatColumn::append_values(int64_t count) {
  read_values(values_->mutable_data() + rows_.at * width_, count);
}

/// Puts values where a level is 1 and zeros where it is 0, without a branch: which it is, is as good
/// as random.
template <typename Value>
static void spread(const uint32_t *levels, int64_t count, const uint8_t *values, uint8_t *rows) {
  const auto *from = reinterpret_cast<const Value *>(values);
  auto *to = reinterpret_cast<Value *>(rows);
  for (int64_t i = 0; i < count; i++) {
    to[i] = *from & (Value{0} - levels[i]);
    from += levels[i];
  }
}

void FlatColumn::append_some(const uint32_t *levels, int64_t count, int64_t present) {
  alignas(8) uint8_t values[kRun * 8] = {};
  read_values(values, present);
  uint8_t *to = values_->mutable_data() + rows_.at * width_;
  if (width_ == 4) return spread<uint32_t>(levels, count, values, to);
  spread<uint64_t>(levels, count, values, to);
}

std::shared_ptr<arrow::Array> FlatColumn::end_rows() {
  return arrow::MakeArray(arrow::ArrayData::Make(
      type_, rows_.count,
      {std::shared_ptr<arrow::Buffer>(std::move(rows_.validity)), std::move(values_)},
      rows_.null_count));
}

}  // namespace ns::columnar
