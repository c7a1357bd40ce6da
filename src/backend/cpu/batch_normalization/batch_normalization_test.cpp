#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

TEST(CpuBatchNormalization, EqualsTheReference) {
  ThreadPool threads(2);
  const Storage last{Storage::Order::channels_last, {}};
  for (const Shape& shape :
       {Shape{1, 1, 1, 1}, Shape{2, 5, 3, 7}, Shape{1, 33, 17, 9}, Shape{3, 4}, Shape{2, 3, 5}})
    for (bool turned : {false, true}) {
      if (turned && shape.rank() < 3) continue;
      OpRun run(*find_op("BatchNormalization"), {{"epsilon", 1e-3f}});
      const Tensor x = random_tensor(shape, 1);
      Tensor variance = random_tensor({shape[1]}, 5);
      for (float& v : variance.mutable_view().span<float>()) v = v * v + 0.1f;
      if (turned)
        run.stored(x, last).store_outputs({last});
      else
        run.input(x);
      for (unsigned seed : {2, 3, 4}) run.constant(Constant(random_tensor({shape[1]}, seed)));
      run.constant(Constant(variance));
      const std::vector<float> expected = floats(run.reference()[0]);
      const std::vector<float> found =
          floats(run_kernel(*float_kernels("BatchNormalization")[0], run, threads)[0]);
      // Roundings of the difference, the factor, their product (up to 8 times 10) and the sum.
      for (size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], expected[i], 4 * 0x1p-24f * (20 + std::fabs(expected[i])));
    }
  OpRun training(*find_op("BatchNormalization"), {{"training_mode", int64_t{1}}});
  training.input(random_tensor({2, 3}, 1));
  for (unsigned seed : {2, 3, 4, 5}) training.input(random_tensor({3}, seed));
  EXPECT_EQ(float_kernels("BatchNormalization")[0]->supports(training.site()),
            "it measures its own statistics");
}

}  // namespace
}  // namespace halftone
