#include "ops/conv_transpose/conv_transpose.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

using Ints = std::vector<int64_t>;

/// Sums of n products of magnitudes under 16 err by n 2^-24 of them.
void expect_close(OpRun& run, int64_t products) {
  const Tensor stored = run_on_test_device(cuda_kernel("conv_transpose"), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                0x1p-24f * 16 * static_cast<float>(products + 1) + apart * std::fabs(expected[i]))
        << "element " << i;
}

void check(const Shape& x, const Shape& w, bool bias, const Attributes& attributes, DType type = DType::f32) {
  const int64_t groups = attributes.get_int("group", 1), inputs = w[0] / groups;
  int64_t taps = 1;
  for (int a = 2; a < w.rank(); ++a) taps *= w[a];
  for (const Storage::Order order : {Storage::Order::planar, Storage::Order::channels_last}) {
    OpRun run(conv_transpose_schema(), attributes);
    run.stored(as_type(random_tensor(x, 1), type), {order, {}})
        .constant(Constant(as_type(random_tensor(w, 2), type)));
    if (bias) run.constant(Constant(as_type(random_tensor({w[1] * groups}, 3), type)));
    run.store_outputs({{order, {}}});
    expect_close(run, inputs * taps);
  }
}

TEST(CudaConvTranspose, EqualsTheReference) {
  check({2, 5, 4, 6}, {5, 7, 2, 2}, true, {{"strides", Ints{2, 2}}});
  check({1, 8, 5, 3}, {8, 4, 4, 4}, false, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  check({1, 4, 5, 3}, {4, 3, 3, 2}, true,
        {{"strides", Ints{3, 1}}, {"dilations", Ints{2, 3}}, {"output_padding", Ints{1, 0}}});
  check({1, 6, 4, 4}, {6, 5, 3, 3}, true, {{"group", int64_t{3}}, {"pads", Ints{0, 1, 1, 0}}});
  check({1, 3, 4, 4}, {3, 2, 3, 3}, false,
        {{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}});
}

TEST(CudaConvTranspose, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    for (bool bias : {false, true}) check({2, 5, 4, 6}, {5, 7, 2, 2}, bias, {{"strides", Ints{2, 2}}}, type);
}

TEST(CudaConvTranspose, OneAndThreeSpatialAxes) {
  check({2, 4, 9}, {4, 6, 5}, true, {{"strides", Ints{4}}});
  check({1, 3, 2, 3, 4}, {3, 2, 2, 2, 2}, true, {{"strides", Ints{2, 2, 2}}});
}

TEST(CudaConvTranspose, RefusesComputedWeights) {
  OpRun run(conv_transpose_schema());
  run.input(random_tensor({1, 3, 4, 4}, 1)).input(random_tensor({3, 2, 2, 2}, 2));
  EXPECT_EQ(cuda_kernel("conv_transpose").supports(run.site()), "W is computed");
}

}  // namespace
}  // namespace halftone::cuda
