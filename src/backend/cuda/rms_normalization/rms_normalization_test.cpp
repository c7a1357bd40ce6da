#include "ops/rms_normalization/rms_normalization.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/skip_rms_normalization/skip_rms_normalization.h"

namespace halftone::cuda {
namespace {

/// A sum of `width` squares errs by about log2(width) + width / threads roundings of itself; the root halves
/// that. In 16 bits what is normal is rounded before it is scaled, the other way where that lies between two.
float bound(int64_t width, float value, DType type) {
  return ((16 + static_cast<float>(width) / 128) * 0x1p-24f + 2 * rounded_apart(type)) * std::fabs(value) +
         (type == DType::f32 ? 1e-12f : 1e-6f);
}

void expect_close(const char* kernel, OpRun& run) {
  const auto found = run_on_test_device(cuda_kernel(kernel), run), expected = run.reference();
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto numbers = floats(found[i]), wanted = floats(expected[i]);
    for (size_t e = 0; e < wanted.size(); ++e)
      ASSERT_NEAR(numbers[e], wanted[e], bound(expected[i].shape().back(), wanted[e], found[i].dtype()))
          << "output " << i << ", element " << e;
  }
}

constexpr DType kFloats[] = {DType::f32, DType::f16, DType::bf16};

TEST(CudaRmsNormalization, EqualsTheReference) {
  for (DType type : kFloats)
    for (int64_t width : {1, 7, 128, 130, 1500, 4100})
      for (int64_t rows : {1, 3}) {
        OpRun run(rms_normalization_schema(), {{"epsilon", 1e-6f}});
        run.input(as_type(random_tensor({rows, width}, 1), type))
            .constant(Constant(as_type(random_tensor({width}, 2), type)));
        expect_close("rms_normalization", run);
      }
}

TEST(CudaRmsNormalization, AddsTheSkip) {
  for (DType type : kFloats)
    for (int64_t width : {5, 300, 4100}) {
      OpRun run(skip_rms_normalization_schema());
      run.input(as_type(random_tensor({2, width}, 1), type))
          .input(as_type(random_tensor({2, width}, 2), type))
          .constant(Constant(as_type(random_tensor({width}, 3), type)));
      expect_close("skip_rms_normalization", run);
    }
}

TEST(CudaRmsNormalization, TakesNoRows) {
  OpRun run(rms_normalization_schema());
  run.input(random_tensor({0, 8}, 1)).constant(Constant(random_tensor({8}, 2)));
  EXPECT_EQ(run_on_test_device(cuda_kernel("rms_normalization"), run)[0].shape(), (Shape{0, 8}));
}

}  // namespace
}  // namespace halftone::cuda
