#include "ops/conv_transpose/conv_transpose.h"

#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;
const Storage kLast{Storage::Order::channels_last, {}};

/// Sums of n products of magnitudes under 16 err by n 2^-24 of them.
void check(const Shape& x, const Shape& w, bool bias, const Attributes& attributes) {
  const int64_t groups = attributes.get_int("group", 1);
  OpRun run(conv_transpose_schema(), attributes);
  run.stored(random_tensor(x, 1), kLast).constant(Constant(random_tensor(w, 2)));
  if (bias) run.constant(Constant(random_tensor({w[1] * groups}, 3)));
  run.store_outputs({kLast});
  const int64_t products = w.elements() / w[1] / groups;
  const float bound = 0x1p-24f * 16 * static_cast<float>(products + 1);
  const std::vector<float> expected = floats(run.reference()[0]);
  for (int count : {1, 3}) {
    ThreadPool threads(count);
    for (const Kernel* kernel : cpu_kernels("ConvTranspose")) {
      const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y[i], expected[i], bound)
            << kernel->name << " " << x.str() << " " << w.str() << " at " << i;
    }
  }
}

TEST(ConvTransposeKernel, EqualsTheReference) {
  check({2, 5, 4, 6}, {5, 7, 2, 2}, true, {{"strides", Ints{2, 2}}});
  check({1, 8, 5, 3}, {8, 40, 4, 4}, false, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  check({1, 4, 5, 3}, {4, 3, 3, 2}, true,
        {{"strides", Ints{3, 1}}, {"dilations", Ints{2, 3}}, {"output_padding", Ints{1, 0}}});
  check({1, 6, 4, 4}, {6, 5, 3, 3}, true, {{"group", int64_t{3}}, {"pads", Ints{0, 1, 1, 0}}});
  check({1, 3, 4, 4}, {3, 2, 3, 3}, false,
        {{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}});
  check({3, 33, 17, 19}, {33, 17, 3, 3}, true, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 2}}});
}

TEST(ConvTransposeKernel, WindowsSideBySide) {
  check({2, 24, 5, 103}, {24, 1, 2, 3}, true, {{"strides", Ints{2, 3}}, {"output_padding", Ints{0, 0}}});
  check({1, 9, 3, 7}, {9, 24, 4, 2}, false, {{"strides", Ints{4, 2}}});
  check({2, 4, 9}, {4, 6, 3}, true, {{"strides", Ints{3}}});
  check({1, 3, 4, 5}, {3, 2, 2, 2}, true, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 0, 1}}});
  check({1, 3, 4, 5}, {3, 2, 2, 2}, true, {{"strides", Ints{2, 2}}, {"output_padding", Ints{0, 1}}});
}

TEST(ConvTransposeKernel, APhaseWithoutTapsIsTheBias) {
  check({1, 3, 3, 4}, {3, 4, 1, 2}, true, {{"strides", Ints{2, 3}}});
}

TEST(ConvTransposeKernel, OneSpatialAxis) {
  check({2, 4, 9}, {4, 6, 5}, true, {{"strides", Ints{4}}});
}

TEST(ConvTransposeKernel, SaysWhyNot) {
  const auto kernels = cpu_kernels("ConvTranspose");
  if (kernels.empty()) GTEST_SKIP() << "this processor has none of the kernels' instruction sets";
  OpRun planar(conv_transpose_schema());
  planar.input(random_tensor({1, 3, 4, 4}, 1)).constant(Constant(random_tensor({3, 2, 2, 2}, 2)));
  EXPECT_NE(kernels[0]->supports(planar.site()), "");
  OpRun computed(conv_transpose_schema());
  computed.stored(random_tensor({1, 3, 4, 4}, 1), kLast)
      .input(random_tensor({3, 2, 2, 2}, 2))
      .store_outputs({kLast});
  EXPECT_EQ(kernels[0]->supports(computed.site()), "W is computed");
}

}  // namespace
}  // namespace halftone
