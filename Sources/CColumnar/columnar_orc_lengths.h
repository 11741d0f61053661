#pragma once

// What the ORC library believes without looking: how much text a stripe says it holds.
//
// The library takes as much memory as the lengths of a column's values add up to, and clears it,
// before it reads one byte of them; a changed bit there ends the process. So lengths are added up
// first. Source: https://orc.apache.org/specification/ORCv1/.

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

  /// Throws where a column of a stripe says that any `batch_row_limit` of its values have more
  /// than `byte_limit` bytes of text, or its dictionary.
  void check(Input &input, uint32_t stripe, const std::vector<uint32_t> &columns,
             int64_t batch_row_limit, int64_t byte_limit) const;

 private:
  struct Stripe {
    uint64_t offset = 0, index_length = 0, data_length = 0, footer_length = 0, row_count = 0;
  };

  /// The number of a column of the table in the file's tree of types; -1 for what is no text.
  int64_t text_column(uint32_t column) const;

  std::vector<Stripe> stripes_;
  std::vector<uint32_t> kinds_;
  /// Of the tree's root.
  std::vector<uint32_t> children_;
  uint32_t compression_ = 0;
};

/// Looks at the end of an ORC file before the library takes memory for what it says.
void check_orc_postscript(Input &input);

}  // namespace ns::columnar
