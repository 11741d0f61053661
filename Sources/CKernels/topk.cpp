#include "ns_topk.h"

#include <utility>

#include "dense_sets.h"
#include "topk_ranking.h"

#pragma STDC FP_CONTRACT OFF

namespace {

// Users at a time: the items come from memory once for so many.
constexpr uint32_t kBlockRows = 96;

namespace portable {
constexpr uint32_t kVectorBytes = 16;
constexpr int kRowLimit = 4, kVectorLimit = 4, kUnroll = 1;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "topk_body.h"
}  // namespace portable

#if defined(__x86_64__)
NS_BEGIN_AVX2
namespace avx2 {
constexpr uint32_t kVectorBytes = 32;
constexpr int kRowLimit = 6, kVectorLimit = 2, kUnroll = 4;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "topk_body.h"
}  // namespace avx2
NS_END_SET

NS_BEGIN_AVX512
namespace avx512 {
constexpr uint32_t kVectorBytes = 64;
constexpr int kRowLimit = 12, kVectorLimit = 2, kUnroll = 4;
#include "dense_vectors.h"
#include "dense_kernel.h"
#include "topk_body.h"
}  // namespace avx512
NS_END_SET
#endif

void rank_rows(ns_isa isa, const ns_topk_items &items, const float *factors, size_t stride,
               Ranking *rankings, uint32_t row_count) {
#if defined(__x86_64__)
  switch (isa) {
    case ns_isa_avx512:
      return avx512::rank_block(items, factors, stride, rankings, row_count);
    case ns_isa_avx2: return avx2::rank_block(items, factors, stride, rankings, row_count);
    case ns_isa_portable: break;
  }
#endif
  portable::rank_block(items, factors, stride, rankings, row_count);
}

void begin_ranking(Ranking &ranking, const ns_topk_users &users, uint32_t user,
                   uint32_t best_count, RankKey *keys) {
  ranking = {__builtin_nanf(""), 0, best_count, ranking_capacity(best_count), keys, nullptr,
             nullptr};
  if (users.excluded == nullptr) return;
  ranking.excluded = users.excluded + users.excluded_starts[user];
  ranking.excluded_end = users.excluded + users.excluded_starts[user + 1];
}

void end_ranking(Ranking &ranking, uint32_t *indices, float *scores) {
  if (ranking.count > ranking.best_count) keep_best(ranking);
  std::sort(ranking.keys, ranking.keys + ranking.count,
            [](RankKey a, RankKey b) { return a > b; });
  for (uint32_t i = 0; i < ranking.best_count; i++) {
    indices[i] = i < ranking.count ? item_of(ranking.keys[i]) : NS_TOPK_NONE;
    scores[i] = i < ranking.count ? score_of(ranking.keys[i]) : __builtin_nanf("");
  }
}

}  // namespace

size_t ns_topk_scratch_size(uint32_t best_count) {
  const size_t keys = ranking_capacity(best_count) * sizeof(RankKey);
  return kBlockRows * (sizeof(Ranking) + keys);
}

void ns_topk(ns_isa isa, const ns_topk_items *items, const ns_topk_users *users,
             uint32_t best_count, uint32_t *indices, float *scores, void *scratch) {
  Ranking *const rankings = static_cast<Ranking *>(scratch);
  RankKey *const keys = reinterpret_cast<RankKey *>(rankings + kBlockRows);
  const size_t capacity = ranking_capacity(best_count);
  for (uint64_t user = 0; user < users->count; user += kBlockRows) {
    const uint64_t left = users->count - user;
    const uint32_t rows = static_cast<uint32_t>(left < kBlockRows ? left : kBlockRows);
    for (uint32_t r = 0; r < rows; r++) {
      begin_ranking(rankings[r], *users, static_cast<uint32_t>(user + r), best_count,
                    keys + r * capacity);
    }
    rank_rows(isa, *items, users->factors + user * users->stride, users->stride, rankings, rows);
    for (uint32_t r = 0; r < rows; r++) {
      const size_t place = (user + r) * best_count;
      end_ranking(rankings[r], indices + place, scores + place);
    }
  }
}
