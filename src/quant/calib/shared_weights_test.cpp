#include <gtest/gtest.h>
#include <random>

#include "quant/calib/calibration.h"
#include "quant/quantize_graph.h"

namespace halftone {
namespace {

constexpr int64_t kInputs = 16, kOutputs = 64;

/// Rows of two halves, each with channels of its own that stand out.
class Halves final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    Tensor x = Tensor::allocate(DType::f32, {32, 2 * kInputs});
    std::mt19937 random(static_cast<unsigned>(index));
    std::normal_distribution<float> normal;
    float carried = 0;
    int64_t i = 0;
    for (float& value : x.mutable_view().span<float>()) {
      const int64_t column = i++ % (2 * kInputs);
      carried = 0.8f * carried + normal(random);
      value = carried * (column == 3 || column == kInputs + 9 ? 8.0f : 1.0f);
    }
    return {{"x", std::move(x)}};
  }
};

/// left W + right W, in this order or the other.
Graph twins(bool right_first) {
  Graph graph;
  graph.name = "twins";
  const auto ints = [&](const std::string& name, int64_t value) {
    return graph.add_constant(name, Constant(Tensor::from<int64_t>({1}, {value})));
  };
  Tensor weights = Tensor::allocate(DType::f32, {kOutputs, kInputs});
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.1f);
  for (float& w : weights.mutable_view().span<float>()) w = normal(random);
  const ValueId x = graph.add_input("x", {DType::f32, {32, 2 * kInputs}});
  const ValueId w = graph.add_constant("w", Constant(std::move(weights))), axis = ints("axis", 1);
  std::vector<ValueId> halves, products;
  for (int half = 0; half < 2; ++half) {
    const std::string name = half == 0 ? "left" : "right";
    halves.push_back(graph
                         .add_node(*find_op("Slice"), name,
                                   {x, ints(name + ".start", half * kInputs),
                                    ints(name + ".end", (half + 1) * kInputs), axis})
                         .front());
  }
  if (right_first) std::swap(halves[0], halves[1]);
  for (ValueId half : halves)
    products.push_back(graph
                           .add_node(*find_op("Gemm"), graph.value(half).name + ".product", {half, w},
                                     {{"transB", int64_t{1}}})
                           .front());
  graph.add_output(graph.add_node(*find_op("Add"), "y", products).front(), "y");
  return graph;
}

Tensor weights_of(Graph graph, const char* name) {
  const Halves data;
  ThreadPool threads(1);
  QuantizeOptions options;
  options.data = &data;
  options.threads = &threads;
  Recipe recipe = find_recipe(name);
  recipe.minimum_elements = 0;
  quantize_graph(graph, recipe, options);
  for (const Value& value : graph.values())
    if (value.name == "w") return value.constant->load_encoded("w")->decode();
  return {};
}

/// Weights that two layers share are rounded for what both read, not for what the later one reads.
TEST(SharedWeights, BothLayersCount) {
  for (const char* recipe : {"gptq-w4g128", "awq-w4g128"}) {
    const Tensor one = weights_of(twins(false), recipe), other = weights_of(twins(true), recipe);
    ASSERT_EQ(one.shape(), Shape({kOutputs, kInputs})) << recipe;
    for (size_t i = 0; i < one.span<float>().size(); ++i)
      ASSERT_EQ(one.span<float>()[i], other.span<float>()[i]) << recipe << ", element " << i;
  }
}

}  // namespace
}  // namespace halftone
