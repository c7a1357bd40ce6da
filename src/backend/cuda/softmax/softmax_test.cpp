#include "ops/softmax/softmax.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// x - max loses half an ulp of up to 32, which e^x multiplies with; 2 ulp each for e^x, the sum, the
/// quotient. Of the logarithm the same, of numbers up to 32.
void expect_close(const char* kernel, OpRun& run) {
  const Tensor found = run_on_test_device(cuda_kernel(kernel), run)[0], expected = run.reference()[0];
  const float least = kernel == std::string("softmax") ? 0 : 1;
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i],
                std::max(std::fabs(expected.span<float>()[i]), least) * 0x1p-24f * (32 + 16) + 1e-30f)
        << kernel << ", element " << i;
}

TEST(CudaSoftmax, EqualsTheReference) {
  for (const auto& [kernel, op] : {std::pair{"softmax", "Softmax"}, {"log_softmax", "LogSoftmax"}})
    for (int64_t width : {1, 7, 300, 2000}) {
      OpRun run(*find_op(op));
      run.input(random_tensor({2, 3, width}, 1, 4));
      expect_close(kernel, run);
    }
}

TEST(CudaSoftmax, AlongAnyAxis) {
  for (const auto& [kernel, op] : {std::pair{"softmax", "Softmax"}, {"log_softmax", "LogSoftmax"}})
    for (int64_t axis : {0, 1, -2}) {
      OpRun run(*find_op(op), {{"axis", axis}});
      run.input(random_tensor({3, 21, 5, 7}, 1, 4));
      expect_close(kernel, run);
    }
}

}  // namespace
}  // namespace halftone::cuda
