// The best of one user so far.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

// A score and its item as one number; the larger ranks first.
typedef uint64_t RankKey;

inline RankKey rank_key(float score, uint32_t item) {
  uint32_t bits = 0;
  if (score == score) {
    const float no_minus_zero = score + 0.0f;
    std::memcpy(&bits, &no_minus_zero, sizeof bits);
    bits = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
  }
  return RankKey(bits) << 32 | (UINT32_MAX - item);
}

inline uint32_t item_of(RankKey key) { return UINT32_MAX - static_cast<uint32_t>(key); }

inline float score_of(RankKey key) {
  uint32_t bits = static_cast<uint32_t>(key >> 32);
  if (bits == 0) return __builtin_nanf("");
  bits = bits >> 31 != 0 ? bits & 0x7fffffffu : ~bits;
  float score;
  std::memcpy(&score, &bits, sizeof score);
  return score;
}

// Up to this many best are kept in order; of more, candidates are gathered and sifted.
constexpr uint32_t kSortedLimit = 32;

inline uint32_t ranking_capacity(uint32_t best_count) {
  if (best_count <= kSortedLimit) return best_count;
  return best_count + std::max(best_count, 256u);
}

struct Ranking {
  float threshold;  // what is not larger does not rank; NaN while everything may
  uint32_t count;
  uint32_t best_count;
  uint32_t capacity;
  RankKey *keys;
  const uint32_t *excluded;  // of the items still to come
  const uint32_t *excluded_end;
};

inline void keep_best(Ranking &ranking) {
  RankKey *const keys = ranking.keys;
  RankKey *const last = keys + ranking.best_count - 1;
  std::nth_element(keys, last, keys + ranking.count, [](RankKey a, RankKey b) { return a > b; });
  ranking.count = ranking.best_count;
  ranking.threshold = score_of(*last);
}

inline void insert_sorted(Ranking &ranking, RankKey key) {
  RankKey *const keys = ranking.keys;
  uint32_t place = ranking.count;
  if (place == ranking.best_count) {
    place--;
    if (keys[place] > key) return;
  } else {
    ranking.count++;
  }
  for (; place > 0 && keys[place - 1] < key; place--) keys[place] = keys[place - 1];
  keys[place] = key;
  if (ranking.count == ranking.best_count) ranking.threshold = score_of(keys[ranking.count - 1]);
}

// Items come with rising indices.
inline void add_candidate(Ranking &ranking, float score, uint32_t item) {
  const bool is_full = ranking.count >= ranking.best_count;
  if (is_full && (score <= ranking.threshold || score != score)) return;
  while (ranking.excluded != ranking.excluded_end && *ranking.excluded < item) ranking.excluded++;
  if (ranking.excluded != ranking.excluded_end && *ranking.excluded == item) return;
  const RankKey key = rank_key(score, item);
  if (ranking.best_count <= kSortedLimit) return insert_sorted(ranking, key);
  ranking.keys[ranking.count++] = key;
  if (ranking.count == ranking.capacity) keep_best(ranking);
}

}  // namespace
