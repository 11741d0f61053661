#include "columnar_orc_lengths.h"

#include <arrow/util/compression.h>

#include <algorithm>
#include <cstring>

#include "columnar_orc_runs.h"

namespace ns::columnar {

namespace {

/// Largest block that a length of 23 bits allows.
constexpr uint64_t kBlockLimit = 1 << 23;

enum Compression : uint32_t { none = 0, zlib = 1, snappy = 2, lzo = 3, lz4 = 4, zstd = 5 };

std::unique_ptr<arrow::util::Codec> codec_for(uint32_t compression) {
  using arrow::util::Codec;
  switch (compression) {
    case zlib: {
      arrow::util::GZipCodecOptions options;
      options.gzip_format = arrow::util::GZipFormat::DEFLATE;
      return take(Codec::Create(arrow::Compression::GZIP, options));
    }
    case snappy: return take(Codec::Create(arrow::Compression::SNAPPY));
    case lz4: return take(Codec::Create(arrow::Compression::LZ4));
    case zstd: return take(Codec::Create(arrow::Compression::ZSTD));
    default: throw Failure{ns_columnar_unsupported, "its compression is not read"};
  }
}

/// How the file's streams are compressed.
struct Packing {
  uint32_t compression;
  /// Most bytes of a block once they are unpacked.
  uint64_t block_size;
};

/// Undoes the compression of one block; returns its size.
int64_t unpack(arrow::util::Codec &codec, uint32_t compression, Bytes packed,
               std::vector<uint8_t> &block) {
  const int64_t count = packed.end - packed.at;
  const int64_t room = static_cast<int64_t>(block.size());
  if (compression != zstd) return take(codec.Decompress(count, packed.at, room, block.data()));
  // In one go Arrow takes zstd only where the size is known before.
  const auto decompressor = take(codec.MakeDecompressor());
  const auto result = take(decompressor->Decompress(count, packed.at, room, block.data()));
  if (result.bytes_read != count) fail("a block of its lengths is damaged");
  return result.bytes_written;
}

/// Reads a stream and undoes its compression, block after block.
std::vector<uint8_t> read_stream(Input &input, uint64_t offset, uint64_t length,
                                 Packing packing) {
  if (length > NS_COLUMNAR_METADATA_LIMIT) {
    throw Failure{ns_columnar_limit, "lengths of its text take more than 64 MiB"};
  }
  std::vector<uint8_t> stored(static_cast<size_t>(length));
  input.read_whole(static_cast<int64_t>(offset), static_cast<int64_t>(length), stored.data());
  if (packing.compression == none) return stored;
  const auto codec = codec_for(packing.compression);
  std::vector<uint8_t> block(packing.block_size), text;
  Bytes bytes{stored.data(), stored.data() + stored.size()};
  while (!bytes.is_empty()) {
    uint32_t header = bytes.byte();
    header |= static_cast<uint32_t>(bytes.byte()) << 8;
    header |= static_cast<uint32_t>(bytes.byte()) << 16;
    const Bytes packed = bytes.take(header >> 1);
    const bool is_original = header & 1;
    const int64_t count =
        is_original ? packed.end - packed.at : unpack(*codec, packing.compression, packed, block);
    const uint8_t *from = is_original ? packed.at : block.data();
    text.insert(text.end(), from, from + count);
    if (text.size() > 4 * NS_COLUMNAR_METADATA_LIMIT) {
      throw Failure{ns_columnar_limit, "its lengths take more than 256 MiB"};
    }
  }
  return text;
}

// MARK: Stripes

struct Stream {
  uint64_t kind = 0, column = 0, length = 0, offset = 0;
};

struct Encoding {
  uint64_t kind = 0, dictionary_size = 0;

  bool has_dictionary() const { return kind & 1; }
  bool is_version_2() const { return kind >= 2; }
};

struct StripeFooter {
  std::vector<Stream> streams;
  std::vector<Encoding> encodings;
};

StripeFooter read_footer(const std::vector<uint8_t> &text, uint64_t begin) {
  StripeFooter footer;
  for_each_field({text.data(), text.data() + text.size()},
                 [&](uint64_t number, uint64_t, Bytes bytes) {
    if (number == 1) {
      Stream stream;
      for_each_field(bytes, [&](uint64_t field, uint64_t value, Bytes) {
        if (field == 1) stream.kind = value;
        if (field == 2) stream.column = value;
        if (field == 3) stream.length = value;
      });
      stream.offset = begin;
      if (stream.length > static_cast<uint64_t>(INT64_MAX) - begin) fail("a stream is too long");
      begin += stream.length;
      footer.streams.push_back(stream);
    } else if (number == 2) {
      Encoding encoding;
      for_each_field(bytes, [&](uint64_t field, uint64_t value, Bytes) {
        if (field == 1) encoding.kind = value;
        if (field == 2) encoding.dictionary_size = value;
      });
      footer.encodings.push_back(encoding);
    }
  });
  return footer;
}

/// String, binary, varchar, char.
bool is_text(uint32_t kind) { return kind == 7 || kind == 8 || kind == 16 || kind == 17; }

void add_lengths(Input &input, const StripeFooter &footer, Packing packing, uint32_t number,
                 const Encoding &encoding, uint64_t count, WindowSum &sum) {
  for (const Stream &stream : footer.streams) {
    if (stream.column != number || stream.kind != 2) continue;
    const auto lengths = read_stream(input, stream.offset, stream.length, packing);
    const Bytes bytes{lengths.data(), lengths.data() + lengths.size()};
    if (encoding.is_version_2()) {
      add_runs_v2(bytes, count, sum);
    } else {
      add_runs_v1(bytes, count, sum);
    }
  }
}

/// A part of `rows`, in the ratio of `aim` to `batch`, at least one.
int64_t shrunk(uint64_t rows, uint64_t aim, uint64_t batch) {
  const double part = static_cast<double>(aim) / static_cast<double>(batch);
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(rows) * part));
}

// MARK: Index

/// Streams of a column's values that an index has positions in: some of run lengths, which take a
/// number more, and some of bytes alone.
struct Positions {
  unsigned run_streams, byte_streams;
  /// Whether they end with a place in a byte of bits.
  bool has_bits = false;
};

Positions positions_of(uint32_t kind, const Encoding &encoding) {
  switch (kind) {
    case 0: return {1, 0, true};  // boolean
    case 5:
    case 6: return {0, 1};  // float, double
    case 7:
    case 16:
    case 17: return encoding.has_dictionary() ? Positions{1, 0} : Positions{1, 1};
    case 8:
    case 14: return {1, 1};  // binary, decimal
    case 9:
    case 18: return {2, 0};  // timestamps
    default: return {1, 0};
  }
}

/// Throws where the first entry of a column's index has fewer positions than are taken from it.
void check_index(Input &input, const StripeFooter &footer, Packing packing, uint32_t number,
                 Positions positions) {
  const unsigned start = packing.compression == none ? 1 : 2;
  uint64_t needed = positions.run_streams * (start + 1) + positions.byte_streams * start +
                    (positions.has_bits ? 1 : 0);
  for (const Stream &stream : footer.streams) {
    // Bits of what is there: a run of bytes, and a place in the last one.
    if (stream.column == number && stream.kind == 0) needed += start + 2;
  }
  for (const Stream &stream : footer.streams) {
    if (stream.column != number || stream.kind != 6) continue;
    const auto text = read_stream(input, stream.offset, stream.length, packing);
    uint64_t entries = 0, first_count = 0, sum = 0;
    for_each_field({text.data(), text.data() + text.size()},
                   [&](uint64_t field, uint64_t, Bytes entry) {
      if (field != 1 || entry.at == nullptr || entries++ > 0) return;
      for_each_field(entry, [&](uint64_t part, uint64_t value, Bytes packed) {
        if (part != 1) return;
        if (packed.at == nullptr) sum |= value, first_count++;
        while (packed.at != packed.end) sum |= packed.varint(), first_count++;
      });
    });
    // All streams begin with the stripe.
    if (entries == 0 || first_count < needed || sum != 0) fail("its index is damaged");
  }
}

}  // namespace

void check_orc_postscript(Input &input) {
  const int64_t size = take(input.GetSize());
  uint8_t begin[3] = {};
  if (size < 16) fail("is no ORC file: it is too short");
  input.read_whole(0, 3, begin);
  if (std::memcmp(begin, "ORC", 3) != 0) fail("is no ORC file");
  uint8_t tail[256];
  const int64_t tail_length = std::min<int64_t>(size, 256);
  input.read_whole(size - tail_length, tail_length, tail);
  const int64_t length = tail[tail_length - 1];
  if (length + 1 > tail_length) fail("its end is missing");
  const uint8_t *end = tail + tail_length - 1;
  uint64_t metadata_length = 0, block = 0, compression = 0;
  for_each_field({end - length, end}, [&](uint64_t number, uint64_t value, Bytes) {
    if (number == 1 || number == 5) metadata_length += std::min<uint64_t>(value, 1ull << 62);
    if (number == 2) compression = value;
    if (number == 3) block = value;
  });
  if (metadata_length > NS_COLUMNAR_METADATA_LIMIT) {
    throw Failure{ns_columnar_limit, "its metadata takes " + std::to_string(metadata_length) +
                                         " bytes, which are more than " +
                                         std::to_string(NS_COLUMNAR_METADATA_LIMIT)};
  }
  if (block > kBlockLimit) fail("its blocks are larger than there can be");
  if (compression == lzo || compression > zstd) {
    throw Failure{ns_columnar_unsupported, "its compression is not read"};
  }
}

OrcLengths::OrcLengths(const std::string &tail) {
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(tail.data());
  for_each_field({begin, begin + tail.size()}, [&](uint64_t part, uint64_t, Bytes message) {
    for_each_field(message, [&](uint64_t number, uint64_t value, Bytes bytes) {
      if (part == 1 && number == 2) compression_ = static_cast<uint32_t>(value);
      if (part == 1 && number == 3) block_size_ = std::clamp<uint64_t>(value, 1, kBlockLimit);
      if (part == 2 && number == 3) {
        Stripe stripe;
        for_each_field(bytes, [&](uint64_t field, uint64_t word, Bytes) {
          if (field == 1) stripe.offset = word;
          if (field == 2) stripe.index_length = word;
          if (field == 3) stripe.data_length = word;
          if (field == 4) stripe.footer_length = word;
          if (field == 5) stripe.row_count = word;
        });
        stripes_.push_back(stripe);
      }
      if (part != 2 || number != 4) return;
      uint32_t kind = 0;
      uint64_t precision = 0;
      for_each_field(bytes, [&](uint64_t field, uint64_t word, Bytes packed) {
        if (field == 1) kind = static_cast<uint32_t>(word);
        if (field == 5) precision = word;
        if (field != 2 || !kinds_.empty()) return;
        if (packed.at == nullptr) children_.push_back(static_cast<uint32_t>(word));
        while (packed.at != packed.end) {
          children_.push_back(static_cast<uint32_t>(packed.varint()));
        }
      });
      // The library ends the process for such a decimal.
      if (kind == 14 && precision > 38) fail("a decimal has more than 38 digits");
      kinds_.push_back(kind);
    });
  });
}

uint32_t OrcLengths::number_of(uint32_t column) const {
  if (column >= children_.size() || children_[column] >= kinds_.size()) {
    fail("a column has no type");
  }
  return children_[column];
}

int64_t OrcLengths::check(Input &input, uint32_t stripe, const std::vector<uint32_t> &columns,
                          int64_t batch_row_limit, int64_t byte_limit) const {
  if (stripe >= stripes_.size()) fail("is not in the file's metadata");
  const Stripe &place = stripes_[stripe];
  const Packing packing{compression_, block_size_};
  const uint64_t footer_offset = place.offset + place.index_length + place.data_length;
  const auto text = read_stream(input, footer_offset, place.footer_length, packing);
  const StripeFooter footer = read_footer(text, place.offset);
  int64_t row_limit = batch_row_limit;
  // The rows themselves are a column, which has an index too.
  if (place.index_length > 0) check_index(input, footer, packing, 0, {0, 0});
  for (const uint32_t column : columns) {
    const uint32_t number = number_of(column);
    if (number >= footer.encodings.size()) fail("a column has no encoding");
    const Encoding &encoding = footer.encodings[number];
    const bool has_index = place.index_length > 0;
    if (has_index) {
      check_index(input, footer, packing, number, positions_of(kinds_[number], encoding));
    }
    if (!is_text(kinds_[number])) continue;
    if (encoding.has_dictionary() && encoding.dictionary_size > place.row_count) {
      fail("a dictionary has more values than there are rows");
    }
    const uint64_t rows = static_cast<uint64_t>(batch_row_limit);
    const uint64_t run = encoding.has_dictionary() ? encoding.dictionary_size : rows;
    WindowSum sum(run);
    add_lengths(input, footer, packing, number, encoding,
                encoding.has_dictionary() ? run : place.row_count, sum);
    // A dictionary is taken whole; its values may each stand in every row.
    const uint64_t limit = static_cast<uint64_t>(byte_limit);
    const bool is_too_much = encoding.has_dictionary() ? sum.largest() > limit
                                                       : sum.greatest() > limit;
    if (is_too_much) {
      throw Failure{ns_columnar_limit,
                    "text of more than " + std::to_string(byte_limit) + " bytes at once"};
    }
    const uint64_t batch = encoding.has_dictionary()
                               ? std::min(sum.greatest() * rows, 8 * sum.largest() / std::max<uint64_t>(run, 1) * rows)
                               : sum.largest();
    const uint64_t aim = std::max<uint64_t>(limit / 8, 1);
    if (batch > aim) row_limit = std::min<int64_t>(row_limit, shrunk(rows, aim, batch));
  }
  return row_limit;
}

}  // namespace ns::columnar
