#include "columnar_read_texts.h"

#include <arrow/array/util.h>
#include <parquet/schema.h>

#include <algorithm>
#include <utility>

namespace ns::columnar {

namespace {

/// Bytes that are copied at once where both sides have them.
constexpr int64_t kCopy = 32;

/// Copies `count` bytes; may write up to `kCopy`, and read as many where `readable` allows.
inline void copy_text(uint8_t *to, const uint8_t *from, int64_t count, int64_t readable) {
  if (count <= kCopy && readable >= kCopy) {
    std::memcpy(to, from, kCopy);
  } else if (count > kCopy && count <= 2 * kCopy) {
    std::memcpy(to, from, kCopy);
    std::memcpy(to + count - kCopy, from + count - kCopy, kCopy);
  } else {
    std::memcpy(to, from, static_cast<size_t>(count));
  }
}

/// Finds the ends of texts that are stored with their lengths, the first of which begins at
/// `offsets[0]` of what they will be without; answers where the last one ends as stored.
const uint8_t *find_ends(const uint8_t *at, const uint8_t *end, int64_t count, int32_t *offsets) {
  int64_t total = offsets[0];
  for (int64_t i = 0; i < count; i++) {
    if (end - at < 4) refuse("its values end too early");
    const int64_t length = load_as<uint32_t>(at);
    if (length > end - at - 4) refuse("its values end too early");
    at += 4 + length;
    total += length;
    offsets[i + 1] = static_cast<int32_t>(total);
  }
  if (total > INT32_MAX) refuse("its texts are too long for one array");
  return at;
}

/// Copies the texts whose ends were found to `to + offsets[i]`.
void copy_stored(const uint8_t *at, const uint8_t *end, int64_t count, const int32_t *offsets,
                 uint8_t *to) {
  for (int64_t i = 0; i < count; i++) {
    at += 4;
    const int64_t length = offsets[i + 1] - offsets[i];
    copy_text(to + offsets[i], at, length, end - at);
    at += length;
  }
}

/// The size of a dictionary's page once it is unpacked, as its codec has it.
int64_t unpacked_size(const parquet::DictionaryPage &page, arrow::Compression::type codec) {
  const auto stored_count = static_cast<size_t>(page.size());
  if (codec == arrow::Compression::ZSTD) {
    const auto size = ZSTD_getFrameContentSize(page.data(), stored_count);
    if (size > INT32_MAX) refuse("its dictionary does not say its size");
    return static_cast<int64_t>(size);
  }
  // Snappy begins with it, seven bits in a byte.
  uint64_t size = 0;
  for (size_t i = 0; i < std::min<size_t>(stored_count, 5); i++) {
    const uint64_t byte = page.data()[i];
    size |= (byte & 0x7F) << (7 * i);
    if (byte < 0x80) return static_cast<int64_t>(size);
  }
  refuse("its dictionary does not say its size");
}

}  // namespace

// MARK: Dictionary

TextDictionary::TextDictionary(const parquet::DictionaryPage &page,
                               arrow::Compression::type codec, Unpacker &unpacker,
                               arrow::MemoryPool *pool) {
  const int64_t count = page.num_values();
  const uint8_t *from = page.data();
  int64_t size = page.size();
  std::unique_ptr<arrow::Buffer> unpacked;
  if (codec != arrow::Compression::UNCOMPRESSED && size > 0) {
    const int64_t stored_count = std::exchange(size, unpacked_size(page, codec));
    unpacked = take(arrow::AllocateBuffer(size, pool));
    unpacker.unpack(codec, from, stored_count, unpacked->mutable_data(), size);
    from = unpacked->data();
  }
  // Each has a length, of four bytes.
  if (count > size / 4) refuse("its dictionary is too short");
  ends = take(arrow::AllocateBuffer((count + 1) * 4, pool));
  auto *offsets = reinterpret_cast<int32_t *>(ends->mutable_data());
  offsets[0] = 0;
  find_ends(from, from + size, count, offsets);
  bytes = take(arrow::AllocateBuffer(offsets[count] + kCopy, pool));
  copy_stored(from, from + size, count, offsets, bytes->mutable_data());
}

// MARK: Texts

bool TextColumn::reads(const parquet::ColumnChunkMetaData &chunk,
                       const parquet::ColumnDescriptor &descriptor, const arrow::DataType &type) {
  return PagedColumn::reads(chunk, descriptor) &&
         descriptor.physical_type() == parquet::Type::BYTE_ARRAY &&
         (type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY);
}

TextColumn::TextColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type)
    : PagedColumn(chunk), type_(std::move(type)) {}

void TextColumn::load_dictionary(const parquet::DictionaryPage &page) {
  dictionary_ = std::make_unique<TextDictionary>(page, codec_, unpacker_, pool_);
}

void TextColumn::begin_rows(int64_t count) {
  offsets_ = take(arrow::AllocateBuffer((count + 1) * 4, pool_));
  std::memset(offsets_->mutable_data(), 0, 4);
  bytes_ = take(arrow::AllocateResizableBuffer(0, pool_));
  reserve(0);
}

void TextColumn::reserve(int64_t end) {
  const int64_t needed = end + kCopy;
  if (needed <= bytes_->size()) return;
  check(bytes_->Resize(std::max(needed, 2 * bytes_->size()), false));
}

void TextColumn::append_values(int64_t count) { append_at(rows_.at, count); }

void TextColumn::append_at(int64_t row, int64_t count) {
  auto *offsets = reinterpret_cast<int32_t *>(offsets_->mutable_data()) + row;
  if (is_encoded_) return append_coded(offsets, count);
  append_stored(offsets, count);
}

void TextColumn::append_stored(int32_t *offsets, int64_t count) {
  const uint8_t *next = find_ends(at_, end_, count, offsets);
  reserve(offsets[count]);
  copy_stored(at_, end_, count, offsets, bytes_->mutable_data());
  at_ = next;
}

void TextColumn::append_coded(int32_t *offsets, int64_t count) {
  const auto limit = static_cast<uint64_t>(dictionary_count_);
  const int32_t *known = dictionary_->offsets();
  const uint8_t *texts = dictionary_->bytes->data();
  uint32_t indices[kRun];
  while (count > 0) {
    const auto run = indices_.peek();
    const int64_t part = std::min({run.count, count, kRun});
    if (run.is_same) {
      std::fill(indices, indices + part, run.value);
      indices_.pass(part);
    } else {
      indices_.unpack(indices, part);
    }
    int64_t total = offsets[0];
    for (int64_t i = 0; i < part; i++) {
      if (indices[i] >= limit) refuse("a value is not in its dictionary");
      total += known[indices[i] + 1] - known[indices[i]];
      offsets[i + 1] = static_cast<int32_t>(total);
    }
    if (total > INT32_MAX) refuse("its texts are too long for one array");
    reserve(total);
    uint8_t *to = bytes_->mutable_data();
    for (int64_t i = 0; i < part; i++) {
      copy_text(to + offsets[i], texts + known[indices[i]], offsets[i + 1] - offsets[i], kCopy);
    }
    offsets += part;
    count -= part;
  }
}

void TextColumn::append_some(const uint32_t *levels, int64_t count, int64_t) {
  auto *offsets = reinterpret_cast<int32_t *>(offsets_->mutable_data()) + rows_.at;
  for (int64_t i = 0; i < count;) {
    int64_t end = i + 1;
    while (end < count && levels[end] == levels[i]) end++;
    if (levels[i] != 0) {
      append_at(rows_.at + i, end - i);
    } else {
      std::fill(offsets + i + 1, offsets + end + 1, offsets[i]);
    }
    i = end;
  }
}

void TextColumn::pass_values(int64_t count) {
  if (is_encoded_) return pass_indices(count);
  int32_t ends[kRun + 1];
  while (count > 0) {
    const int64_t part = std::min(count, kRun);
    ends[0] = 0;
    at_ = find_ends(at_, end_, part, ends);
    count -= part;
  }
}

std::shared_ptr<arrow::Array> TextColumn::end_rows() {
  return arrow::MakeArray(arrow::ArrayData::Make(
      type_, rows_.count,
      {std::shared_ptr<arrow::Buffer>(std::move(rows_.validity)), std::move(offsets_),
       std::move(bytes_)},
      rows_.null_count));
}

// MARK: Coded texts

CodedTextColumn::CodedTextColumn(const ColumnChunk &chunk, std::shared_ptr<arrow::DataType> type)
    : FlatColumn(chunk, arrow::int32()), text_type_(std::move(type)) {}

void CodedTextColumn::load_dictionary(const parquet::DictionaryPage &page) {
  const TextDictionary found(page, codec_, unpacker_, pool_);
  dictionary_ = arrow::ArrayData::Make(text_type_, page.num_values(),
                                       {nullptr, found.ends, found.bytes}, 0);
}

void CodedTextColumn::read_values(uint8_t *to, int64_t count) {
  if (!is_encoded_) refuse("a value is not in its dictionary");
  const auto limit = static_cast<uint64_t>(dictionary_count_);
  auto *indices = reinterpret_cast<uint32_t *>(to);
  while (count > 0) {
    const auto run = indices_.peek();
    const int64_t part = std::min(run.count, count);
    uint32_t largest = run.value;
    if (run.is_same) {
      std::fill(indices, indices + part, run.value);
      indices_.pass(part);
    } else {
      indices_.unpack(indices, part);
      for (int64_t i = 0; i < part; i++) largest = std::max(largest, indices[i]);
    }
    if (largest >= limit) refuse("a value is not in its dictionary");
    indices += part;
    count -= part;
  }
}

std::shared_ptr<arrow::Array> CodedTextColumn::end_rows() {
  if (dictionary_ == nullptr) refuse("it has no dictionary");
  auto indices = FlatColumn::end_rows()->data()->Copy();
  indices->type = arrow::dictionary(arrow::int32(), text_type_);
  indices->dictionary = dictionary_;
  return arrow::MakeArray(indices);
}

}  // namespace ns::columnar
