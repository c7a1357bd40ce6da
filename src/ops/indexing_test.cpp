#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/movement.h"

// Operators that pick, put, repeat and pad elements, on worked examples. ONNX's own tests of them run in
// tests/onnx_conformance_test.cpp.

namespace halftone {
namespace {

const OpSchema& op(std::string_view name) {
  return *find_op(name);
}

constexpr int64_t kUnknown = Shape::kUnknownDim;
const int64_t kTokens = Shape::symbol_dim(0);

Tensor count_to(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  float next = 0;
  for (float& x : tensor.mutable_view().span<float>()) x = next++;
  return tensor;
}

Tensor ints(const Shape& shape, std::initializer_list<int64_t> values) {
  return Tensor::from<int64_t>(shape, values);
}

TEST(Flatten, MakesAMatrix) {
  const auto shape = [](const Shape& from, int64_t axis) {
    return OpRun(op("Flatten"), {{"axis", axis}}).type(DType::f32, from).site().outputs[0].shape;
  };
  EXPECT_EQ(shape({2, 3, 4}, 1), (Shape{2, 12}));
  EXPECT_EQ(shape({2, 3, 4}, 0), (Shape{1, 24}));
  EXPECT_EQ(shape({2, 3, 4}, -1), (Shape{6, 4}));
  EXPECT_EQ(shape({2, 3, 4}, 3), (Shape{24, 1}));
  EXPECT_EQ(shape({kTokens, 3, 4}, 1), (Shape{kTokens, 12}));
  EXPECT_EQ(shape({kTokens, 3, 4}, 2), (Shape{kUnknown, 4}));
  EXPECT_THROW(shape({2, 3}, 3), InputError);
}

TEST(Tile, RepeatsAlongEachAxis) {
  OpRun run(op("Tile"));
  run.input(count_to({2, 2})).ints({1, 2});
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(OpRun(op("Tile")).type(DType::f32, {kTokens, 2}).ints({1, 3}).site().outputs[0].shape,
            (Shape{kTokens, 6}));
  EXPECT_EQ(OpRun(op("Tile")).type(DType::f32, {2, 2}).type(DType::i64, {2}).site().outputs[0].shape,
            unknown_shape(2));
  EXPECT_THROW(OpRun(op("Tile")).type(DType::f32, {2, 2}).ints({1}).site(), InputError);
  EXPECT_THROW(OpRun(op("Tile")).type(DType::f32, {4}).ints({int64_t{1} << 62}).site(), InputError);
}

TEST(Pad, FillsMirrorsRepeatsAndWraps) {
  const auto pad = [](const char* mode, std::initializer_list<int64_t> pads) {
    OpRun run(op("Pad"), {{"mode", std::string(mode)}});
    run.input(count_to({4})).ints(pads);
    return floats(run.reference()[0]);
  };
  EXPECT_EQ(pad("constant", {1, 2}), (std::vector<float>{0, 0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(pad("edge", {2, 1}), (std::vector<float>{0, 0, 0, 1, 2, 3, 3}));
  EXPECT_EQ(pad("reflect", {2, 3}), (std::vector<float>{2, 1, 0, 1, 2, 3, 2, 1, 0}));
  EXPECT_EQ(pad("wrap", {1, 5}), (std::vector<float>{3, 0, 1, 2, 3, 0, 1, 2, 3, 0}));
  EXPECT_EQ(pad("constant", {-1, -2}), (std::vector<float>{1}));
  EXPECT_THROW(pad("constant", {-3, -2}), InputError);
  EXPECT_THROW(pad("sideways", {0, 0}), InputError);
  EXPECT_THROW(pad("constant", {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}),
               InputError);
  const auto filled_by = [](const Tensor& fill) {
    OpRun(op("Pad")).input(count_to({4})).ints({1, 1}).input(fill).site();
  };
  EXPECT_NO_THROW(filled_by(Tensor::from<float>({1}, {1})));
  EXPECT_THROW(filled_by(Tensor::from<uint8_t>({}, {1})), InputError);
  EXPECT_THROW(filled_by(Tensor::from<float>({0}, {})), InputError);

  OpRun inner(op("Pad"));
  inner.input(count_to({2, 1})).ints({0, 1}).input(Tensor::from<float>({}, {9})).ints({-1});
  EXPECT_EQ(floats(inner.reference()[0]), (std::vector<float>{0, 9, 1, 9}));
  EXPECT_EQ(OpRun(op("Pad")).type(DType::f32, {kTokens, 2}).ints({0, 1, 0, 1}).site().outputs[0].shape,
            (Shape{kTokens, 4}));
}

TEST(Trilu, KeepsOneSideOfADiagonal) {
  const auto trilu = [](int64_t upper, int64_t k) {
    OpRun run(op("Trilu"), {{"upper", upper}});
    run.input(count_to({2, 3})).input(ints({}, {k}));
    return floats(run.reference()[0]);
  };
  EXPECT_EQ(trilu(1, 0), (std::vector<float>{0, 1, 2, 0, 4, 5}));
  EXPECT_EQ(trilu(0, 0), (std::vector<float>{0, 0, 0, 3, 4, 0}));
  EXPECT_EQ(trilu(1, 2), (std::vector<float>{0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(trilu(0, std::numeric_limits<int64_t>::max()), floats(count_to({2, 3})));
}

TEST(GatherElements, TakesOneElementForEachIndex) {
  OpRun run(op("GatherElements"), {{"axis", int64_t{1}}});
  run.input(count_to({2, 3})).input(ints({2, 2}, {2, 0, -1, 1}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{2, 0, 5, 4}));
  OpRun beyond(op("GatherElements"));
  beyond.input(count_to({2})).input(ints({1}, {2}));
  EXPECT_TRUE(std::isnan(floats(beyond.reference()[0])[0]));
}

TEST(GatherND, TakesSlices) {
  OpRun rows(op("GatherND"));
  rows.input(count_to({2, 3})).input(ints({2, 1}, {1, 0}));
  EXPECT_EQ(floats(rows.reference()[0]), (std::vector<float>{3, 4, 5, 0, 1, 2}));
  OpRun batched(op("GatherND"), {{"batch_dims", int64_t{1}}});
  batched.input(count_to({2, 3})).input(ints({2, 1}, {2, 0}));
  EXPECT_EQ(floats(batched.reference()[0]), (std::vector<float>{2, 3}));
  EXPECT_THROW(OpRun(op("GatherND")).type(DType::f32, {2}).type(DType::i64, {1, 2}).site(), InputError);
  EXPECT_THROW(OpRun(op("GatherND")).type(DType::f32, {2}).type(DType::i64, {1, kUnknown}).site(),
               UnsupportedError);
}

TEST(ScatterElements, PutsAndCombines) {
  const auto scatter = [](const char* reduction) {
    OpRun run(op("ScatterElements"), {{"reduction", std::string(reduction)}});
    run.input(Tensor::from<float>({3}, {1, 2, 3}))
        .input(ints({3}, {0, 0, -1}))
        .input(Tensor::from<float>({3}, {5, 4, 2}));
    return floats(run.reference()[0]);
  };
  EXPECT_EQ(scatter("none"), (std::vector<float>{4, 2, 2}));
  EXPECT_EQ(scatter("add"), (std::vector<float>{10, 2, 5}));
  EXPECT_EQ(scatter("mul"), (std::vector<float>{20, 2, 6}));
  EXPECT_EQ(scatter("max"), (std::vector<float>{5, 2, 3}));
  EXPECT_EQ(scatter("min"), (std::vector<float>{1, 2, 2}));
  EXPECT_THROW(scatter("xor"), InputError);
}

TEST(ScatterND, PutsSlices) {
  OpRun run(op("ScatterND"));
  run.input(count_to({3, 2})).input(ints({2, 1}, {2, 7})).input(Tensor::from<float>({2, 2}, {9, 8, 7, 6}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{0, 1, 2, 3, 9, 8}));
  OpRun misfit(op("ScatterND"));
  misfit.type(DType::f32, {3, 2}).type(DType::i64, {2, 1}).type(DType::f32, {2, 3});
  EXPECT_THROW(misfit.site(), InputError);
}

TEST(NonZero, ListsPlaces) {
  OpRun run(op("NonZero"));
  run.input(Tensor::from<int32_t>({2, 3}, {0, 7, 0, 1, 0, -1}));
  const Tensor places = run.reference()[0];
  EXPECT_EQ(places.shape(), (Shape{2, 3}));
  EXPECT_EQ(values<int64_t>(places), (std::vector<int64_t>{0, 1, 1, 1, 0, 2}));
  EXPECT_EQ(OpRun(op("NonZero")).type(DType::f32, {4, 4}).site().outputs[0].shape, (Shape{2, kUnknown}));
}

TEST(OneHot, MarksThePlace) {
  OpRun run(op("OneHot"), {{"axis", int64_t{0}}});
  run.input(ints({3}, {1, -1, 5})).constant(Constant(ints({}, {2}))).input(Tensor::from<float>({2}, {0, 1}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{0, 0, 0, 1, 1, 0}));
}

TEST(DepthToSpace, MovesBlocksAndBack) {
  for (const char* mode : {"DCR", "CRD"}) {
    OpRun run(op("DepthToSpace"), {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}});
    run.input(count_to({1, 8, 1, 1}));
    const Tensor y = run.reference()[0];
    EXPECT_EQ(y.shape(), (Shape{1, 2, 2, 2}));
    const std::vector<float> expected = std::string(mode) == "DCR"
                                            ? std::vector<float>{0, 2, 4, 6, 1, 3, 5, 7}
                                            : std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7};
    EXPECT_EQ(floats(y), expected);
  }
  const Tensor x = random_tensor({2, 3, 4, 6}, 1);
  OpRun down(op("SpaceToDepth"), {{"blocksize", int64_t{2}}});
  OpRun up(op("DepthToSpace"), {{"blocksize", int64_t{2}}});
  up.input(down.input(x).reference()[0]);
  EXPECT_EQ(floats(up.reference()[0]), floats(x));
  EXPECT_THROW(OpRun(op("SpaceToDepth"), {{"blocksize", int64_t{2}}}).type(DType::f32, {1, 1, 3, 2}).site(),
               InputError);
}

TEST(CumSum, RunsForwardsAndBackwards) {
  const auto sums = [](int64_t exclusive, int64_t reverse) {
    OpRun run(op("CumSum"), {{"exclusive", exclusive}, {"reverse", reverse}});
    run.input(Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})).input(ints({}, {-1}));
    return floats(run.reference()[0]);
  };
  EXPECT_EQ(sums(0, 0), (std::vector<float>{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(sums(1, 0), (std::vector<float>{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(sums(0, 1), (std::vector<float>{6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(sums(1, 1), (std::vector<float>{5, 3, 0, 11, 6, 0}));
}

TEST(TopK, OrdersAndBreaksTies) {
  const auto top = [](int64_t largest, std::initializer_list<float> x) {
    OpRun run(op("TopK"), {{"largest", largest}});
    run.input(Tensor::from<float>({static_cast<int64_t>(x.size())}, x)).ints({2});
    return values<int64_t>(run.reference()[1]);
  };
  EXPECT_EQ(top(1, {1, 3, 3, 2}), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(top(0, {2, 1, 3, 1}), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(top(1, {1, NAN, 3, NAN}), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(top(0, {NAN, 2, 1}), (std::vector<int64_t>{2, 1}));
  EXPECT_THROW(top(1, {1}), InputError);
}

TEST(Compress, KeepsWhatIsChosen) {
  const Tensor condition = Tensor::from<bool>({3}, {false, true, true});
  OpRun columns(op("Compress"), {{"axis", int64_t{1}}});
  columns.input(count_to({2, 3})).input(condition);
  EXPECT_EQ(floats(columns.reference()[0]), (std::vector<float>{1, 2, 4, 5}));
  OpRun flat(op("Compress"));
  flat.input(count_to({2, 3})).input(condition);
  EXPECT_EQ(floats(flat.reference()[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(OpRun(op("Compress")).type(DType::f32, {4}).type(DType::boolean, {4}).site().outputs[0].shape,
            (Shape{kUnknown}));
}

}  // namespace
}  // namespace halftone
