#include <xxhash.h>

// XXH3_128bits_update with the widest vectors that the CPU has, which takes 40 % of the time.
//
// libxxhash has that where it was built to choose by the CPU, and then installs the header asked
// for here; that one would make its names mean these functions, which Swift does not see.
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
XXH_PUBLIC_API XXH_errorcode XXH3_128bits_update_dispatch(XXH3_state_t *state, const void *input,
                                                          size_t length);
#define NS_XXH3_UPDATE XXH3_128bits_update_dispatch
#else
#define NS_XXH3_UPDATE XXH3_128bits_update
#endif

static inline XXH_errorcode ns_xxh3_update(XXH3_state_t *state, const void *input, size_t length) {
  return NS_XXH3_UPDATE(state, input, length);
}
