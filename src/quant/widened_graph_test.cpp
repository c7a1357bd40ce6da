#include "quant/widened_graph.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "quant/quantize_graph.h"

namespace halftone {
namespace {

Tensor in_type(const Tensor& numbers, DType dtype) {
  Tensor made = Tensor::allocate(dtype, numbers.shape());
  store_floats(numbers.span<float>(), made.mutable_view(), 0);
  return made;
}

/// A convolution, an MLP behind a norm with a residual around it, and what they are cast to on the way.
Graph network(DType dtype) {
  Graph graph;
  graph.name = "short";
  unsigned seed = 1;
  auto constant = [&](const std::string& name, const Shape& shape, float scale) {
    return graph.add_constant(name, Constant(in_type(random_tensor(shape, seed++, scale), dtype)));
  };
  auto node = [&](std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                  Attributes how = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(how)).front();
  };
  const ValueId x = graph.add_input("x", {dtype, {1, 3, 6, 6}});
  const ValueId conv =
      node("Relu", "relu", {node("Conv", "conv", {x, constant("conv.w", {8, 3, 3, 3}, 0.2f)})});
  const ValueId shape = graph.add_constant(
      "shape", Constant(Tensor::from<int64_t>({3}, std::initializer_list<int64_t>{1, 8, 16})));
  const ValueId rows = node("Reshape", "rows", {conv, shape});
  ValueId back = rows;
  if (dtype != DType::f32) {
    const ValueId wide = node("Cast", "wide", {rows}, {{"to", int64_t{1}}});
    back = node("Cast", "back", {wide}, {{"to", int64_t{dtype == DType::f16 ? 10 : 16}}});
  }
  const ValueId normed =
      node("LayerNormalization", "norm", {back, constant("norm.w", {16}, 1), constant("norm.b", {16}, 0.1f)});
  const ValueId hidden =
      node("Relu", "act", {node("MatMul", "up", {normed, constant("up.w", {16, 64}, 0.25f)})});
  const ValueId down = node("MatMul", "down", {hidden, constant("down.w", {64, 16}, 0.12f)});
  graph.add_output(node("Add", "y", {back, down}), "y");
  verify(graph);
  return graph;
}

class Samples final : public CalibrationData {
 public:
  explicit Samples(DType dtype) : dtype_(dtype) {}
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", in_type(random_tensor({1, 3, 6, 6}, 50 + static_cast<unsigned>(index)), dtype_)}};
  }

 private:
  DType dtype_;
};

std::vector<float> run(const Graph& graph, DType dtype) {
  ThreadPool threads(1);
  Session session(compile(graph, {}, threads), threads);
  const Tensor x = in_type(random_tensor({1, 3, 6, 6}, 9), dtype);
  session.run({{"x", x.view()}});
  EXPECT_EQ(session.output("y").dtype, dtype);
  std::vector<float> y(static_cast<size_t>(session.output("y").shape.elements()));
  load_floats(session.output("y"), 0, y);
  return y;
}

double decibels(const std::vector<float>& wanted, const std::vector<float>& found) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    signal += std::pow(wanted[i], 2);
    noise += std::pow(wanted[i] - found[i], 2);
  }
  return noise == 0 ? HUGE_VAL : 10 * std::log10(signal / noise);
}

TEST(WidenedGraph, LooksAsItDidFromOutside) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    Graph graph = network(dtype);
    const std::map<std::string, double> bytes = compute_in_f32(graph);
    EXPECT_EQ(bytes, (std::map<std::string, double>{
                         {"down.w", 2048}, {"norm.b", 32}, {"norm.w", 32}, {"up.w", 2048}}));
    for (const Node& node : graph.nodes())
      for (ValueId output : node.outputs)
        EXPECT_EQ(graph.value(output).type.dtype, graph.value(output).name == "y" ? dtype : DType::f32)
            << node.name;
    EXPECT_EQ(
        std::ranges::count_if(graph.nodes(), [](const Node& node) { return node.schema->name == "Cast"; }),
        2);  // of x and y
    EXPECT_GT(decibels(run(network(dtype), dtype), run(graph, dtype)), dtype == DType::f16 ? 55 : 38);
    EXPECT_TRUE(compute_in_f32(graph).empty() || graph.inputs().size() == 1);
  }
  Graph plain = network(DType::f32);
  const std::string text = graph_text(plain);
  EXPECT_TRUE(compute_in_f32(plain).empty());
  EXPECT_EQ(graph_text(plain), text);
}

TEST(WidenedGraph, RecipesDoWithItWhatTheyDoInF32) {
  ThreadPool threads(1);
  const std::vector<float> wanted = run(network(DType::f32), DType::f32);
  for (const char* name : {"rtn-w8", "rtn-w4g32", "int8-static", "int8-dynamic", "smoothquant-w8a8",
                           "gptq-w4g32", "awq-w4g32", "autoround-w4", "nf4"}) {
    Recipe recipe = find_recipe(name);
    recipe.minimum_elements = 0;
    if (recipe.static_activations) recipe.static_activations->measure = false;
    for (AlgorithmStep& step : recipe.algorithms)
      if (step.name == "autoround") step.settings["iterations"] = 20;
    std::map<DType, double> found;
    for (const DType dtype : {DType::f32, DType::f16}) {
      const Samples samples(dtype);
      Graph graph = network(dtype);
      QuantizeOptions options;
      options.data = &samples;
      options.threads = &threads;
      const QuantReport report = quantize_graph(graph, recipe, options);
      EXPECT_EQ(report.layers.size(), 3u) << name;
      EXPECT_EQ(report.layers[1].bytes_before, dtype == DType::f32 ? 4096 : 2048) << name;
      found[dtype] = decibels(wanted, run(graph, dtype));
    }
    EXPECT_GT(found[DType::f16], found[DType::f32] - 1.5) << name;
  }
}

}  // namespace
}  // namespace halftone
