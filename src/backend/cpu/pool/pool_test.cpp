#include "ops/pool.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

const Storage kLast{Storage::Order::channels_last, {}};

/// Against the reference; sums are of `terms` elements, rounded one by one.
void expect_close(const char* op, const Attributes& attributes, const Shape& shape, float terms) {
  ThreadPool threads(2);
  for (const Kernel* kernel : float_kernels(op)) {
    OpRun run(*find_op(op), attributes);
    run.stored(random_tensor(shape, 5), kLast).store_outputs({kLast});
    if (kernel->op == "MaxPool") run.drop_outputs(1);
    const std::vector<float> expected = floats(run.reference()[0]);
    const std::vector<float> found = floats(run_kernel(*kernel, run, threads)[0]);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], terms * 4 * 0x1p-23f)
          << kernel->name << " " << shape.str() << " at " << i;
  }
}

TEST(PoolKernels, EqualTheReference) {
  for (int64_t channels : {1, 16, 24, 58}) {
    for (const Attributes& attributes :
         {Attributes{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}},
          Attributes{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
          Attributes{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}},
          Attributes{{"kernel_shape", Ints{5, 5}}, {"strides", Ints{2, 1}}, {"pads", Ints{2, 3, 2, 1}}},
          Attributes{{"kernel_shape", Ints{5, 3}}, {"dilations", Ints{1, 3}}, {"pads", Ints{2, 1, 2, 0}}}}) {
      expect_close("MaxPool", attributes, {2, channels, 8, 9}, 0);
      expect_close("AveragePool", attributes, {2, channels, 8, 9}, 15);
      Attributes padded = attributes;
      padded.set("count_include_pad", int64_t{1});
      expect_close("AveragePool", padded, {2, channels, 8, 9}, 15);
    }
    expect_close("MaxPool", {{"kernel_shape", Ints{3}}}, {1, channels, 10}, 0);
    expect_close("GlobalAveragePool", {}, {2, channels, 5, 7}, 35);
    expect_close("GlobalAveragePool", {}, {2, channels, 9}, 9);
  }
}

TEST(PoolKernels, LeaveIndicesToTheReference) {
  OpRun run(*find_op("MaxPool"), {{"kernel_shape", Ints{2, 2}}});
  run.stored(random_tensor({1, 8, 4, 4}, 1), kLast).store_outputs({kLast});
  for (const Kernel* kernel : float_kernels("MaxPool"))
    EXPECT_EQ(kernel->supports(run.site()), "Indices are asked for");
}

}  // namespace
}  // namespace halftone
