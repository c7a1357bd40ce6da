#include "ops/rms_normalization/rms_normalization.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/skip_rms_normalization/skip_rms_normalization.h"

namespace halftone::cuda {
namespace {

/// A sum of `width` squares errs by about log2(width) + width / threads roundings of itself; the root halves
/// that.
float bound(int64_t width, float value) {
  return (16 + static_cast<float>(width) / 128) * 0x1p-24f * std::fabs(value) + 1e-12f;
}

void expect_close(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  for (size_t i = 0; i < expected.size(); ++i)
    for (size_t e = 0; e < expected[i].span<float>().size(); ++e)
      ASSERT_NEAR(found[i].span<float>()[e], expected[i].span<float>()[e],
                  bound(expected[i].shape().back(), expected[i].span<float>()[e]))
          << "output " << i << ", element " << e;
}

TEST(CudaRmsNormalization, EqualsTheReference) {
  for (int64_t width : {1, 7, 128, 130, 1500, 4100})
    for (int64_t rows : {1, 3}) {
      OpRun run(rms_normalization_schema(), {{"epsilon", 1e-6f}});
      run.input(random_tensor({rows, width}, 1)).constant(Constant(random_tensor({width}, 2)));
      expect_close(run_on_test_device(cuda_kernel("rms_normalization"), run), run.reference());
    }
}

TEST(CudaRmsNormalization, AddsTheSkip) {
  for (int64_t width : {5, 300}) {
    OpRun run(skip_rms_normalization_schema());
    run.input(random_tensor({2, width}, 1))
        .input(random_tensor({2, width}, 2))
        .constant(Constant(random_tensor({width}, 3)));
    expect_close(run_on_test_device(cuda_kernel("skip_rms_normalization"), run), run.reference());
  }
}

TEST(CudaRmsNormalization, TakesNoRows) {
  OpRun run(rms_normalization_schema());
  run.input(random_tensor({0, 8}, 1)).constant(Constant(random_tensor({8}, 2)));
  EXPECT_EQ(run_on_test_device(cuda_kernel("rms_normalization"), run)[0].shape(), (Shape{0, 8}));
}

}  // namespace
}  // namespace halftone::cuda
