#include "backend/cuda/arg_max/arg_max.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/reduction/reduction.h"

namespace halftone::cuda {
namespace {

void expect_same(const Tensor& x, int64_t last, int64_t keepdims) {
  OpRun run(*find_op("ArgMax"), {{"axis", int64_t{-1}}, {"select_last_index", last}, {"keepdims", keepdims}});
  run.input(x);
  EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel("arg_max"), run)[0]),
            values<int64_t>(run.reference()[0]))
      << x.shape().str();
}

TEST(CudaArgMax, EqualsTheReference) {
  for (int64_t last : {0, 1}) {
    for (int64_t width : {1, 5, 300, 20000}) {
      Tensor x = random_tensor({2, 2, width}, 1);
      for (float& value : x.mutable_view().span<float>()) value = std::round(value * 2);  // many equals
      expect_same(x, last, last);
    }
    Tensor odd = random_tensor({2, 500}, 2);
    odd.mutable_view().span<float>()[77] = odd.mutable_view().span<float>()[90] = NAN;
    for (size_t i = 500; i < 1000; ++i) odd.mutable_view().span<float>()[i] = -INFINITY;
    expect_same(odd, last, 1);
  }
}

}  // namespace
}  // namespace halftone::cuda
