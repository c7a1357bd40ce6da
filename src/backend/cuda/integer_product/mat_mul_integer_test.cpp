#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

template <class T>
Tensor codes(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor made = Tensor::allocate(DTypeOf<T>::value, shape);
  for (T& code : made.mutable_view().span<T>()) code = static_cast<T>(random());
  return made;
}

template <class A, class B>
void check(const Shape& a, const Shape& b, const Shape& b_zeros) {
  OpRun run(*find_op("MatMulInteger")), plain(*find_op("MatMulInteger"));
  run.input(codes<A>(a, 1)).input(codes<B>(b, 2)).input(codes<A>({}, 3)).input(codes<B>(b_zeros, 4));
  plain.input(codes<A>(a, 1)).input(codes<B>(b, 2));
  for (OpRun* one : {&run, &plain})
    EXPECT_EQ(values<int32_t>(run_on_test_device(cuda_kernel("mat_mul_integer"), *one)[0]),
              values<int32_t>(one->reference()[0]))
        << a.str() << " by " << b.str();
}

TEST(CudaMatMulInteger, EqualsTheReference) {
  check<uint8_t, int8_t>({1, 7}, {7, 5}, {5});
  check<uint8_t, uint8_t>({2, 9, 130}, {130, 140}, {1});
  check<int8_t, int8_t>({17, 300}, {300, 3}, {});
  check<int8_t, uint8_t>({2, 3, 4, 5}, {2, 3, 5, 6}, {});
}

}  // namespace
}  // namespace halftone::cuda
