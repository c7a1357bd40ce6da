#include "ops/mat_mul/mat_mul.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

Tensor absolute(Tensor tensor) {
  for (float& x : tensor.mutable_view().span<float>()) x = std::fabs(x);
  return tensor;
}

void expect_close(const Shape& a, const Shape& b, float spread = 1, DType type = DType::f32) {
  OpRun run(mat_mul_schema()), sizes(mat_mul_schema());
  run.input(as_type(random_tensor(a, 1, spread), type)).input(as_type(random_tensor(b, 2, spread), type));
  sizes.input(absolute(random_tensor(a, 1, spread))).input(absolute(random_tensor(b, 2, spread)));
  const std::vector<float> expected = floats(run.reference()[0]), size = floats(sizes.reference()[0]);
  const std::vector<float> found = floats(run_on_test_device(cuda_kernel("mat_mul"), run)[0]);
  // What the split leaves out, and f32 sums of k products.
  const float bound = 3 * 0x1p-22f + static_cast<float>(a.back()) * 0x1p-23f;
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], bound * size[i] + rounded_apart(type) * std::fabs(expected[i]))
        << a.str() << " by " << b.str() << " at " << i;
}

TEST(CudaMatMul, EqualsTheReference) {
  expect_close({1, 1}, {1, 1});
  expect_close({65, 17}, {17, 30});
  expect_close({3, 50}, {50, 70});
}

TEST(CudaMatMul, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16}) {
    expect_close({1, 1}, {1, 1}, 1, type);
    expect_close({65, 17}, {17, 30}, 1, type);
    expect_close({70, 72}, {72, 136}, 1, type);
    expect_close({2, 3, 9, 40}, {2, 1, 40, 16}, 1, type);
    expect_close({2, 7, 12}, {12}, 1, type);
  }
  expect_close({4, 9}, {9, 4}, 1e15f, DType::bf16);
}

TEST(CudaMatMul, Batches) {
  expect_close({2, 3, 9, 20}, {2, 3, 20, 11});
  expect_close({2, 1, 5, 8}, {3, 8, 4});
  expect_close({4, 5, 8}, {8, 6});
}

TEST(CudaMatMul, Vectors) {
  expect_close({12}, {12, 5});
  expect_close({2, 7, 12}, {12});
}

TEST(CudaMatMul, AnyMagnitude) {
  expect_close({4, 9}, {9, 4}, 1e-15f);
  expect_close({4, 9}, {9, 4}, 1e15f);
}

/// The NaN that a GPU makes has all its bits set, which a rounding must not carry into the sign.
TEST(CudaMatMul, NaNStays) {
  Tensor a = random_tensor({3, 9}, 1), b = random_tensor({9, 4}, 2);
  a.mutable_view().span<float>()[10] = b.mutable_view().span<float>()[2] = std::bit_cast<float>(0x7fffffffu);
  OpRun run(mat_mul_schema());
  run.input(a).input(b);
  const auto found = floats(run_on_test_device(cuda_kernel("mat_mul"), run)[0]);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(std::isnan(found[i]), i / 4 == 1 || i % 4 == 2) << i;
}

TEST(CudaMatMul, TakesNothing) {
  OpRun run(mat_mul_schema());
  run.input(random_tensor({0, 4}, 1)).input(random_tensor({4, 3}, 2));
  EXPECT_EQ(run_on_test_device(cuda_kernel("mat_mul"), run)[0].shape(), (Shape{0, 3}));
}

}  // namespace
}  // namespace halftone::cuda
