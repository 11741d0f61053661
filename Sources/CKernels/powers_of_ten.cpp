#include "powers_of_ten.h"

namespace ns {
namespace {

// A whole number of 64 bits a word, the lowest first; computed with while compiling.
struct Natural {
  static constexpr int kWordCount = 18;  // 2^1,100 has 10^-292 left with 130 bits
  uint64_t words[kWordCount] = {};

  constexpr void multiply_by_ten() {
    unsigned __int128 carry = 0;
    for (int i = 0; i < kWordCount; i++) {
      carry += static_cast<unsigned __int128>(words[i]) * 10;
      words[i] = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
  }

  // Cuts off. Floors of floors are those of the whole quotient.
  constexpr void divide_by_ten() {
    unsigned __int128 rest = 0;
    for (int i = kWordCount - 1; i >= 0; i--) {
      rest = rest << 64 | words[i];
      words[i] = static_cast<uint64_t>(rest / 10);
      rest %= 10;
    }
  }

  // The first 128 bits, rounded up; `is_cut` says that something below the words is not zero.
  constexpr PowerOfTen rounded_up(bool is_cut) const {
    int top = kWordCount - 1;
    while (words[top] == 0) top--;
    const int shift = __builtin_clzll(words[top]);
    auto word = [&](int i) { return i < 0 ? uint64_t{0} : words[i]; };
    auto shifted = [&](int i) {
      return shift == 0 ? word(i) : word(i) << shift | word(i - 1) >> (64 - shift);
    };
    bool is_exact = !is_cut && word(top - 2) << shift == 0;
    for (int i = top - 3; i >= 0; i--) is_exact &= words[i] == 0;
    const uint64_t low = shifted(top - 1) + !is_exact;
    return {shifted(top) + (low == 0 && !is_exact), low};
  }
};

constexpr PowersOfTen computed() {
  PowersOfTen powers = {};
  Natural number;
  number.words[0] = 1;
  for (int power = 0; power <= kHighestPowerOfTen; power++) {
    powers.entries[power - kLowestPowerOfTen] = number.rounded_up(false);
    number.multiply_by_ten();
  }
  number = Natural();
  number.words[Natural::kWordCount - 1] = uint64_t{1} << 63;
  for (int power = -1; power >= kLowestPowerOfTen; power--) {
    number.divide_by_ten();
    powers.entries[power - kLowestPowerOfTen] = number.rounded_up(true);
  }
  return powers;
}

}  // namespace

constinit const PowersOfTen kPowersOfTen = computed();

}  // namespace ns
