#include "ops/reduction/reduction.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

Tensor reduced(std::string_view name, const Tensor& x, std::initializer_list<int64_t> axes,
               Attributes attributes = {}) {
  OpRun run(*find_op(name), std::move(attributes));
  run.input(x).ints(axes);
  return run.reference()[0];
}

TEST(Reduction, TakesElementsAlongAxes) {
  const Tensor x = Tensor::from<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto along = [&](std::string_view name, std::initializer_list<int64_t> axes) {
    return floats(reduced(name, x, axes));
  };
  EXPECT_EQ(along("ReduceSum", {1}), (std::vector<float>{4, 6, 12, 14}));
  EXPECT_EQ(along("ReduceSum", {0, -1}), (std::vector<float>{14, 22}));
  EXPECT_EQ(along("ReduceMean", {0}), (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(along("ReduceProd", {2}), (std::vector<float>{2, 12, 30, 56}));
  EXPECT_EQ(along("ReduceMax", {0, 1, 2}), std::vector<float>{8});
  EXPECT_EQ(along("ReduceMin", {}), std::vector<float>{1});
  EXPECT_EQ(along("ReduceL1", {1, 2}), (std::vector<float>{10, 26}));
  EXPECT_EQ(along("ReduceSumSquare", {1, 2}), (std::vector<float>{30, 174}));
  EXPECT_FLOAT_EQ(along("ReduceL2", {1, 2})[0], std::sqrt(30.0f));
  EXPECT_FLOAT_EQ(along("ReduceLogSum", {1, 2})[1], std::log(26.0f));
  EXPECT_FLOAT_EQ(along("ReduceLogSumExp", {2})[0], 2 + std::log1p(std::exp(-1.0f)));
}

TEST(Reduction, KeepsOrDropsAxes) {
  const int64_t batch = Shape::symbol_dim(0);
  auto shape = [&](std::initializer_list<int64_t> axes, Attributes attributes) {
    return OpRun(*find_op("ReduceSum"), std::move(attributes))
        .type(DType::f32, {batch, 3, 4})
        .ints(axes)
        .site()
        .outputs[0]
        .shape;
  };
  EXPECT_EQ(shape({1}, {}), (Shape{batch, 1, 4}));
  EXPECT_EQ(shape({-1}, {{"keepdims", int64_t{0}}}), (Shape{batch, 3}));
  EXPECT_EQ(shape({}, {}), (Shape{1, 1, 1}));
  EXPECT_EQ(shape({}, {{"noop_with_empty_axes", int64_t{1}}}), (Shape{batch, 3, 4}));
  EXPECT_THROW(shape({3}, {}), InputError);
  OpRun later(*find_op("ReduceSum"), {{"keepdims", int64_t{0}}});
  later.type(DType::f32, {batch, 3, 4}).type(DType::i64, {2});
  EXPECT_EQ(later.site().outputs[0].shape, (Shape{Shape::kUnknownDim}));
}

TEST(Reduction, OfNothing) {
  const Tensor nothing = Tensor::from<float>({2, 0}, {});
  auto first = [&](std::string_view name) { return floats(reduced(name, nothing, {1}))[0]; };
  EXPECT_EQ(first("ReduceSum"), 0);
  EXPECT_EQ(first("ReduceProd"), 1);
  EXPECT_EQ(first("ReduceMax"), -INFINITY);
  EXPECT_EQ(first("ReduceMin"), INFINITY);
  EXPECT_EQ(first("ReduceLogSumExp"), -INFINITY);
  EXPECT_TRUE(std::isnan(first("ReduceMean")));
  EXPECT_EQ(values<int8_t>(reduced("ReduceMax", Tensor::from<int8_t>({0}, {}), {0}))[0], -128);
}

TEST(Reduction, OfIntegersAndBool) {
  const Tensor x = Tensor::from<int32_t>({4}, {-7, 2, 2, 1});
  auto all = [&](std::string_view name) { return values<int32_t>(reduced(name, x, {0}))[0]; };
  EXPECT_EQ(all("ReduceSum"), -2);
  EXPECT_EQ(all("ReduceMean"), 0);  // -0.5, cut
  EXPECT_EQ(all("ReduceL1"), 12);
  EXPECT_EQ(all("ReduceL2"), 7);  // sqrt(58), cut
  const Tensor truth = Tensor::from<bool>({2, 2}, {false, true, false, false});
  EXPECT_EQ(values<bool>(reduced("ReduceMax", truth, {1})), (std::vector<bool>{true, false}));
  EXPECT_THROW(reduced("ReduceSum", truth, {1}), InputError);
  EXPECT_TRUE(std::isnan(floats(reduced("ReduceMax", Tensor::from<float>({2}, {NAN, 1}), {0}))[0]));
}

std::vector<int64_t> arg(std::string_view name, const Tensor& x, Attributes attributes) {
  OpRun run(*find_op(name), std::move(attributes));
  run.input(x);
  return values<int64_t>(run.reference()[0]);
}

TEST(ArgReduction, FindsTheFirstOrTheLast) {
  const Tensor x = Tensor::from<float>({2, 3}, {2, 2, 1, 3, 10, 10});
  EXPECT_EQ(arg("ArgMax", x, {{"axis", int64_t{1}}}), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(arg("ArgMax", x, {{"axis", int64_t{-1}}, {"select_last_index", int64_t{1}}}),
            (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(arg("ArgMin", x, {}), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(arg("ArgMin", Tensor::from<float>({3}, {1, NAN, 0}), {}), std::vector<int64_t>{1});
  const int64_t batch = Shape::symbol_dim(0);
  OpRun dropped(*find_op("ArgMax"), {{"keepdims", int64_t{0}}, {"axis", int64_t{1}}});
  EXPECT_EQ(dropped.type(DType::u8, {batch, 5}).site().outputs[0], (ValueType{DType::i64, {batch}}));
  EXPECT_THROW(OpRun(*find_op("ArgMax")).type(DType::f32, {0, 5}).site(), InputError);
}

}  // namespace
}  // namespace halftone
