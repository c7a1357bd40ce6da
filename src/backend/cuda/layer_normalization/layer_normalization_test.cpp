#include "ops/layer_normalization/layer_normalization.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

TEST(CudaLayerNormalization, EqualsTheReference) {
  for (int64_t width : {1, 7, 128, 130, 1500})
    for (bool shift : {false, true}) {
      OpRun run(layer_normalization_schema(), {{"epsilon", 1e-6f}});
      run.drop_outputs(1)
          .input(random_tensor({2, 2, width}, 1))
          .constant(Constant(random_tensor({width}, 2)));
      if (shift) run.constant(Constant(random_tensor({width}, 3)));
      const Tensor found = run_on_test_device(cuda_kernel("layer_normalization"), run)[0],
                   expected = run.reference()[0];
      // The mean errs by some roundings of numbers below 5, the deviation's inverse relatively as much; with
      // one element the difference from the mean is nothing but rounding, which 1 / sqrt(epsilon) enlarges.
      const float inverse = width == 1 ? 1000.0f : 2.0f;
      for (size_t i = 0; i < expected.span<float>().size(); ++i)
        ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 64 * 0x1p-24f * 5 * inverse)
            << "width " << width << ", element " << i;
    }
}

TEST(CudaLayerNormalization, TakesSeveralAxesAsOneRow) {
  OpRun run(layer_normalization_schema(), {{"axis", int64_t{1}}});
  run.drop_outputs(1).input(random_tensor({3, 4, 5}, 1)).constant(Constant(random_tensor({4, 5}, 2)));
  const Tensor found = run_on_test_device(cuda_kernel("layer_normalization"), run)[0],
               expected = run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 64 * 0x1p-24f * 10);
}

}  // namespace
}  // namespace halftone::cuda
