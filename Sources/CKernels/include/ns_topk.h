// The best items for each user from the factors of both, never more than a tile of scores at once.
//
// A score is bias[item] + sum of user[k] * item[k], with the fixed order and bits of ns_dense.h.
// Items are ranked by falling score; equal scores, and -0 and +0 among them, by rising index;
// scores that are not a number come after all others. Ranks and scores depend on the user and the
// items alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ns_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Stands where there are fewer items than were asked for.
#define NS_TOPK_NONE UINT32_MAX

/// Items' factors, packed by ns_dense_pack with a weight for each item: for `items` row-major,
/// ns_dense_pack(items, 1, depth, bias, depth, item_count, packed).
typedef struct {
  const float *_Nonnull packed;
  uint32_t depth;       // numbers in a factor, at least 1
  uint32_t item_count;  // from 1 to 2^32 - 33
} ns_topk_items;

/// Users and the items that they must not get.
typedef struct {
  const float *_Nonnull factors;  // user u's are at factors[u * stride]
  size_t stride;
  uint32_t count;
  /// User u's excluded items, ascending, are excluded[i], from i = excluded_starts[u] to before
  /// excluded_starts[u + 1].
  /// Both are null if nothing is excluded.
  const uint32_t *_Nullable excluded;
  const uint64_t *_Nullable excluded_starts;
} ns_topk_users;

/// How many bytes ns_topk works in, for `best_count` from 1 on, however many users there are.
size_t ns_topk_scratch_size(uint32_t best_count);

/// Ranks the best items of each user, best first: indices[u * best_count] and scores[same].
///
/// Where items run out, the index is NS_TOPK_NONE and the score NaN. A score of -0 is given as +0.
/// `scratch` has ns_topk_scratch_size bytes, aligned to 64.
void ns_topk(
    ns_isa isa, const ns_topk_items *_Nonnull items, const ns_topk_users *_Nonnull users,
    uint32_t best_count, uint32_t *_Nonnull indices, float *_Nonnull scores,
    void *_Nonnull scratch);

#ifdef __cplusplus
}
#endif
