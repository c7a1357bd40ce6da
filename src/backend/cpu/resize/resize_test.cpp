#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

TEST(ResizeKernel, EqualsTheReference) {
  ThreadPool threads(2);
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"})
      for (const auto& [height, width] : {std::pair{2.0f, 2.0f}, std::pair{0.5f, 1.7f}}) {
        OpRun run(*find_op("Resize"), {{"mode", std::string(mode)},
                                       {"coordinate_transformation_mode", std::string(coordinates)}});
        run.stored(random_tensor({2, 19, 6, 7}, 1), kLast)
            .absent()
            .constant(Constant(Tensor::from<float>({4}, {1, 1, height, width})))
            .store_outputs({kLast});
        const std::vector<float> expected = floats(run.reference()[0]);
        for (const Kernel* kernel : float_kernels("Resize")) {
          const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
          for (size_t i = 0; i < y.size(); ++i)
            ASSERT_NEAR(y[i], expected[i], 1e-5f) << mode << " " << coordinates << " at " << i;
        }
      }
}

}  // namespace
}  // namespace halftone
