#include "ops/grid_sample/grid_sample.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// Weights are f32 of coordinates up to 8, which err by 2^-21, and so do they, of up to 16 elements of
/// magnitudes under 5.
TEST(CudaGridSample, EqualsTheReference) {
  for (const auto& [type, of_grid] : {std::pair{DType::f32, DType::f32},
                                      {DType::f16, DType::f16},
                                      {DType::bf16, DType::bf16},
                                      {DType::f16, DType::f32}})
    for (const char* mode : {"nearest", "linear", "cubic"})
      for (const char* padding : {"zeros", "border", "reflection"})
        for (int64_t align : {0, 1}) {
          OpRun run(grid_sample_schema(), {{"mode", std::string(mode)},
                                           {"padding_mode", std::string(padding)},
                                           {"align_corners", align}});
          run.input(as_type(random_tensor({2, 3, 5, 7}, 1), type))
              .input(as_type(random_tensor({2, 4, 9, 2}, 2, 0.9f), of_grid));
          const auto found = floats(run_on_test_device(cuda_kernel("grid_sample"), run)[0]),
                     expected = floats(run.reference()[0]);
          for (size_t i = 0; i < expected.size(); ++i)
            ASSERT_NEAR(found[i], expected[i],
                        0x1p-21f * 16 * 5 + rounded_apart(type) * std::fabs(expected[i]))
                << mode << ", " << padding << ", " << dtype_name(type) << ", element " << i;
        }
}

}  // namespace
}  // namespace halftone::cuda
