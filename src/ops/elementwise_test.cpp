#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/activation.h"

namespace halftone {
namespace {

const OpSchema& op(std::string_view name) {
  return *find_op(name);
}

std::vector<float> map(std::string_view name, std::initializer_list<float> x, Attributes attributes = {}) {
  OpRun run(op(name), std::move(attributes));
  run.input(Tensor::from<float>({static_cast<int64_t>(x.size())}, x));
  return floats(run.reference()[0]);
}

void expect_near(const std::vector<float>& found, const std::vector<double>& expected,
                 double relative = 1e-6) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], relative * std::max(1.0, std::fabs(expected[i]))) << "element " << i;
}

TEST(ElementwiseMaps, AgreeWithKnownValues) {
  expect_near(map("Sigmoid", {0, 1, -1, 100}), {0.5, 0.7310585786, 0.2689414214, 1});
  expect_near(map("Tanh", {0, 1, -100}), {0, 0.7615941560, -1});
  expect_near(map("Exp", {0, 1, -1}), {1, 2.718281828, 0.3678794412});
  expect_near(map("Erf", {0, 0.5f, -3}), {0, 0.5204998778, -0.9999779095});
  expect_near(map("Sqrt", {0, 2.25f, 4}), {0, 1.5, 2});
  expect_near(map("Relu", {-1, 0, 3}), {0, 0, 3});
  expect_near(map("Neg", {-1, 0, 3}), {1, 0, -3});
  expect_near(map("Swish", {0, 1, -1, 3}), {0, 0.7310585786, -0.2689414214, 2.857722473});
  expect_near(map("Swish", {3}, {{"alpha", 0.5f}}), {2.452723});  // 3 / (1 + exp(-1.5))
  expect_near(map("Gelu", {0, 1, -1, 3}), {0, 0.8413447461, -0.1586552539, 2.995950306});
  expect_near(map("Gelu", {1, -1, 3}, {{"approximate", std::string("tanh")}}),
              {0.8411919906, -0.1588080094, 2.996362607});
  EXPECT_THROW(map("Gelu", {1}, {{"approximate", std::string("sigmoid")}}), InputError);
}

TEST(ElementwiseMaps, KeepTheTypeAndRefuseIntegers) {
  OpRun half(op("Sigmoid"));
  half.input(as_type(Tensor::from<float>({2}, {0, 1}), DType::f16));
  const Tensor result = half.reference()[0];
  EXPECT_EQ(result.dtype(), DType::f16);
  EXPECT_NEAR(floats(result)[1], 0.7310585786, 0x1p-12);
  OpRun integer(op("Sigmoid"));
  integer.input(Tensor::from<int32_t>({1}, {1}));
  EXPECT_THROW(integer.site(), InputError);
}

TEST(ElementwiseArithmetic, BroadcastsAsOnnxDoes) {
  const Tensor a = Tensor::from<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::from<float>({2, 1}, {10, 20});
  OpRun add(op("Add"));
  add.input(a).input(b);
  const Tensor sum = add.reference()[0];
  EXPECT_EQ(sum.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(floats(sum), (std::vector<float>{11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26}));
  OpRun scalar(op("Mul"));
  scalar.input(Tensor::from<float>({}, {2})).input(b);
  EXPECT_EQ(floats(scalar.reference()[0]), (std::vector<float>{20, 40}));
  OpRun misfit(op("Add"));
  misfit.input(Tensor::from<float>({2}, {1, 2})).input(Tensor::from<float>({3}, {1, 2, 3}));
  EXPECT_THROW(misfit.site(), InputError);
}

TEST(ElementwiseArithmetic, KnowsSymbolicDimensions) {
  const int64_t tokens = Shape::symbol_dim(0);
  const int64_t batch = Shape::symbol_dim(1);
  auto infer = [](const Shape& a, const Shape& b) {
    return OpRun(op("Mul")).type(DType::f32, a).type(DType::f32, b).site().outputs[0].shape;
  };
  EXPECT_EQ(infer({tokens, 4}, {4}), (Shape{tokens, 4}));
  EXPECT_EQ(infer({tokens, 1}, {tokens, 4}), (Shape{tokens, 4}));
  EXPECT_EQ(infer({1, 4}, {batch, 1}), (Shape{batch, 4}));
  EXPECT_THROW(infer({tokens, 4}, {batch, 4}), InputError);
}

TEST(ElementwiseArithmetic, CountsInIntegersToo) {
  auto run = [](std::string_view name, std::initializer_list<int64_t> a, std::initializer_list<int64_t> b) {
    const auto size = static_cast<int64_t>(a.size());
    OpRun made(op(name));
    made.input(Tensor::from<int64_t>({size}, a)).input(Tensor::from<int64_t>({size}, b));
    return values<int64_t>(made.reference()[0]);
  };
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(run("Add", {kMost, 2}, {1, 3}), (std::vector<int64_t>{kLeast, 5}));
  EXPECT_EQ(run("Sub", {1}, {4}), (std::vector<int64_t>{-3}));
  EXPECT_EQ(run("Mul", {-3}, {4}), (std::vector<int64_t>{-12}));
  EXPECT_EQ(run("Div", {7, -7, 5, kLeast}, {2, 2, 0, -1}), (std::vector<int64_t>{3, -3, 0, kLeast}));
}

TEST(ElementwiseArithmetic, RoundsOnceToTheType) {
  for (DType type : {DType::f16, DType::bf16}) {
    const Tensor a = as_type(random_tensor({64}, 1), type);
    const Tensor b = as_type(random_tensor({64}, 2), type);
    OpRun div(op("Div"));
    div.input(a).input(b);
    const std::vector<float> found = floats(div.reference()[0]);
    for (size_t i = 0; i < found.size(); ++i) {
      const float exact = floats(a)[i] / floats(b)[i];
      EXPECT_EQ(found[i], type == DType::f16 ? to_float(to_half(exact)) : to_float(to_bfloat16(exact)));
    }
  }
}

TEST(Pow, RaisesToAPower) {
  OpRun run(op("Pow"));
  run.input(Tensor::from<float>({3}, {2, 3, 4})).input(Tensor::from<float>({1}, {2}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{4, 9, 16}));
}

TEST(GatedActivation, MultipliesTheGateIn) {
  const Tensor gate = random_tensor({3, 5}, 3);
  const Tensor up = random_tensor({3, 5}, 4);
  using Gate = std::pair<const char*, float (*)(float)>;
  for (auto [name, f] : {Gate{"silu", silu}, Gate{"gelu", gelu}, Gate{"gelu_tanh", gelu_tanh}}) {
    OpRun run(op("GatedActivation"), {{"activation", std::string(name)}});
    run.input(gate).input(up);
    const std::vector<float> found = floats(run.reference()[0]);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], f(floats(gate)[i]) * floats(up)[i]);
  }
  OpRun unknown(op("GatedActivation"), {{"activation", std::string("relu")}});
  unknown.input(gate).input(up);
  EXPECT_THROW(unknown.site(), InputError);
}

TEST(Cost, OfAMapIsItsTrafficAndOneOperationAnElement) {
  OpRun run(op("Add"));
  run.input(random_tensor({4, 8}, 1)).input(random_tensor({8}, 2));
  const Cost cost = op("Add").cost(run.site());
  EXPECT_EQ(cost.flops, 32);
  EXPECT_EQ(cost.activation_bytes, 4 * (32 + 8 + 32));
  EXPECT_EQ(cost.weight_bytes, 0);
}

}  // namespace
}  // namespace halftone
