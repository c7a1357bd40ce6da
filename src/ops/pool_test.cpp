#include "ops/pool.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "op_run.h"
#include "ops/average_pool/average_pool.h"
#include "ops/global_average_pool/global_average_pool.h"
#include "ops/global_max_pool/global_max_pool.h"
#include "ops/lp_pool/lp_pool.h"
#include "ops/max_pool/max_pool.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

/// 1, 2, 3, ... in the given shape.
Tensor counting(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  auto values = tensor.mutable_view().span<float>();
  std::iota(values.begin(), values.end(), 1.0f);
  return tensor;
}

TEST(MaxPool, GivesTheLargestAndItsPlace) {
  OpRun run(max_pool_schema(), {{"kernel_shape", Ints{5, 5}}, {"pads", Ints{2, 2, 2, 2}}});
  const auto y = run.input(counting({1, 1, 5, 5})).reference();
  EXPECT_EQ(floats(y[0]), (Floats{13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25,
                                  25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25}));
  EXPECT_EQ(values<int64_t>(y[1])[0], 12);
  EXPECT_EQ(values<int64_t>(y[1])[24], 24);
}

TEST(MaxPool, CountsPlacesByColumnsWhenAsked) {
  OpRun run(max_pool_schema(),
            {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"storage_order", int64_t{1}}});
  EXPECT_EQ(values<int64_t>(run.input(counting({1, 1, 5, 5})).reference()[1]), (Ints{6, 16, 8, 18}));
}

TEST(MaxPool, TakesTheFirstAmongEqualsAndIntegers) {
  OpRun run(max_pool_schema(), {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}});
  const auto y = run.input(Tensor::from<uint8_t>({1, 1, 3}, {7, 7, 0})).reference();
  EXPECT_EQ(values<uint8_t>(y[0]), (std::vector<uint8_t>{7, 7, 7}));
  EXPECT_EQ(values<int64_t>(y[1]), (Ints{0, 0, 1}));
}

TEST(MaxPool, DropsAWindowOfCeilModeThatStartsBehindTheInput) {
  auto shape = [](Attributes attributes, const Shape& x) {
    OpRun run(max_pool_schema(), std::move(attributes));
    return run.type(DType::f32, x).site().outputs[0].shape;
  };
  const Attributes ceil{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}};
  EXPECT_EQ(shape(ceil, {1, 1, 4, 4}), (Shape{1, 1, 2, 2}));
  const Attributes reduced{{"kernel_shape", Ints{1, 1}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}};
  EXPECT_EQ(shape(reduced, {1, 1, 2, 2}), (Shape{1, 1, 1, 1}));
  EXPECT_EQ(shape(ceil, {1, 1, 2, 2}), (Shape{1, 1, 1, 1}));  // one window, beyond the end
  EXPECT_THROW(shape(ceil, {1, 1, 1, 2}), InputError);
}

TEST(AveragePool, CountsPaddingOnlyWhenAsked) {
  for (int64_t include : {0, 1}) {
    OpRun run(average_pool_schema(), {{"kernel_shape", Ints{3, 3}},
                                      {"strides", Ints{2, 2}},
                                      {"pads", Ints{1, 1, 0, 0}},
                                      {"ceil_mode", int64_t{1}},
                                      {"count_include_pad", include}});
    const Floats y = floats(run.input(counting({1, 1, 5, 5})).reference()[0]);
    ASSERT_EQ(y.size(), 9u);
    // The window at the corner covers 4 elements and 5 of padding; the last 4, and what lies behind.
    EXPECT_EQ(y[0], include ? 16.0f / 9 : 16.0f / 4);
    EXPECT_EQ(y[8], 22.0f);
  }
}

TEST(AveragePool, Dilates) {
  OpRun run(average_pool_schema(), {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 2}}});
  EXPECT_EQ(floats(run.input(counting({1, 1, 4, 4})).reference()[0]), (Floats{6, 7, 10, 11}));
}

TEST(LpPool, TakesTheNorm) {
  OpRun run(lp_pool_schema(), {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}});
  EXPECT_EQ(floats(run.input(Tensor::from<float>({1, 1, 4}, {3, -4, 5, 12})).reference()[0]),
            (Floats{5, 13}));
  OpRun sum(lp_pool_schema(), {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"p", int64_t{1}}});
  EXPECT_EQ(floats(sum.input(Tensor::from<float>({1, 1, 4}, {3, -4, 5, 12})).reference()[0]),
            (Floats{7, 17}));
}

TEST(GlobalPools, ReduceEachChannel) {
  const Tensor x = counting({1, 2, 2, 3});
  OpRun mean(global_average_pool_schema());
  EXPECT_EQ(floats(mean.input(x).reference()[0]), (Floats{3.5f, 9.5f}));
  OpRun most(global_max_pool_schema());
  EXPECT_EQ(floats(most.input(x).reference()[0]), (Floats{6, 12}));
  EXPECT_EQ(most.site().outputs[0].shape, (Shape{1, 2, 1, 1}));
}

TEST(Pools, RefuseWhatDoesNotFit) {
  OpRun missing(average_pool_schema());
  EXPECT_THROW(missing.type(DType::f32, {1, 1, 4}).site(), InputError);
  OpRun rank(max_pool_schema(), {{"kernel_shape", Ints{2}}});
  EXPECT_THROW(rank.type(DType::f32, {1, 1, 4, 4}).site(), InputError);
  OpRun large(lp_pool_schema(), {{"kernel_shape", Ints{5}}});
  EXPECT_THROW(large.type(DType::f32, {1, 1, 4}).site(), InputError);
  constexpr int64_t kHuge = int64_t{1} << 30, kHalf = kHuge / 2;
  OpRun wide(average_pool_schema(), {{"kernel_shape", Ints{kHuge, kHuge}}, {"pads", Ints(4, kHalf)}});
  EXPECT_THROW(wide.type(DType::f32, {1, 1, 4, 4}).site(), InputError);
  OpRun endless(max_pool_schema(),
                {{"kernel_shape", Ints{1}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}});
  EXPECT_THROW(endless.type(DType::f32, {1, 1, std::numeric_limits<int64_t>::max()}).site(), InputError);
  OpRun integers(global_average_pool_schema());
  EXPECT_THROW(integers.type(DType::i32, {1, 1, 4}).site(), InputError);
}

}  // namespace
}  // namespace halftone
