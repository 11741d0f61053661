#pragma once

// Numbers in ORC files: protobuf messages and run lengths, every step checked.
// Source: https://orc.apache.org/specification/ORCv1/.

#include <algorithm>
#include <cstdint>

#include "columnar_error.h"

namespace ns::columnar {

[[noreturn]] inline void fail(const char *what) { throw Failure{ns_columnar_damaged, what}; }

/// Bytes that are read from the front; every step is checked.
struct Bytes {
  const uint8_t *at;
  const uint8_t *end;

  bool is_empty() const { return at == end; }

  uint8_t byte() {
    if (at == end) fail("its lengths are cut off");
    return *at++;
  }

  /// A base-128 number, the lowest seven bits first.
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t next = byte();
      value |= static_cast<uint64_t>(next & 0x7F) << shift;
      if (next < 0x80) return value;
    }
    fail("a number is too long");
  }

  uint64_t big_endian(unsigned count) {
    uint64_t value = 0;
    while (count-- > 0) value = value << 8 | byte();
    return value;
  }

  Bytes take(uint64_t count) {
    if (count > static_cast<uint64_t>(end - at)) fail("its metadata is cut off");
    const Bytes part{at, at + count};
    at += count;
    return part;
  }
};

/// Calls `body(number, value, bytes)` for each field of a protobuf message.
template <typename Body>
void for_each_field(Bytes message, Body body) {
  while (!message.is_empty()) {
    const uint64_t key = message.varint();
    const uint64_t number = key >> 3;
    switch (key & 7) {
      case 0: body(number, message.varint(), Bytes{nullptr, nullptr}); break;
      case 1: message.take(8); break;
      case 2: body(number, 0, message.take(message.varint())); break;
      case 5: message.take(4); break;
      default: fail("its metadata is damaged");
    }
  }
}

/// The largest sum of neighbouring values, over twice as many as a batch has: wherever a batch
/// begins, it lies in such a run.
class WindowSum {
 public:
  explicit WindowSum(uint64_t limit) : limit_(std::max<uint64_t>(limit, 1)) {}

  void add(uint64_t value) {
    if (count_ == limit_) {
      before_ = sum_;
      sum_ = count_ = 0;
    }
    count_++;
    // A value beyond any memory ends the sum.
    sum_ = value > kEnough || sum_ > kEnough ? kEnough : sum_ + value;
    largest_ = std::max(largest_, before_ + sum_);
    greatest_ = std::max(greatest_, std::min(value, kEnough));
  }

  uint64_t largest() const { return largest_; }
  /// The greatest value of all.
  uint64_t greatest() const { return greatest_; }

 private:
  static constexpr uint64_t kEnough = uint64_t{1} << 40;
  const uint64_t limit_;
  uint64_t count_ = 0, before_ = 0, sum_ = 0, largest_ = 0, greatest_ = 0;
};

/// Adds at most `limit` numbers that are stored by the first version of run lengths, unsigned.
void add_runs_v1(Bytes bytes, uint64_t limit, WindowSum &sum);

/// The same by the second version.
void add_runs_v2(Bytes bytes, uint64_t limit, WindowSum &sum);

}  // namespace ns::columnar
