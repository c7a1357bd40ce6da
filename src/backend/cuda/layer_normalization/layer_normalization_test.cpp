#include "ops/layer_normalization/layer_normalization.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

TEST(CudaLayerNormalization, EqualsTheReference) {
  for (const auto& [width, type] : {std::pair{1, DType::f32},
                                    {7, DType::f32},
                                    {128, DType::f32},
                                    {130, DType::f32},
                                    {1500, DType::f32},
                                    {7, DType::f16},
                                    {128, DType::f16},
                                    {130, DType::bf16},
                                    {1500, DType::bf16}})
    for (bool shift : {false, true}) {
      OpRun run(layer_normalization_schema(), {{"epsilon", 1e-6f}});
      run.drop_outputs(1)
          .input(as_type(random_tensor({2, 2, width}, 1), type))
          .constant(Constant(as_type(random_tensor({width}, 2), type)));
      if (shift) run.constant(Constant(as_type(random_tensor({width}, 3), type)));
      const auto found = floats(run_on_test_device(cuda_kernel("layer_normalization"), run)[0]),
                 expected = floats(run.reference()[0]);
      // The mean errs by some roundings of numbers below 5, the deviation's inverse relatively as much; with
      // one element the difference from the mean is nothing but rounding, which 1 / sqrt(epsilon) enlarges.
      // In 16 bits what is normal, up to 4, is rounded before it is scaled.
      const float inverse = width == 1 ? 1000.0f : 2.0f;
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(found[i], expected[i],
                    64 * 0x1p-24f * 5 * inverse + rounded_apart(type) * (std::fabs(expected[i]) + 4))
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
