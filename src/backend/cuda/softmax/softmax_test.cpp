#include "ops/softmax/softmax.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

TEST(CudaSoftmax, EqualsTheReference) {
  for (int64_t width : {1, 7, 300, 2000}) {
    OpRun run(*find_op("Softmax"));
    run.input(random_tensor({2, 3, width}, 1, 4));
    const Tensor found = run_on_test_device(cuda_kernel("softmax"), run)[0], expected = run.reference()[0];
    // x - max loses half an ulp of up to 32, which e^x multiplies with; 2 ulp each for e^x, the sum, the
    // quotient.
    for (size_t i = 0; i < expected.span<float>().size(); ++i)
      ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i],
                  expected.span<float>()[i] * 0x1p-24f * (32 + 16) + 1e-30f);
  }
}

}  // namespace
}  // namespace halftone::cuda
