#include "runtime/session.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

/// y = silu(x W^T) * x over a symbolic number of rows, W a 2 x 2 matrix; and z = x reshaped.
Graph small_graph() {
  Graph graph;
  const int64_t rows = graph.symbol("rows", 1, 8);
  const ValueId x = graph.add_input("x", {DType::f32, {rows, 2}});
  const ValueId w = graph.add_constant("w", Constant(Tensor::from<float>({2, 2}, {1, 0, 1, 1})));
  const ValueId h = graph.add_node(*find_op("Gemm"), "h", {x, w}, {{"transB", int64_t{1}}}).front();
  const ValueId a = graph.add_node(*find_op("Swish"), "a", {h}).front();
  graph.add_output(graph.add_node(*find_op("Mul"), "m", {a, x}).front(), "y");
  return graph;
}

float silu(float x) {
  return x / (1 + std::exp(-x));
}

TEST(Session, RunsAtEachSizeOfItsSymbols) {
  ThreadPool threads(1);
  Session session(compile(small_graph(), {}, threads), threads);
  for (int64_t rows : {1, 3, 8, 2}) {
    Tensor x = Tensor::allocate(DType::f32, {rows, 2});
    auto values = x.mutable_view().span<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.5f - 1;
    session.run({{"x", x.view()}});
    const TensorView y = session.output("y");
    ASSERT_EQ(y.shape, Shape({rows, 2}));
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const float a = values[row * 2], b = values[row * 2 + 1];
      EXPECT_NEAR(y.span<float>()[row * 2], silu(a) * a, 1e-6);
      EXPECT_NEAR(y.span<float>()[row * 2 + 1], silu(a + b) * b, 1e-6);
    }
  }
}

/// y = x + z, of which the number of rows is not known.
TEST(Session, SizesOfInputsMayBeUnknown) {
  Graph graph;
  const Shape open{Shape::kUnknownDim, 2};
  const ValueId x = graph.add_input("x", {DType::f32, open}), z = graph.add_input("z", {DType::f32, open});
  graph.add_output(graph.add_node(*find_op("Add"), "sum", {x, z}).front(), "y");
  ThreadPool threads(1);
  Session session(compile(graph, {}, threads), threads);
  for (int64_t rows : {3, 1, 3}) {
    const Tensor ones = Tensor::from<float>({rows, 2}, std::vector<float>(static_cast<size_t>(2 * rows), 1));
    session.run({{"x", ones.view()}, {"z", ones.view()}});
    const TensorView y = session.output("y");
    EXPECT_EQ(y.shape, (Shape{rows, 2}));
    EXPECT_TRUE(std::ranges::all_of(y.span<float>(), [](float sum) { return sum == 2; }));
  }
  const Tensor two = Tensor::zeros(DType::f32, {2, 2}), three = Tensor::zeros(DType::f32, {3, 2});
  EXPECT_THROW(session.run({{"x", two.view()}, {"z", three.view()}}), InputError);
}

TEST(Session, ObserversSeeEachValueMade) {
  ThreadPool threads(1);
  Session session(compile(small_graph(), {}, threads), threads);
  std::vector<std::string> seen;
  session.observe(
      [&](const Value& value, const TensorView& tensor) { seen.push_back(value.name + tensor.shape.str()); });
  const Tensor x = Tensor::zeros(DType::f32, {4, 2});
  session.run({{"x", x.view()}});
  EXPECT_EQ(seen, (std::vector<std::string>{"h[4, 2]", "m[4, 2]"}));
}

/// y = swish(x), z = x flattened, the values between stored channels-last and as codes.
Graph stored_graph() {
  const Storage turned{Storage::Order::channels_last, {}};
  const Storage codes{Storage::Order::channels_last, CodeScale{0.25f, 100}};
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 3}});
  const ValueId t = graph.add_node(*find_op("Identity"), "t", {x}).front();
  const ValueId q = graph.add_node(*find_op("Swish"), "q", {t}).front();
  graph.add_output(graph.add_node(*find_op("Identity"), "back", {q}).front(), "y");
  const ValueId shape = graph.add_constant("shape", Constant(Tensor::from<int64_t>({1}, {6})));
  graph.add_output(graph.add_node(*find_op("Reshape"), "flat", {t, shape}).front(), "z");
  graph.value(t).storage = turned;
  graph.value(q).storage = codes;
  return graph;
}

TEST(Session, ValuesKeepTheirMeaningHoweverTheyAreStored) {
  ThreadPool threads(1);
  Session session(compile(stored_graph(), {}, threads), threads);
  const Tensor x = Tensor::from<float>({1, 2, 3}, {-2, -1, 0, 0.5f, 1, 40});
  std::map<std::string, Tensor> seen;
  session.observe([&](const Value& value, const TensorView& tensor) {
    ASSERT_EQ(tensor.dtype, DType::f32);
    Tensor& copy = seen[value.name] = Tensor::allocate(tensor.dtype, tensor.shape);
    std::ranges::copy(tensor.span<float>(), copy.mutable_view().span<float>().begin());
  });
  session.run({{"x", x.view()}});

  const TensorView y = session.output("y"), z = session.output("z");
  for (size_t i = 0; i < 6; ++i) {
    const float value = x.span<float>()[i];
    EXPECT_EQ(z.span<float>()[i], value);
    EXPECT_EQ(seen.at("t").span<float>()[i], value);
    const float rounded = std::min(std::nearbyint(silu(value) / 0.25f) * 0.25f, 155 * 0.25f);
    EXPECT_EQ(y.span<float>()[i], rounded) << value;
    EXPECT_EQ(seen.at("q").span<float>()[i], rounded);
  }
}

TEST(Session, KernelsOfPlainValuesAreNotAskedForOthers) {
  static const Kernel kernel{
      .name = "plain_swish", .op = "Swish", .supports = [](const OpSite&) { return Refusal(); }};
  struct OneKernel : Backend {
    std::string_view name() const override { return "test"; }
    std::span<const Kernel> kernels() const override { return {&kernel, 1}; }
  } backend;
  ThreadPool threads(1);
  const auto plan = compile(stored_graph(), {.backend = &backend, .run_passes = false}, threads);
  EXPECT_EQ(plan->steps()[1].kernel, "reference");
  EXPECT_EQ(plan->steps()[1].refusals.front().second, "values are not stored planar and plain");
}

TEST(Session, WrongInputsAreNamed) {
  ThreadPool threads(1);
  Session session(compile(small_graph(), {}, threads), threads);
  const Tensor wide = Tensor::zeros(DType::f32, {1, 3}), many = Tensor::zeros(DType::f32, {9, 2}),
               halves = Tensor::zeros(DType::f16, {1, 2}), fine = Tensor::zeros(DType::f32, {1, 2});
  EXPECT_THROW(session.run({}), InputError);
  EXPECT_THROW(session.run({{"x", wide.view()}}), InputError);
  EXPECT_THROW(session.run({{"x", many.view()}}), InputError);
  EXPECT_THROW(session.run({{"x", halves.view()}}), InputError);
  EXPECT_THROW(session.run({{"x", fine.view()}, {"z", fine.view()}}), InputError);
  EXPECT_NO_THROW(session.run({{"x", fine.view()}}));
}

/// An input of no bytes may name any size.
TEST(Session, SizesThatNoMachineHoldsAreRefused) {
  Graph graph;
  const int64_t rows = graph.symbol("rows", 0, int64_t{1} << 31);
  const ValueId x = graph.add_input("x", {DType::f64, {rows, 0}});
  const ValueId one = graph.add_constant("one", Constant(Tensor::from<int64_t>({1}, {1})));
  const ValueId row = graph.add_constant("row", Constant(Tensor::from<int64_t>({1}, {0})));
  const ValueId sizes = graph.add_node(*find_op("Shape"), "sizes", {x}).front();
  const ValueId size = graph.add_node(*find_op("Gather"), "size", {sizes, row}).front();
  const ValueId cube =
      graph.add_node(*find_op("Concat"), "cube", {size, size, size}, {{"axis", int64_t{0}}}).front();
  graph.add_output(graph.add_node(*find_op("Expand"), "y", {one, cube}).front(), "y");
  ThreadPool threads(1);
  Session session(compile(std::move(graph), {}, threads), threads);
  for (const int64_t size : {int64_t{1} << 31, int64_t{1} << 21, int64_t{1} << 14})
    EXPECT_THROW(session.run({{"x", {DType::f64, {size, 0}, nullptr}}}), ResourceError);
}

TEST(Plan, ExplainsWhyAKernelWasPassedOver) {
  struct Picky : Backend {
    std::string_view name() const override { return "picky"; }
    std::span<const Kernel> kernels() const override {
      static const Kernel list[] = {{"gemm_never", "Gemm", Isa::scalar,
                                     [](const OpSite&) -> Refusal { return "it is Tuesday"; }, nullptr}};
      return list;
    }
  } picky;
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &picky;
  const std::string text = compile(small_graph(), options, threads)->explain();
  EXPECT_NE(text.find("Gemm h -> reference"), std::string::npos) << text;
  EXPECT_NE(text.find("not gemm_never: it is Tuesday"), std::string::npos) << text;
  EXPECT_NE(text.find("fuse_gated_activation: 1 changes"), std::string::npos) << text;
}

}  // namespace
}  // namespace halftone
