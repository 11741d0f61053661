#pragma once

// Where the messages of an Arrow IPC file or stream lie.
//
// Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-
// communication-ipc, with File.fbs, Message.fbs and Schema.fbs.

#include <cstdint>
#include <vector>

#include "columnar_read_file.h"

namespace ns::columnar {

/// One encapsulated message: its prefix and metadata, then its body.
struct Message {
  enum class Kind { schema, dictionary, batch, other };

  Kind kind = Kind::other;
  int64_t offset = 0;
  int64_t metadata_length = 0;  // with the prefix and padding
  int64_t body_length = 0;
  int64_t row_count = 0;      // of a batch
  int64_t dictionary_id = 0;  // of a dictionary
  bool is_delta = false;      // whether a dictionary's values are added to those before
  bool is_end = false;        // the mark that ends a stream

  int64_t length() const { return metadata_length + body_length; }
};

/// Where the buffers of a record batch lie, in the order of its columns.
struct BatchLayout {
  struct Buffer {
    int64_t offset, length;  // from the body's begin
  };

  std::vector<Buffer> buffers;
  /// Of each column, and of what is nested in it, the number of nulls.
  std::vector<int64_t> null_counts;
  /// Of each column of views the number of buffers with its bytes.
  std::vector<int64_t> variadic_counts;
  bool is_compressed = false;
  /// Of the format, from 0; unions have other buffers before the fifth.
  int version = 0;
};

/// The layout of a record batch; throws `Failure` where its buffers are not in its body.
BatchLayout read_layout(Input &input, const Message &batch);

/// Reads what stands at `offset`; throws `Failure` where it is no message that fits in the file.
Message read_message(Input &input, int64_t offset);

/// The record batches of a file in the IPC file format, in order.
std::vector<Message> read_footer(Input &input);

/// All messages of a file in the IPC stream format, in order, without the mark at the end.
std::vector<Message> read_stream(Input &input);

}  // namespace ns::columnar
