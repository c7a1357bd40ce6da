#include "ops/grid_sample/grid_sample.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// Weights are f32 of coordinates up to 8, which err by 2^-21, and so do they, of up to 16 elements of
/// magnitudes under 5.
TEST(CudaGridSample, EqualsTheReference) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int64_t align : {0, 1}) {
        OpRun run(
            grid_sample_schema(),
            {{"mode", std::string(mode)}, {"padding_mode", std::string(padding)}, {"align_corners", align}});
        run.input(random_tensor({2, 3, 5, 7}, 1)).input(random_tensor({2, 4, 9, 2}, 2, 0.9f));
        const Tensor found = run_on_test_device(cuda_kernel("grid_sample"), run)[0],
                     expected = run.reference()[0];
        for (size_t i = 0; i < expected.span<float>().size(); ++i)
          ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 0x1p-21f * 16 * 5)
              << mode << ", " << padding << ", element " << i;
      }
}

}  // namespace
}  // namespace halftone::cuda
