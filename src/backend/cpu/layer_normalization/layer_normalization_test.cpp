#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

TEST(LayerNormalizationKernel, EqualsTheReference) {
  ThreadPool threads(2);
  for (const Shape& shape : {Shape{3, 1}, Shape{5, 17}, Shape{2, 3, 192}, Shape{4, 100, 33}})
    for (int64_t axis : {int64_t{-1}, int64_t{1}})
      for (bool shifted : {false, true}) {
        const Shape row(std::span(axis == -1 ? shape.end() - 1 : shape.begin() + 1, shape.end()));
        OpRun run(*find_op("LayerNormalization"), {{"axis", axis}});
        run.input(random_tensor(shape, 1, 3)).input(random_tensor(row, 2));
        if (shifted) run.input(random_tensor(row, 3));
        run.drop_outputs(1);
        const std::vector<float> expected = floats(run.reference()[0]);
        for (const Kernel* kernel : cpu_kernels("LayerNormalization")) {
          const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
          // The mean's rounding, times 1 / sqrt(epsilon) where a row has next to no variance.
          for (size_t i = 0; i < y.size(); ++i)
            ASSERT_NEAR(y[i], expected[i], 1e-4f * (1 + std::fabs(expected[i])))
                << shape.str() << " at " << i;
        }
      }
}

}  // namespace
}  // namespace halftone
