#include "ops/movement.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

const OpSchema& op(std::string_view name) {
  return *find_op(name);
}

const int64_t kTokens = Shape::symbol_dim(0);
const int64_t kBatch = Shape::symbol_dim(1);

Tensor count_to(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  float next = 0;
  for (float& x : tensor.mutable_view().span<float>()) x = next++;
  return tensor;
}

Shape reshaped(const Shape& from, std::initializer_list<int64_t> to, Attributes attributes = {}) {
  return OpRun(op("Reshape"), std::move(attributes)).type(DType::f32, from).ints(to).site().outputs[0].shape;
}

TEST(Reshape, FollowsTheRulesOfZeroAndMinusOne) {
  EXPECT_EQ(reshaped({2, 3, 4}, {4, 2, 3}), (Shape{4, 2, 3}));
  EXPECT_EQ(reshaped({2, 3, 4}, {2, -1}), (Shape{2, 12}));
  EXPECT_EQ(reshaped({2, 3, 4}, {0, -1, 2}), (Shape{2, 6, 2}));
  EXPECT_EQ(reshaped({0, 3}, {0, 7}, {{"allowzero", int64_t{1}}}), (Shape{0, 7}));
  EXPECT_EQ(reshaped({3, 0, 4}, {0, 0}), (Shape{3, 0}));
  EXPECT_EQ(reshaped({0, 3, 4}, {0, -1}), (Shape{0, 12}));  // as of any other number of rows
  EXPECT_THROW(reshaped({2, 3}, {4, -1}), InputError);
  EXPECT_THROW(reshaped({2, 3}, {7}), InputError);
  EXPECT_THROW(reshaped({2, 3}, {-1, -1}), InputError);
  EXPECT_THROW(reshaped({2, 3}, {2, 3, 0}), InputError);
}

TEST(Reshape, CarriesSymbols) {
  EXPECT_EQ(reshaped({kTokens, 12}, {0, 3, 4}), (Shape{kTokens, 3, 4}));
  EXPECT_EQ(reshaped({kTokens, 12}, {0, -1, 4}), (Shape{kTokens, 3, 4}));
  EXPECT_EQ(reshaped({kTokens, 3, 4}, {-1, 12}), (Shape{kTokens, 12}));
  EXPECT_EQ(reshaped({kBatch, kTokens, 4}, {0, -1, 4}), (Shape{kBatch, kTokens, 4}));
  EXPECT_EQ(reshaped({kBatch, kTokens, 4}, {-1, 4}), (Shape{Shape::kUnknownDim, 4}));
}

TEST(Reshape, KeepsTheElements) {
  OpRun run(op("Reshape"));
  run.input(count_to({2, 3})).ints({3, 2});
  EXPECT_EQ(floats(run.reference()[0]), floats(count_to({3, 2})));
  EXPECT_TRUE(op("Reshape").alias);
}

TEST(Transpose, ReordersAxes) {
  OpRun reversed(op("Transpose"));
  reversed.input(count_to({2, 3}));
  EXPECT_EQ(floats(reversed.reference()[0]), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  OpRun middle(op("Transpose"), {{"perm", std::vector<int64_t>{1, 0, 2}}});
  middle.input(count_to({2, 2, 2}));
  EXPECT_EQ(floats(middle.reference()[0]), (std::vector<float>{0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_EQ(OpRun(op("Transpose")).type(DType::i8, {kTokens, 4}).site().outputs[0],
            (ValueType{DType::i8, {4, kTokens}}));
  OpRun twice(op("Transpose"), {{"perm", std::vector<int64_t>{0, 0}}});
  twice.type(DType::f32, {2, 3});
  EXPECT_THROW(twice.site(), InputError);
}

TEST(Concat, LaysInputsSideBySide) {
  OpRun run(op("Concat"), {{"axis", int64_t{-1}}});
  run.input(Tensor::from<float>({2, 1}, {1, 2})).input(Tensor::from<float>({2, 2}, {3, 4, 5, 6}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{1, 3, 4, 2, 5, 6}));
  OpRun symbolic(op("Concat"), {{"axis", int64_t{1}}});
  symbolic.type(DType::f32, {kTokens, 4}).type(DType::f32, {kTokens, 5});
  EXPECT_EQ(symbolic.site().outputs[0].shape, (Shape{kTokens, 9}));
  OpRun told(op("Concat"), {{"axis", int64_t{1}}});
  told.type(DType::f32, {kTokens, kBatch}).type(DType::f32, {kBatch, 4}).type(DType::f32, {3, 5});
  EXPECT_EQ(told.site().outputs[0].shape, (Shape{3, Shape::kUnknownDim}));
  OpRun misfit(op("Concat"), {{"axis", int64_t{1}}});
  misfit.type(DType::f32, {2, 4}).type(DType::f32, {3, 5});
  EXPECT_THROW(misfit.site(), InputError);
}

TEST(Slice, CutsForwardsAndBackwards) {
  auto slice = [](std::initializer_list<int64_t> starts, std::initializer_list<int64_t> ends,
                  std::initializer_list<int64_t> axes, std::initializer_list<int64_t> steps) {
    OpRun run(op("Slice"));
    run.input(count_to({2, 4})).ints(starts).ints(ends).ints(axes).ints(steps);
    return floats(run.reference()[0]);
  };
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(slice({1}, {3}, {1}, {1}), (std::vector<float>{1, 2, 5, 6}));
  EXPECT_EQ(slice({1, 0}, {2, 1000}, {0, 1}, {1, 2}), (std::vector<float>{4, 6}));
  EXPECT_EQ(slice({-1}, {-kFar - 1}, {1}, {-1}), (std::vector<float>{3, 2, 1, 0, 7, 6, 5, 4}));
  EXPECT_EQ(slice({3}, {0}, {-1}, {-2}), (std::vector<float>{3, 1, 7, 5}));
  EXPECT_EQ(slice({0}, {-1}, {1}, {1}), (std::vector<float>{0, 1, 2, 4, 5, 6}));
  EXPECT_EQ(slice({2}, {1}, {1}, {1}), std::vector<float>{});
  EXPECT_EQ(slice({-9}, {-kFar - 1}, {1}, {-1}),
            (std::vector<float>{0, 4}));  // from before the first: from it
  EXPECT_EQ(slice({1}, {kFar}, {1}, {kFar}), (std::vector<float>{1, 5}));
  EXPECT_THROW(slice({0}, {1}, {1}, {0}), InputError);
  EXPECT_THROW(slice({0, 0}, {1, 1}, {1, -1}, {1, 1}), InputError);
  OpRun whole(op("Slice"));
  whole.type(DType::f32, {kTokens, 8}).ints({0, 4}).ints({kFar, 8}).ints({0, 1});
  EXPECT_EQ(whole.site().outputs[0].shape, (Shape{kTokens, 4}));
}

TEST(Split, CutsIntoPieces) {
  OpRun given(op("Split"), {{"axis", int64_t{1}}});
  given.input(count_to({2, 3})).ints({1, 2});
  auto pieces = given.reference();
  EXPECT_EQ(floats(pieces[0]), (std::vector<float>{0, 3}));
  EXPECT_EQ(floats(pieces[1]), (std::vector<float>{1, 2, 4, 5}));
  OpRun equal(op("Split"), {{"num_outputs", int64_t{2}}});
  equal.input(count_to({5}));
  pieces = equal.reference();
  EXPECT_EQ(floats(pieces[0]), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(floats(pieces[1]), (std::vector<float>{3, 4}));
  OpRun wrong(op("Split"));
  wrong.input(count_to({3})).ints({1, 1});
  EXPECT_THROW(wrong.site(), InputError);
}

TEST(SqueezeAndUnsqueeze, RemoveAndAddAxesOfOne) {
  EXPECT_EQ(OpRun(op("Squeeze")).type(DType::f32, {1, kTokens, 1}).ints({0}).site().outputs[0].shape,
            (Shape{kTokens, 1}));
  EXPECT_EQ(OpRun(op("Squeeze")).type(DType::f32, {1, kTokens, 1}).site().outputs[0].shape, (Shape{kTokens}));
  EXPECT_THROW(OpRun(op("Squeeze")).type(DType::f32, {2}).ints({0}).site(), InputError);
  EXPECT_EQ(OpRun(op("Unsqueeze")).type(DType::f32, {kTokens, 4}).ints({0, -1}).site().outputs[0].shape,
            (Shape{1, kTokens, 4, 1}));
  EXPECT_THROW(OpRun(op("Unsqueeze")).type(DType::f32, {4}).ints({0, -3}).site(), InputError);
}

TEST(Identity, Copies) {
  OpRun run(op("Identity"));
  run.input(count_to({2, 3}));
  EXPECT_EQ(floats(run.reference()[0]), floats(count_to({2, 3})));
}

TEST(Cast, ConvertsBetweenTypes) {
  auto cast = [](const Tensor& from, int64_t to) {
    OpRun run(op("Cast"), {{"to", to}});
    run.input(from);
    return run.reference()[0];
  };
  const Tensor x = Tensor::from<float>({6}, {1.7f, -1.7f, 300, -1e30f, NAN, 0});
  EXPECT_EQ(values<int32_t>(cast(x, 6)),
            (std::vector<int32_t>{1, -1, 300, std::numeric_limits<int32_t>::min(), 0, 0}));
  EXPECT_EQ(values<uint8_t>(cast(x, 2)), (std::vector<uint8_t>{1, 0, 255, 0, 0, 0}));
  EXPECT_EQ(values<bool>(cast(x, 9)), (std::vector<bool>{true, true, true, true, true, false}));
  EXPECT_EQ(floats(cast(cast(x, 10), 1))[2], 300.0f);
  EXPECT_EQ(values<int64_t>(cast(Tensor::from<int32_t>({2}, {-5, 7}), 7)), (std::vector<int64_t>{-5, 7}));
  EXPECT_EQ(cast(x, 16).dtype(), DType::bf16);
  EXPECT_THROW(cast(x, 8), UnsupportedError);  // strings
}

TEST(Where, ChoosesElementwise) {
  OpRun run(op("Where"));
  run.input(Tensor::from<bool>({2, 1}, {true, false}))
      .input(Tensor::from<int64_t>({2}, {1, 2}))
      .input(Tensor::from<int64_t>({1}, {9}));
  EXPECT_EQ(values<int64_t>(run.reference()[0]), (std::vector<int64_t>{1, 2, 9, 9}));
}

TEST(Range, CountsFromStartShortOfLimit) {
  auto scalar = [](int64_t x) { return Constant(Tensor::from<int64_t>({}, {x})); };
  OpRun run(op("Range"));
  run.constant(scalar(10)).constant(scalar(4)).constant(scalar(-3));
  EXPECT_EQ(values<int64_t>(run.reference()[0]), (std::vector<int64_t>{10, 7}));
  EXPECT_THROW(OpRun(op("Range")).constant(scalar(0)).constant(scalar(4)).constant(scalar(0)).site(),
               InputError);
}

TEST(Expand, RepeatsToAShape) {
  OpRun run(op("Expand"));
  run.input(Tensor::from<float>({2, 1}, {1, 2})).ints({2, 1, 2});
  const Tensor y = run.reference()[0];
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(floats(y), (std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2}));
}

TEST(ShapeRules, WaitForValuesThatAreNotKnownYet) {
  const auto shape_of = [](OpRun& run) { return run.site().outputs[0].shape; };
  const int64_t unknown = Shape::kUnknownDim;
  OpRun reshape(op("Reshape"));
  EXPECT_EQ(shape_of(reshape.type(DType::f32, {2, 6}).type(DType::i64, {3})), unknown_shape(3));
  OpRun expand(op("Expand"));
  EXPECT_EQ(shape_of(expand.type(DType::f32, {4, 1}).type(DType::i64, {1})), (Shape{4, unknown}));
  OpRun slice(op("Slice"));
  slice.type(DType::f32, {4, 5}).type(DType::i64, {1}).type(DType::i64, {1}).ints({1});
  EXPECT_EQ(shape_of(slice), (Shape{4, unknown}));
  OpRun squeeze(op("Squeeze"));
  EXPECT_EQ(shape_of(squeeze.type(DType::f32, {4, 1, 1}).type(DType::i64, {2})), (Shape{unknown}));
  OpRun range(op("Range"));
  EXPECT_EQ(shape_of(range.type(DType::i64, {}).type(DType::i64, {}).type(DType::i64, {})), (Shape{unknown}));
  OpRun rank(op("Reshape"));
  EXPECT_THROW(rank.type(DType::f32, {2}).type(DType::i64, {unknown}).site(), UnsupportedError);

  OpRun known(op("Reshape"));
  known.input(count_to({2, 6})).input(Tensor::from<int64_t>({2}, {4, -1}));
  EXPECT_EQ(shape_of(known), (Shape{4, 3}));
}

TEST(ShapeAndSize, CountWhatIsThere) {
  auto shape = [](Attributes attributes) {
    return values<int64_t>(
        OpRun(op("Shape"), std::move(attributes)).input(count_to({2, 3, 4})).reference()[0]);
  };
  EXPECT_EQ(shape({}), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{-2}}, {"end", int64_t{9}}}), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{2}}, {"end", int64_t{1}}}), std::vector<int64_t>{});
  EXPECT_EQ(values<int64_t>(OpRun(op("Size")).input(count_to({2, 3, 4})).reference()[0]),
            std::vector<int64_t>{24});
}

}  // namespace
}  // namespace halftone
