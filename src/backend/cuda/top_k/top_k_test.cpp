#include "ops/top_k/top_k.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

template <class T>
void expect_same(OpRun& run) {
  const std::vector<Tensor> found = run_on_test_device(cuda_kernel("top_k"), run), expected = run.reference();
  EXPECT_EQ(values<int64_t>(found[1]), values<int64_t>(expected[1]));
  const auto f = found[0].view().bytes(), e = expected[0].view().bytes();
  EXPECT_TRUE(std::equal(f.begin(), f.end(), e.begin(), e.end()));
}

Attributes along(int64_t axis, int64_t largest) {
  return {{"axis", axis}, {"largest", largest}};
}

TEST(CudaTopK, EqualsTheReferenceAlongAnyAxis) {
  for (int64_t axis : {0, 1, 2})
    for (int64_t largest : {0, 1})
      for (int64_t k : {0, 1, 3}) {
        OpRun run(top_k_schema(), along(axis, largest));
        run.input(random_tensor({3, 9, 5}, 1)).ints({k});
        expect_same<float>(run);
      }
}

TEST(CudaTopK, EqualOnesStayInTheirOrder) {
  for (int64_t length : {40, 4200})
    for (int64_t k : {1, 40}) {
      Tensor x = random_tensor({2, length}, 1);
      for (float& value : x.mutable_view().span<float>()) value = std::round(value * 2);
      x.mutable_view().span<float>()[17] = x.mutable_view().span<float>()[33] = NAN;
      x.mutable_view().span<float>()[5] = -INFINITY;
      for (int64_t largest : {0, 1}) {
        OpRun run(top_k_schema(), along(1, largest));
        run.input(x).ints({k});
        expect_same<float>(run);
      }
    }
}

TEST(CudaTopK, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    for (int64_t length : {41, 4203})
      for (int64_t largest : {0, 1}) {
        Tensor x = random_tensor({3, length}, 1);
        x.mutable_view().span<float>()[17] = NAN;
        OpRun run(top_k_schema(), along(1, largest));
        run.input(as_type(x, type)).ints({7});
        expect_same<float>(run);
      }
}

TEST(CudaTopK, LongLists) {
  OpRun run(top_k_schema(), along(-1, 1));
  run.input(random_tensor({1, 3001}, 1)).ints({1500});
  expect_same<float>(run);
}

TEST(CudaTopK, Integers) {
  OpRun longs(top_k_schema(), along(-1, 1)), ints(top_k_schema(), along(-1, 0));
  longs.input(Tensor::from<int64_t>({6}, {5, -1, int64_t{1} << 60, 5, 0, -7})).ints({4});
  ints.input(Tensor::from<int32_t>({2, 3}, {5, -1, 5, 0, -7, INT32_MIN})).ints({2});
  expect_same<int64_t>(longs);
  expect_same<int32_t>(ints);
}

TEST(CudaTopK, RefusesLongerLists) {
  OpRun run(top_k_schema(), along(-1, 1));
  run.input(random_tensor({5000}, 1)).ints({2049});
  EXPECT_EQ(cuda_kernel("top_k").supports(run.site()), "2049 are asked for, more than 2048");
}

}  // namespace
}  // namespace halftone::cuda
