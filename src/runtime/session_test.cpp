#include "runtime/session.h"

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
