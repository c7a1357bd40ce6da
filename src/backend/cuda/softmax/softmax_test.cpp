#include "ops/softmax/softmax.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// x - max loses half an ulp of up to 32, which e^x multiplies with; 2 ulp each for e^x, the sum, the
/// quotient. Of the logarithm the same, of numbers up to 32.
void expect_close(const char* kernel, OpRun& run) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float least = kernel == std::string("softmax") ? 0 : 1, apart = rounded_apart(stored.dtype());
  const float smallest = stored.dtype() == DType::f16 ? 0x1p-24f : 1e-30f;  // of f16 the unit of the smallest
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                std::max(std::fabs(expected[i]), least) * (0x1p-24f * (32 + 16) + apart) + smallest)
        << kernel << ", element " << i;
}

TEST(CudaSoftmax, EqualsTheReference) {
  for (const auto& [kernel, op] : {std::pair{"softmax", "Softmax"}, {"log_softmax", "LogSoftmax"}})
    for (int64_t width : {1, 7, 300, 2000})
      for (DType type : kFloatTypes) {
        OpRun run(*find_op(op));
        run.input(as_type(random_tensor({2, 3, width}, 1, 4), type));
        expect_close(kernel, run);
      }
}

TEST(CudaSoftmax, AlongAnyAxis) {
  for (const auto& [kernel, op] : {std::pair{"softmax", "Softmax"}, {"log_softmax", "LogSoftmax"}})
    for (int64_t axis : {0, 1, -2})
      for (DType type : kFloatTypes) {
        OpRun run(*find_op(op), {{"axis", axis}});
        run.input(as_type(random_tensor({3, 21, 5, 7}, 1, 4), type));
        expect_close(kernel, run);
      }
}

}  // namespace
}  // namespace halftone::cuda
