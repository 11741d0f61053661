#include "columnar_orc_runs.h"

#include <vector>

// Run lengths.

namespace ns::columnar {

// MARK: Run lengths, version 1

void add_runs_v1(Bytes bytes, uint64_t limit, WindowSum &sum) {
  for (uint64_t done = 0; done < limit && !bytes.is_empty();) {
    const int8_t control = static_cast<int8_t>(bytes.byte());
    if (control < 0) {
      for (int i = 0; i < -control && done < limit; i++, done++) sum.add(bytes.varint());
      continue;
    }
    const int64_t step = static_cast<int8_t>(bytes.byte());
    uint64_t value = bytes.varint();
    for (int i = 0; i < control + 3 && done < limit; i++, done++) {
      sum.add(value);
      value += static_cast<uint64_t>(step);
    }
  }
}

// MARK: Run lengths, version 2

namespace {

/// Bits of a width's five-bit code.
unsigned width_of(unsigned code) {
  if (code < 24) return code + 1;
  static const unsigned wide[] = {26, 28, 30, 32, 40, 48, 56, 64};
  return wide[code - 24];
}

/// The next width that there is a code for.
unsigned closest_width(unsigned bits) {
  unsigned code = 0;
  while (width_of(code) < bits) code++;
  return width_of(code);
}

/// Numbers of some bits each, the highest first.
class BitReader {
 public:
  explicit BitReader(Bytes &bytes) : bytes_(bytes) {}

  uint64_t next(unsigned width) {
    uint64_t value = 0;
    while (width > 0) {
      if (left_ == 0) {
        byte_ = bytes_.byte();
        left_ = 8;
      }
      const unsigned part = std::min(width, left_);
      value = value << part | (byte_ >> (left_ - part) & ((1u << part) - 1));
      left_ -= part;
      width -= part;
    }
    return value;
  }

 private:
  Bytes &bytes_;
  unsigned byte_ = 0, left_ = 0;
};

void read_patched(Bytes &bytes, unsigned width, unsigned length, std::vector<uint64_t> &values) {
  const unsigned third = bytes.byte(), fourth = bytes.byte();
  const unsigned base_bytes = (third >> 5) + 1, patch_width = width_of(third & 31);
  const unsigned gap_width = (fourth >> 5) + 1, patch_count = fourth & 31;
  const uint64_t sign = uint64_t{1} << (8 * base_bytes - 1);
  uint64_t base = bytes.big_endian(base_bytes);
  if (base & sign) base = 0 - (base & ~sign);
  BitReader data(bytes);
  for (unsigned i = 0; i < length; i++) values.push_back(data.next(width));
  BitReader patches(bytes);
  const unsigned entry_width = closest_width(std::min(gap_width + patch_width, 64u));
  size_t place = 0;
  for (unsigned i = 0; i < patch_count; i++) {
    const uint64_t entry = patches.next(entry_width);
    const uint64_t patch =
        patch_width == 64 ? entry : entry & ((uint64_t{1} << patch_width) - 1);
    place += patch_width == 64 ? 0 : static_cast<size_t>(entry >> patch_width & 0xFF);
    if (place >= values.size()) fail("its lengths are damaged");
    if (width < 64) values[place] |= patch << width;
  }
  for (uint64_t &value : values) value += base;
}

void read_delta(Bytes &bytes, unsigned width_code, unsigned length,
                std::vector<uint64_t> &values) {
  const uint64_t base = bytes.varint();
  const uint64_t folded = bytes.varint();
  const uint64_t first_delta = folded >> 1 ^ (0 - (folded & 1));
  const bool is_falling = folded & 1;
  values.push_back(base);
  if (length < 2) return;
  values.push_back(base + first_delta);
  const unsigned width = width_code == 0 ? 0 : width_of(width_code);
  BitReader deltas(bytes);
  while (values.size() < length) {
    const uint64_t last = values.back();
    if (width == 0) {
      values.push_back(last + first_delta);
    } else {
      const uint64_t delta = deltas.next(width);
      values.push_back(is_falling ? last - delta : last + delta);
    }
  }
}

}  // namespace

void add_runs_v2(Bytes bytes, uint64_t limit, WindowSum &sum) {
  std::vector<uint64_t> values;
  for (uint64_t done = 0; done < limit && !bytes.is_empty();) {
    values.clear();
    const unsigned first = bytes.byte();
    if (first >> 6 == 0) {
      const uint64_t value = bytes.big_endian((first >> 3 & 7) + 1);
      values.assign((first & 7) + 3, value);
    } else {
      const unsigned code = first >> 1 & 31;
      const unsigned length = ((first & 1) << 8 | bytes.byte()) + 1;
      if (first >> 6 == 1) {
        BitReader data(bytes);
        for (unsigned i = 0; i < length; i++) values.push_back(data.next(width_of(code)));
      } else if (first >> 6 == 2) {
        read_patched(bytes, width_of(code), length, values);
      } else {
        read_delta(bytes, code, length, values);
      }
    }
    for (size_t i = 0; i < values.size() && done < limit; i++, done++) sum.add(values[i]);
  }
}

}  // namespace ns::columnar
