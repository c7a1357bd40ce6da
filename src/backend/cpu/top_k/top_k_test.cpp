#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

void expect_same(const Tensor& x, int64_t k, int64_t axis, int64_t largest) {
  ThreadPool threads(2);
  OpRun run(*find_op("TopK"), {{"axis", axis}, {"largest", largest}});
  run.input(x).ints({k});
  const std::vector<Tensor> expected = run.reference();
  const std::vector<Tensor> found = run_kernel(*float_kernels("TopK")[0], run, threads);
  EXPECT_EQ(values<int64_t>(found[1]), values<int64_t>(expected[1])) << x.shape().str() << ", " << k;
  for (size_t i = 0; i < expected[0].span<float>().size(); ++i) {
    const float f = found[0].span<float>()[i], e = expected[0].span<float>()[i];
    ASSERT_TRUE(f == e || (std::isnan(f) && std::isnan(e))) << i;
  }
}

TEST(CpuTopK, EqualsTheReference) {
  for (int64_t largest : {0, 1}) {
    for (const auto& [shape, axis, k] : {std::tuple{Shape{1}, 0, 1},
                                         {Shape{7}, 0, 7},
                                         {Shape{3, 50}, 1, 4},
                                         {Shape{3, 50}, 0, 2},
                                         {Shape{70, 130}, 1, 130},
                                         {Shape{2, 90, 5}, 1, 10},
                                         {Shape{1, 20000}, 1, 300},
                                         {Shape{5, 65}, 1, 0}}) {
      const Tensor x = random_tensor(shape, 1);
      expect_same(x, k, axis, largest);
      Tensor few = random_tensor(shape, 2);
      const auto numbers = few.mutable_view().span<float>();
      for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = i % 37 == 36 ? NAN : i % 41 == 40 ? -INFINITY : std::nearbyint(numbers[i]);
      expect_same(few, k, axis, largest);
    }
    Tensor rising = Tensor::allocate(DType::f32, {5000});
    for (size_t i = 0; i < 5000; ++i) rising.mutable_view().span<float>()[i] = static_cast<float>(i);
    expect_same(rising, 100, 0, largest);
  }
}

}  // namespace
}  // namespace halftone
