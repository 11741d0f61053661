#include "columnar_read_pages.h"

#include <parquet/column_page.h>
#include <parquet/schema.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace ns::columnar {

namespace {

/// Eight numbers of `width` bits each; reads up to seven bytes more than they take.
template <int width>
inline void unpack_eight(const uint8_t *from, uint32_t *to) {
  constexpr uint64_t mask = (uint64_t{1} << width) - 1;
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) {
    to[i] = static_cast<uint32_t>(load_as<uint64_t>(from + i * width / 8) >> (i * width % 8) &
                                  mask);
  }
}

template <int width>
void unpack_groups(const uint8_t *from, uint32_t *to, int64_t group_count) {
  for (int64_t i = 0; i < group_count; i++) unpack_eight<width>(from + i * width, to + 8 * i);
}

using UnpackGroups = void (*)(const uint8_t *, uint32_t *, int64_t);

template <int... widths>
constexpr std::array<UnpackGroups, sizeof...(widths)> all_widths(
    std::integer_sequence<int, widths...>) {
  return {unpack_groups<widths + 1>...};
}

constexpr auto kUnpackGroups = all_widths(std::make_integer_sequence<int, 32>());

}  // namespace

// MARK: Pages

bool Unpacker::knows(arrow::Compression::type codec) {
  return codec == arrow::Compression::UNCOMPRESSED || codec == arrow::Compression::ZSTD ||
         codec == arrow::Compression::SNAPPY;
}

void Unpacker::unpack(arrow::Compression::type codec, const uint8_t *from, int64_t stored_count,
                      uint8_t *to, int64_t count) {
  if (codec == arrow::Compression::ZSTD) {
    if (zstd_ == nullptr) zstd_.reset(ZSTD_createDCtx());
    if (zstd_ == nullptr) throw std::bad_alloc();
    const size_t done =
        ZSTD_decompressDCtx(zstd_.get(), to, static_cast<size_t>(count), from,
                            static_cast<size_t>(stored_count));
    if (ZSTD_isError(done) || done != static_cast<size_t>(count)) {
      refuse("a page cannot be unpacked");
    }
    return;
  }
  if (snappy_ == nullptr) snappy_ = take(arrow::util::Codec::Create(arrow::Compression::SNAPPY));
  if (take(snappy_->Decompress(stored_count, from, count, to)) != count) {
    refuse("a page cannot be unpacked");
  }
}

// MARK: Runs

PackedRuns::Run PackedRuns::peek() {
  if (run_.count > 0) return run_;
  uint32_t header = 0;
  for (int shift = 0;; shift += 7) {
    if (at_ == end_ || shift > 28) refuse("its runs end too early");
    header |= static_cast<uint32_t>(*at_ & 0x7F) << shift;
    if ((*at_++ & 0x80) == 0) break;
  }
  if ((header & 1) == 0) {
    const int byte_count = (width_ + 7) / 8;
    if (end_ - at_ < byte_count) refuse("its runs end too early");
    uint32_t value = 0;
    std::memcpy(&value, at_, static_cast<size_t>(byte_count));
    at_ += byte_count;
    run_ = {header >> 1, true, value};
  } else {
    // The last groups of a page may lack bytes that nothing is in.
    packed_ = at_;
    const int64_t byte_count = static_cast<int64_t>(header >> 1) * width_;
    packed_end_ = at_ + std::min<int64_t>(byte_count, end_ - at_);
    at_ = packed_end_;
    taken_ = 0;
    run_ = {static_cast<int64_t>(header >> 1) * 8, false, 0};
  }
  if (run_.count == 0) refuse("it has an empty run");
  return run_;
}

void PackedRuns::unpack(uint32_t *to, int64_t count) {
  int64_t done = 0;
  if (width_ == 0) {
    std::fill(to, to + count, 0);
    pass(count);
    return;
  }
  const uint64_t mask = (uint64_t{1} << width_) - 1;
  if (taken_ % 8 == 0) {
    const uint8_t *from = packed_ + taken_ / 8 * width_;
    // Where eight more bytes can be read behind the last group.
    const int64_t safe = (packed_end_ - from - 8) / width_;
    done = std::clamp<int64_t>(safe, 0, count / 8) * 8;
    kUnpackGroups[static_cast<size_t>(width_ - 1)](from, to, done / 8);
  }
  for (; done < count; done++) {
    const int64_t bit = (taken_ + done) * width_;
    const uint8_t *from = packed_ + bit / 8;
    const int64_t needed = (bit % 8 + width_ + 7) / 8;
    if (packed_end_ - from < needed) refuse("its runs end too early");
    uint64_t word = 0;
    std::memcpy(&word, from, static_cast<size_t>(needed));
    to[done] = static_cast<uint32_t>(word >> bit % 8 & mask);
  }
  pass(count);
}

void PackedRuns::pass(int64_t count) {
  run_.count -= count;
  taken_ += count;
}

// MARK: Column

bool PagedColumn::reads(const parquet::ColumnChunkMetaData &chunk,
                        const parquet::ColumnDescriptor &descriptor) {
  if (descriptor.max_repetition_level() != 0 || descriptor.max_definition_level() > 1) return false;
  if (!Unpacker::knows(chunk.compression())) return false;
  for (const auto encoding : chunk.encodings()) {
    if (encoding != parquet::Encoding::PLAIN && encoding != parquet::Encoding::RLE &&
        encoding != parquet::Encoding::RLE_DICTIONARY &&
        encoding != parquet::Encoding::PLAIN_DICTIONARY &&
        encoding != parquet::Encoding::BIT_PACKED) {
      return false;
    }
  }
  return true;
}

PagedColumn::PagedColumn(const ColumnChunk &chunk)
    : pool_(chunk.properties.memory_pool()), codec_(chunk.metadata.compression()),
      is_nullable_(chunk.descriptor.max_definition_level() == 1), unpacker_(chunk.unpacker),
      left_(chunk.metadata.num_values()), input_(chunk.input), properties_(chunk.properties),
      descriptor_(chunk.descriptor) {
  if (chunk.metadata.crypto_metadata() != nullptr) refuse("it is encrypted");
  begin_ = chunk.metadata.data_page_offset();
  if (chunk.metadata.has_dictionary_page() && chunk.metadata.dictionary_page_offset() > 0) {
    begin_ = std::min(begin_, chunk.metadata.dictionary_page_offset());
  }
  byte_count_ = chunk.metadata.total_compressed_size();
  const int64_t size = take(input_->GetSize());
  if (begin_ < 0 || byte_count_ < 0 || begin_ > size || byte_count_ > size - begin_ || left_ < 0) {
    refuse("it lies outside of the file");
  }
}

void PagedColumn::release() {
  page_ = nullptr;
  pages_ = nullptr;
  bytes_ = nullptr;
}

bool PagedColumn::load(int64_t skippable) {
  if (pages_ == nullptr) {
    // Pages come packed; who reads them knows how.
    pages_ = parquet::PageReader::Open(
        parquet::ReaderProperties(properties_).GetStream(input_, begin_, byte_count_), left_,
        arrow::Compression::UNCOMPRESSED, properties_, descriptor_);
  }
  while (left_ > 0) {
    page_ = nullptr;
    page_ = pages_->NextPage();
    if (page_ == nullptr) refuse("a page is missing");
    if (page_->type() == parquet::PageType::DICTIONARY_PAGE) {
      begin_dictionary(static_cast<const parquet::DictionaryPage &>(*page_));
      continue;
    }
    const bool is_first = page_->type() == parquet::PageType::DATA_PAGE;
    if (!is_first && page_->type() != parquet::PageType::DATA_PAGE_V2) continue;
    const auto &page = static_cast<const parquet::DataPage &>(*page_);
    const int64_t count = page.num_values();
    if (count < 0 || count > left_) refuse("a page has too many values");
    left_ -= count;
    page_left_ = count;
    if (count == 0) continue;
    if (count <= skippable) return true;
    const uint8_t *at, *end;
    if (is_first) {
      const auto &first = static_cast<const parquet::DataPageV1 &>(page);
      at = unpacked(page, 0, true, &end);
      if (is_nullable_) {
        if (first.definition_level_encoding() != parquet::Encoding::RLE) refuse("old levels");
        if (end - at < 4) refuse("its levels end too early");
        const uint32_t level_count = load_as<uint32_t>(at);
        if (static_cast<int64_t>(level_count) > end - at - 4) refuse("its levels end too early");
        levels_ = PackedRuns(at + 4, at + 4 + level_count, 1);
        at += 4 + level_count;
      }
    } else {
      const auto &second = static_cast<const parquet::DataPageV2 &>(page);
      const int64_t prefix = int64_t{second.repetition_levels_byte_length()} +
                             second.definition_levels_byte_length();
      if (second.repetition_levels_byte_length() != 0 || prefix < 0 || prefix > page.size()) {
        refuse("its levels end too early");
      }
      at = unpacked(page, prefix, second.is_compressed(), &end);
      if (is_nullable_) levels_ = PackedRuns(page.data(), page.data() + prefix, 1);
    }
    begin_values(page, at, end);
    return true;
  }
  return false;
}

const uint8_t *PagedColumn::unpacked(const parquet::DataPage &page, int64_t prefix,
                                     bool is_packed, const uint8_t **end) {
  const uint8_t *from = page.data() + prefix;
  const int64_t stored_count = page.size() - prefix;
  if (codec_ == arrow::Compression::UNCOMPRESSED || !is_packed) {
    *end = from + stored_count;
    return from;
  }
  const int64_t count = page.uncompressed_size() - prefix;
  if (count < 0) refuse("a page has no size");
  if (bytes_ == nullptr || bytes_->size() < count) {
    bytes_ = nullptr;  // before there is more
    bytes_ = take(arrow::AllocateBuffer(count, pool_));
  }
  if (count > 0) unpacker_.unpack(codec_, from, stored_count, bytes_->mutable_data(), count);
  *end = bytes_->data() + count;
  return bytes_->data();
}

void PagedColumn::begin_dictionary(const parquet::DictionaryPage &page) {
  if (dictionary_count_ >= 0) refuse("it has two dictionaries");
  if (page.encoding() != parquet::Encoding::PLAIN &&
      page.encoding() != parquet::Encoding::PLAIN_DICTIONARY) {
    refuse("its dictionary is encoded");
  }
  if (page.num_values() < 0) refuse("its dictionary has no size");
  load_dictionary(page);
  dictionary_count_ = page.num_values();
}

void PagedColumn::begin_values(const parquet::DataPage &page, const uint8_t *at,
                               const uint8_t *end) {
  is_encoded_ = page.encoding() != parquet::Encoding::PLAIN;
  at_ = at;
  end_ = end;
  if (!is_encoded_) return;
  if (page.encoding() != parquet::Encoding::RLE_DICTIONARY &&
      page.encoding() != parquet::Encoding::PLAIN_DICTIONARY) {
    refuse("its values are encoded");
  }
  if (dictionary_count_ < 0) refuse("it has no dictionary");
  // Without a value there need not even be the width.
  const int width = at == end ? 0 : *at;
  if (width > 32) refuse("its indices are too wide");
  indices_ = PackedRuns(std::min(at + 1, end), end, width);
}

// MARK: Rows

std::shared_ptr<arrow::Array> PagedColumn::next(int64_t count) {
  rows_ = {std::min(count, page_left_ + left_)};
  begin_rows(rows_.count);
  while (rows_.at < rows_.count) {
    if (page_left_ == 0 && !load(0)) refuse("a page is missing");
    const int64_t part = std::min(page_left_, rows_.count - rows_.at);
    read_rows(part);
    page_left_ -= part;
  }
  auto array = end_rows();
  if (page_left_ == 0 && left_ == 0) release();
  return array;
}

void PagedColumn::read_rows(int64_t count) {
  if (!is_nullable_) {
    append_values(count);
    rows_.at += count;
    return;
  }
  while (count > 0) {
    const auto run = levels_.peek();
    int64_t part = std::min(run.count, count);
    if (run.is_same && run.value == 1) {
      append_values(part);
      levels_.pass(part);
    } else {
      part = std::min(part, kRun);
      uint32_t levels[kRun];
      if (run.is_same) {
        if (run.value > 1) refuse("a level is too high");
        std::fill(levels, levels + part, run.value);
        levels_.pass(part);
      } else {
        levels_.unpack(levels, part);
      }
      append_spread(levels, part);
    }
    rows_.at += part;
    count -= part;
  }
}

void PagedColumn::append_spread(const uint32_t *levels, int64_t count) {
  int64_t present = 0;
  for (int64_t i = 0; i < count; i++) present += levels[i];
  if (present == count) return append_values(count);
  if (rows_.validity == nullptr) {
    rows_.validity = take(arrow::AllocateBuffer((rows_.count + 7) / 8, pool_));
    std::memset(rows_.validity->mutable_data(), 0xFF, static_cast<size_t>(rows_.validity->size()));
  }
  rows_.null_count += count - present;
  uint8_t *bits = rows_.validity->mutable_data();
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = rows_.at + i;
    bits[row / 8] &= static_cast<uint8_t>(~((levels[i] ^ 1) << row % 8));
  }
  append_some(levels, count, present);
}

void PagedColumn::pass_indices(int64_t count) {
  while (count > 0) {
    const int64_t part = std::min(indices_.peek().count, count);
    indices_.pass(part);
    count -= part;
  }
}

void PagedColumn::skip(int64_t count) {
  count = std::min(count, page_left_ + left_);
  while (count > 0) {
    if (page_left_ == 0) {
      if (!load(count)) refuse("a page is missing");
      if (page_left_ <= count) {  // it was left packed
        count -= page_left_;
        page_left_ = 0;
        continue;
      }
    }
    int64_t part = std::min(page_left_, count), present = part;
    if (is_nullable_) {
      const auto run = levels_.peek();
      part = std::min({part, run.count, kRun});
      present = part;
      if (run.is_same) {
        if (run.value > 1) refuse("a level is too high");
        present = run.value == 1 ? part : 0;
        levels_.pass(part);
      } else {
        uint32_t levels[kRun];
        levels_.unpack(levels, part);
        present = 0;
        for (int64_t i = 0; i < part; i++) present += levels[i];
      }
    }
    pass_values(present);
    page_left_ -= part;
    count -= part;
  }
}

}  // namespace ns::columnar
