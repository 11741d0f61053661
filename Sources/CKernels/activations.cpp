#include "ns_activations.h"

#include "dense_sets.h"

#pragma STDC FP_CONTRACT OFF

namespace {

namespace portable {
constexpr uint32_t kVectorBytes = 16;
#include "dense_vectors.h"
#include "activations_body.h"
}  // namespace portable

#if defined(__x86_64__)
NS_BEGIN_AVX2
namespace avx2 {
constexpr uint32_t kVectorBytes = 32;
#include "dense_vectors.h"
#include "activations_body.h"
}  // namespace avx2
NS_END_SET

NS_BEGIN_AVX512
namespace avx512 {
constexpr uint32_t kVectorBytes = 64;
#include "dense_vectors.h"
#include "activations_body.h"
}  // namespace avx512
NS_END_SET
#endif

}  // namespace

#if defined(__x86_64__)
#define NS_CALL(isa, name, ...)                              \
  switch (isa) {                                             \
    case ns_isa_avx512: return avx512::name(__VA_ARGS__);    \
    case ns_isa_avx2: return avx2::name(__VA_ARGS__);        \
    case ns_isa_portable: return portable::name(__VA_ARGS__); \
  }
#else
#define NS_CALL(isa, name, ...) return portable::name(__VA_ARGS__);
#endif

void ns_activate(ns_isa isa, ns_activation activation, float first, float second,
                 const float *input, float *output, size_t count) {
  NS_CALL(isa, activate_any, activation, first, second, input, output, count)
}

void ns_exp_doubles(ns_isa isa, const double *input, double *output, size_t count) {
  NS_CALL(isa, activate_doubles<false>, input, output, count)
}

void ns_sigmoid_doubles(ns_isa isa, const double *input, double *output, size_t count) {
  NS_CALL(isa, activate_doubles<true>, input, output, count)
}

void ns_softmax(ns_isa isa, float *rows, size_t row_stride, uint32_t row_count, uint32_t count) {
  NS_CALL(isa, softmax_rows, rows, row_stride, row_count, count)
}

void ns_softmax_doubles(ns_isa isa, double *rows, size_t row_stride, uint32_t row_count,
                        uint32_t count) {
  NS_CALL(isa, softmax_rows, rows, row_stride, row_count, count)
}
