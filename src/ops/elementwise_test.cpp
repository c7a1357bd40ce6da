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

TEST(ElementwiseMaps, TakeTheirAttributes) {
  expect_near(map("LeakyRelu", {-2, 3}), {-0.02, 3});
  expect_near(map("LeakyRelu", {-2, 3}, {{"alpha", 0.5f}}), {-1, 3});
  expect_near(map("Elu", {-1, 2}, {{"alpha", 2.0f}}), {-1.2642411177, 2});
  expect_near(map("Celu", {-1, 2}, {{"alpha", 2.0f}}), {-0.7869386806, 2});
  expect_near(map("Selu", {-1, 1}), {-1.1113307149, 1.0507010221});
  expect_near(map("HardSigmoid", {-3, 0.5f, 4}), {0, 0.6, 1});
  expect_near(map("HardSigmoid", {0.5f}, {{"alpha", 0.5f}, {"beta", 0.25f}}), {0.5});
  expect_near(map("HardSwish", {-4, 1, 4}), {0, 2.0 / 3, 4});
  expect_near(map("ThresholdedRelu", {1, 1.5f, -3}), {0, 1.5, 0});
  expect_near(map("ThresholdedRelu", {1, 1.5f, 3}, {{"alpha", 2.0f}}), {0, 0, 3});
}

TEST(ElementwiseMaps, HoldAtTheEnds) {
  expect_near(map("Softplus", {0, -100, 100}), {0.6931471806, 0, 100});
  expect_near(map("Mish", {0, 1, -100}), {0, 0.8650983883, 0});
  expect_near(map("Softsign", {1, -3}), {0.5, -0.75});
  expect_near(map("Round", {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1.2f}), {0, 2, 2, 0, -2, 1});
  expect_near(map("Sign", {-2, 0, 5}), {-1, 0, 1});
  EXPECT_TRUE(std::isnan(map("Sign", {NAN})[0]));
  EXPECT_FALSE(std::signbit(map("Abs", {-0.0f})[0]));
  EXPECT_TRUE(std::isinf(map("Reciprocal", {0})[0]));
}

template <class T>
std::vector<T> map_integers(std::string_view name, std::initializer_list<T> x) {
  OpRun run(op(name));
  run.input(Tensor::from<T>({static_cast<int64_t>(x.size())}, x));
  return values<T>(run.reference()[0]);
}

TEST(ElementwiseMaps, OfNumbersTakeIntegers) {
  EXPECT_EQ(map_integers<int8_t>("Abs", {-128, -3, 4}), (std::vector<int8_t>{-128, 3, 4}));
  EXPECT_EQ(map_integers<int8_t>("Neg", {-128, -3, 4}), (std::vector<int8_t>{-128, 3, -4}));
  EXPECT_EQ(map_integers<int64_t>("Sign", {-7, 0, 9}), (std::vector<int64_t>{-1, 0, 1}));
  EXPECT_EQ(map_integers<uint8_t>("Relu", {0, 200}), (std::vector<uint8_t>{0, 200}));
  OpRun truth(op("Abs"));
  truth.type(DType::boolean, {2});
  EXPECT_THROW(truth.site(), InputError);
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
  // Only the run tells whether two names are one size, and which of both is 1 otherwise.
  EXPECT_EQ(infer({tokens, 4}, {batch, 4}), (Shape{Shape::kUnknownDim, 4}));
  EXPECT_EQ(infer({tokens, 4}, {Shape::kUnknownDim, 4}), (Shape{tokens, 4}));
  EXPECT_EQ(infer({tokens, 4}, {3, 4}), (Shape{3, 4}));
  EXPECT_EQ(infer({3, 4}, {Shape::kUnknownDim, 4}), (Shape{3, 4}));
  EXPECT_THROW(infer({tokens, 4}, {batch, 3}), InputError);
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

template <class T>
Tensor vector_of(std::initializer_list<T> x) {
  return Tensor::from<T>({static_cast<int64_t>(x.size())}, x);
}

template <class Out>
std::vector<Out> combine(std::string_view name, std::initializer_list<Tensor> inputs,
                         Attributes attributes = {}) {
  OpRun run(op(name), std::move(attributes));
  for (const Tensor& input : inputs) run.input(input);
  return values<Out>(run.reference()[0]);
}

TEST(Mod, HasTheSignOfTheDivisorOrOfTheDividend) {
  const Tensor a = vector_of<int32_t>({-4, 7, 5, 4, -7, 8, 3});
  const Tensor b = vector_of<int32_t>({2, -3, 8, -2, 3, 5, 0});
  EXPECT_EQ(combine<int32_t>("Mod", {a, b}), (std::vector<int32_t>{0, -2, 5, 0, 2, 3, 0}));
  EXPECT_EQ(combine<int32_t>("Mod", {a, b}, {{"fmod", int64_t{1}}}),
            (std::vector<int32_t>{0, 1, 5, 0, -1, 3, 0}));
  const Tensor x = vector_of<float>({-4.3f, 7.2f}), y = vector_of<float>({2.1f, -3.4f});
  const auto rest = combine<float>("Mod", {x, y}, {{"fmod", int64_t{1}}});
  EXPECT_NEAR(rest[0], -0.1f, 1e-6f);
  EXPECT_NEAR(rest[1], 0.4f, 1e-6f);
  EXPECT_THROW(combine<float>("Mod", {x, y}), InputError);
}

TEST(Pow, TakesMixedTypes) {
  EXPECT_EQ(combine<float>("Pow", {vector_of<float>({2, 3}), vector_of<int64_t>({-1, 2})}),
            (std::vector<float>{0.5f, 9}));
  EXPECT_EQ(combine<int32_t>("Pow", {vector_of<int32_t>({4, 3}), vector_of<float>({0.5f, 2})}),
            (std::vector<int32_t>{2, 9}));
  EXPECT_EQ(
      combine<int64_t>("Pow", {vector_of<int64_t>({3, 2, -1, 5}), vector_of<int64_t>({39, 64, -3, -1})}),
      (std::vector<int64_t>{4052555153018976267, 0, -1, 0}));
}

TEST(Comparison, GivesBool) {
  const Tensor a = vector_of<float>({1, 2, NAN}), b = vector_of<float>({2, 2, NAN});
  EXPECT_EQ(combine<bool>("Less", {a, b}), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(combine<bool>("LessOrEqual", {a, b}), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(combine<bool>("GreaterOrEqual", {a, b}), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(combine<bool>("Equal", {a, b}), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(combine<bool>("Greater", {vector_of<uint8_t>({200}), vector_of<uint8_t>({100, 250})}),
            (std::vector<bool>{true, false}));
  const Tensor truth = vector_of<bool>({true, false});
  EXPECT_EQ(combine<bool>("Equal", {truth, vector_of<bool>({true})}), (std::vector<bool>{true, false}));
  EXPECT_THROW(combine<bool>("Less", {truth, truth}), InputError);
  EXPECT_THROW(combine<bool>("Less", {a, vector_of<int32_t>({1, 2, 3})}), InputError);
}

TEST(Logic, FollowsItsTables) {
  const Tensor a = Tensor::from<bool>({2, 1}, {false, true}), b = vector_of<bool>({false, true});
  EXPECT_EQ(combine<bool>("And", {a, b}), (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(combine<bool>("Or", {a, b}), (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(combine<bool>("Xor", {a, b}), (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(combine<bool>("Not", {b}), (std::vector<bool>{true, false}));
  EXPECT_THROW(combine<bool>("Not", {vector_of<int32_t>({1})}), InputError);
}

TEST(FloatKinds, FindsWhatIsNoNumber) {
  const Tensor x = vector_of<float>({1, NAN, HUGE_VALF, -HUGE_VALF});
  EXPECT_EQ(combine<bool>("IsNaN", {x}), (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(combine<bool>("IsInf", {x}), (std::vector<bool>{false, false, true, true}));
  EXPECT_EQ(combine<bool>("IsNaN", {as_type(x, DType::f16)}), (std::vector<bool>{false, true, false, false}));
  EXPECT_THROW(combine<bool>("IsNaN", {vector_of<int32_t>({1})}), InputError);
  OpRun negative(*find_op("IsInf"), {{"detect_positive", int64_t{0}}});
  negative.input(x);
  const std::vector<Tensor> found = negative.reference();
  EXPECT_FALSE(found[0].span<bool>()[2]);
  EXPECT_TRUE(found[0].span<bool>()[3]);
}

TEST(Variadic, FoldsBroadcastInputs) {
  const Tensor a = vector_of<float>({1, 5, NAN}), b = Tensor::from<float>({}, {3});
  const auto highest = combine<float>("Max", {a, b}), lowest = combine<float>("Min", {b, a});
  EXPECT_EQ(highest[0], 3);
  EXPECT_EQ(highest[1], 5);
  EXPECT_EQ(lowest[0], 1);
  EXPECT_TRUE(std::isnan(highest[2]) && std::isnan(lowest[2]));
  const Tensor c = vector_of<float>({1, 2}), d = Tensor::from<float>({2, 1}, {10, 20});
  EXPECT_EQ(combine<float>("Sum", {c, d, c}), (std::vector<float>{12, 14, 22, 24}));
  EXPECT_EQ(combine<float>("Mean", {c, d}), (std::vector<float>{5.5f, 6, 10.5f, 11}));
  EXPECT_EQ(combine<float>("Mean", {c}), (std::vector<float>{1, 2}));
  EXPECT_EQ(combine<int8_t>("Max", {vector_of<int8_t>({-5, 3}), vector_of<int8_t>({2, -9})}),
            (std::vector<int8_t>{2, 3}));
}

TEST(Clip, TakesEitherBoundOrNone) {
  auto clip = [](const Tensor& x, std::optional<Tensor> low, std::optional<Tensor> high) {
    OpRun run(op("Clip"));
    run.input(x);
    low ? run.input(*low) : run.absent();
    high ? run.input(*high) : run.absent();
    return run.reference()[0];
  };
  const Tensor x = vector_of<float>({-2, 0, 2});
  auto scalar = [](float value) { return Tensor::from<float>({}, {value}); };
  EXPECT_EQ(floats(clip(x, scalar(-1), scalar(1))), (std::vector<float>{-1, 0, 1}));
  EXPECT_EQ(floats(clip(x, {}, scalar(1))), (std::vector<float>{-2, 0, 1}));
  EXPECT_EQ(floats(clip(x, {}, {})), floats(x));
  EXPECT_EQ(floats(clip(x, scalar(2), scalar(1))), (std::vector<float>{1, 1, 1}));
  EXPECT_TRUE(std::isnan(floats(clip(vector_of<float>({NAN}), scalar(0), scalar(1)))[0]));
  EXPECT_EQ(values<int8_t>(clip(vector_of<int8_t>({-7, 7}), vector_of<int8_t>({-3}), {})),
            (std::vector<int8_t>{-3, 7}));
  EXPECT_THROW(clip(x, vector_of<float>({1, 2}), {}), InputError);
  EXPECT_THROW(clip(x, Tensor::from<int32_t>({}, {1}), {}), InputError);
}

TEST(PRelu, ScalesWhatIsNegative) {
  EXPECT_EQ(combine<float>("PRelu", {Tensor::from<float>({2, 2}, {-1, 2, -3, -4}), vector_of<float>({2, 3})}),
            (std::vector<float>{-2, 2, -6, -12}));
  EXPECT_THROW(combine<float>("PRelu", {vector_of<float>({1}), vector_of<float>({2, 3})}), InputError);
}

}  // namespace
}  // namespace halftone
