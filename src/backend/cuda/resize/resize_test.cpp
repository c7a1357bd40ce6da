#include "ops/resize/resize.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

const Storage kPlanar{}, kLast{Storage::Order::channels_last, {}};

void fill(OpRun& run, const Storage& in, const Storage& out, DType type = DType::f32) {
  run.stored(as_type(random_tensor({2, 3, 4, 5}, 1), type), in)
      .absent()
      .constant(Constant(Tensor::from<float>({4}, {1, 1, 2, 1.7f})))
      .store_outputs({out});
}

Attributes with(const char* mode, const char* coordinates) {
  return {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(coordinates)}};
}

/// The weights of up to 16 elements of up to 5 are rounded, and so are their products and sums; cubic ones
/// add up to less than 2.5 in magnitude.
TEST(CudaResize, Interpolates) {
  for (const char* mode : {"linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "align_corners"})
      for (const Storage& in : {kPlanar, kLast})
        for (const Storage& out : {kPlanar, kLast})
          for (DType type : kFloatTypes) {
            OpRun run(resize_schema(), with(mode, coordinates));
            fill(run, in, out, type);
            const auto found = floats(run_on_test_device(cuda_kernel("resize_weighted"), run)[0]),
                       expected = floats(run.reference()[0]);
            for (size_t i = 0; i < expected.size(); ++i)
              ASSERT_NEAR(found[i], expected[i],
                          18 * 0x1p-24f * 12.5f + rounded_apart(type) * std::fabs(expected[i]));
          }
}

TEST(CudaResize, CodesEqualTheReference) {
  const CodeScale codes{0.02f, 120};
  for (const char* mode : {"linear", "cubic"})
    for (Storage::Order order : {Storage::Order::planar, Storage::Order::channels_last}) {
      OpRun run(resize_schema(), with(mode, "half_pixel"));
      fill(run, {order, codes}, {order, codes});
      EXPECT_EQ(floats(run_on_test_device(cuda_kernel("resize_weighted"), run)[0]),
                floats(run.reference()[0]));
    }
}

}  // namespace
}  // namespace halftone::cuda
