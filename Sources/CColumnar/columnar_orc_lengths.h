#pragma once

// What the ORC library believes without looking: how much text a stripe says it holds, and where
// its index says that columns begin.
//
// The library takes as much memory as the lengths of a column's values add up to, and clears it,
// before it reads one byte of them; and it takes as many positions from the index as it needs,
// whether they are there or not. A changed bit ends the process, so both are looked at first.
// Source: https://orc.apache.org/specification/ORCv1/.

#include <cstdint>
#include <string>
#include <vector>

#include "columnar_read_file.h"

namespace ns::columnar {

/// What of an ORC file's own metadata is needed for that.
class OrcLengths {
 public:
  /// - tail: the serialized FileTail, which the library has read and checked.
  explicit OrcLengths(const std::string &tail);

  /// Looks at what columns of a stripe say of themselves.
  ///
  /// Throws where one of them cannot be read with as little as `byte_limit` bytes of text at once,
  /// or where the index has too few positions of it. Returns how many rows a batch may have, at
  /// most `batch_row_limit`, so that its text takes a part of that.
  int64_t check(Input &input, uint32_t stripe, const std::vector<uint32_t> &columns,
                int64_t batch_row_limit, int64_t byte_limit) const;

 private:
  struct Stripe {
    uint64_t offset = 0, index_length = 0, data_length = 0, footer_length = 0, row_count = 0;
  };

  /// The number of a column of the table in the file's tree of types.
  uint32_t number_of(uint32_t column) const;

  std::vector<Stripe> stripes_;
  std::vector<uint32_t> kinds_;
  /// Of the tree's root.
  std::vector<uint32_t> children_;
  uint32_t compression_ = 0;
  uint64_t block_size_ = 256 << 10;
};

/// Looks at the end of an ORC file before the library takes memory for what it says.
void check_orc_postscript(Input &input);

}  // namespace ns::columnar
