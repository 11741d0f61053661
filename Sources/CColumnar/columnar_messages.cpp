#include "columnar_messages.h"

#include <cstring>
#include <string>

namespace ns::columnar {

namespace {

constexpr uint32_t kContinuation = 0xFFFFFFFF;

/// Bytes of a flatbuffer, each access checked.
class Flatbuffer {
 public:
  explicit Flatbuffer(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  template <typename Value>
  Value at(int64_t position) const {
    const int64_t size = static_cast<int64_t>(bytes_.size());
    if (position < 0 || position > size - static_cast<int64_t>(sizeof(Value))) {
      throw Failure{ns_columnar_damaged, "the metadata of a message is damaged"};
    }
    Value value;
    std::memcpy(&value, bytes_.data() + position, sizeof(Value));
    return value;
  }

  int64_t root() const { return at<uint32_t>(0); }

  /// Where field `number` of the table at `table` stands; -1 where it is left out.
  int64_t field(int64_t table, int number) const {
    const int64_t entries = table - at<int32_t>(table);
    const int64_t place = 4 + 2 * int64_t{number};
    if (place >= at<uint16_t>(entries)) return -1;
    const uint16_t offset = at<uint16_t>(entries + place);
    return offset == 0 ? -1 : table + offset;
  }

  template <typename Value>
  Value scalar(int64_t table, int number, Value otherwise) const {
    const int64_t place = field(table, number);
    return place < 0 ? otherwise : at<Value>(place);
  }

  /// Where a table or vector begins that a field refers to; -1 where it is left out.
  int64_t reference(int64_t table, int number) const {
    const int64_t place = field(table, number);
    return place < 0 ? -1 : place + at<uint32_t>(place);
  }

 private:
  const std::vector<uint8_t> bytes_;
};

[[noreturn]] void fail_at(int64_t offset, const char *what) {
  throw Failure{ns_columnar_damaged, "the message at byte " + std::to_string(offset) + " " + what};
}

Flatbuffer read_flatbuffer(Input &input, int64_t offset, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  input.read_whole(offset, count, bytes.data());
  return Flatbuffer(std::move(bytes));
}

void read_header(const Flatbuffer &metadata, Message &message) {
  // Message: version, header's type, header, body's length.
  const int64_t root = metadata.root();
  const int64_t header = metadata.reference(root, 2);
  message.body_length = metadata.scalar<int64_t>(root, 3, 0);
  const int type = metadata.scalar<uint8_t>(root, 1, 0);
  if (message.body_length < 0 || header < 0) fail_at(message.offset, "has no header");
  switch (type) {
    case 1: message.kind = Message::Kind::schema; break;
    case 2:  // DictionaryBatch: id, data, whether it is a delta
      message.kind = Message::Kind::dictionary;
      message.dictionary_id = metadata.scalar<int64_t>(header, 0, 0);
      message.is_delta = metadata.scalar<uint8_t>(header, 2, 0) != 0;
      break;
    case 3:  // RecordBatch: length, nodes, buffers, compression
      message.kind = Message::Kind::batch;
      message.row_count = metadata.scalar<int64_t>(header, 0, 0);
      if (message.row_count < 0) fail_at(message.offset, "has a negative number of rows");
      break;
    default: break;
  }
}

}  // namespace

Message read_message(Input &input, int64_t offset) {
  const int64_t size = take(input.GetSize());
  Message message;
  message.offset = offset;
  uint32_t prefix[2] = {};
  if (offset > size - 4) fail_at(offset, "is not in the file");
  input.read_whole(offset, offset > size - 8 ? 4 : 8, prefix);
  // Before version 0.15 there was no mark before the length.
  const bool is_marked = prefix[0] == kContinuation;
  const int64_t prefix_length = is_marked ? 8 : 4;
  const int64_t length = is_marked ? prefix[1] : prefix[0];
  message.metadata_length = prefix_length + length;
  message.is_end = length == 0;
  if (message.is_end) return message;
  if (length > NS_COLUMNAR_METADATA_LIMIT || length > size - offset - prefix_length) {
    fail_at(offset, "is cut off, or none");
  }
  read_header(read_flatbuffer(input, offset + prefix_length, length), message);
  if (message.body_length > size - offset - message.metadata_length) {
    fail_at(offset, "is cut off");
  }
  return message;
}

BatchLayout read_layout(Input &input, const Message &batch) {
  uint32_t mark = 0;
  input.read_whole(batch.offset, 4, &mark);
  const int64_t prefix_length = mark == kContinuation ? 8 : 4;
  const Flatbuffer metadata = read_flatbuffer(input, batch.offset + prefix_length,
                                              batch.metadata_length - prefix_length);
  const int64_t header = metadata.reference(metadata.root(), 2);
  if (header < 0) fail_at(batch.offset, "has no header");
  BatchLayout layout;
  layout.version = metadata.scalar<int16_t>(metadata.root(), 0, 0);
  layout.is_compressed = metadata.reference(header, 3) >= 0;
  const int64_t nodes = metadata.reference(header, 1);
  const uint32_t node_count = nodes < 0 ? 0 : metadata.at<uint32_t>(nodes);
  for (uint32_t i = 0; i < node_count; i++) {  // of each its rows and its nulls
    layout.null_counts.push_back(metadata.at<int64_t>(nodes + 4 + 16 * int64_t{i} + 8));
  }
  const int64_t buffers = metadata.reference(header, 2);
  const uint32_t count = buffers < 0 ? 0 : metadata.at<uint32_t>(buffers);
  for (uint32_t i = 0; i < count; i++) {
    const int64_t place = buffers + 4 + 16 * int64_t{i};
    const BatchLayout::Buffer buffer{metadata.at<int64_t>(place), metadata.at<int64_t>(place + 8)};
    if (buffer.offset < 0 || buffer.length < 0 || buffer.offset > batch.body_length ||
        buffer.length > batch.body_length - buffer.offset) {
      fail_at(batch.offset, "has a buffer that is not in it");
    }
    layout.buffers.push_back(buffer);
  }
  const int64_t variadic = metadata.reference(header, 4);
  const uint32_t variadic_count = variadic < 0 ? 0 : metadata.at<uint32_t>(variadic);
  for (uint32_t i = 0; i < variadic_count; i++) {
    layout.variadic_counts.push_back(metadata.at<int64_t>(variadic + 4 + 8 * int64_t{i}));
  }
  return layout;
}

std::vector<Message> read_footer(Input &input) {
  // The footer, its length as int32, "ARROW1".
  const int64_t size = take(input.GetSize());
  uint8_t tail[10];
  if (size < 20) throw Failure{ns_columnar_damaged, "is too short"};
  input.read_whole(size - 10, 10, tail);
  if (std::memcmp(tail + 4, "ARROW1", 6) != 0) {
    throw Failure{ns_columnar_damaged, "its end is missing"};
  }
  int32_t length;
  std::memcpy(&length, tail, 4);
  if (length <= 0 || length > size - 18) {
    throw Failure{ns_columnar_damaged, "its footer's length is out of range"};
  }
  if (length > NS_COLUMNAR_METADATA_LIMIT) {
    throw Failure{ns_columnar_limit, "its metadata takes " + std::to_string(length) +
                                         " bytes, which are more than " +
                                         std::to_string(NS_COLUMNAR_METADATA_LIMIT)};
  }
  const Flatbuffer footer = read_flatbuffer(input, size - 10 - length, length);
  // Footer: version, schema, dictionaries, record batches; a block is three 64-bit words.
  const int64_t blocks = footer.reference(footer.root(), 3);
  std::vector<Message> messages;
  if (blocks < 0) return messages;
  const uint32_t count = footer.at<uint32_t>(blocks);
  if (count > NS_COLUMNAR_GROUP_LIMIT) {
    throw Failure{ns_columnar_limit, "it has " + std::to_string(count) + " record batches"};
  }
  for (uint32_t i = 0; i < count; i++) {
    const int64_t offset = footer.at<int64_t>(blocks + 4 + 24 * int64_t{i});
    if (offset < 0) throw Failure{ns_columnar_damaged, "a record batch is not in the file"};
    const Message message = read_message(input, offset);
    if (message.kind != Message::Kind::batch) fail_at(offset, "is no record batch");
    messages.push_back(message);
  }
  return messages;
}

std::vector<Message> read_stream(Input &input) {
  const int64_t size = take(input.GetSize());
  std::vector<Message> messages;
  for (int64_t offset = 0; offset < size;) {
    const Message message = read_message(input, offset);
    if (message.is_end) break;
    if (messages.empty() != (message.kind == Message::Kind::schema)) {
      fail_at(offset, messages.empty() ? "is no schema" : "is a second schema");
    }
    if (messages.size() == 2 * size_t{NS_COLUMNAR_GROUP_LIMIT}) {
      throw Failure{ns_columnar_limit, "it has too many messages"};
    }
    messages.push_back(message);
    offset += message.length();
  }
  if (messages.empty()) throw Failure{ns_columnar_damaged, "holds no schema"};
  return messages;
}

}  // namespace ns::columnar
