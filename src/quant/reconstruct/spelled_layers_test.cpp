#include "quant/reconstruct/spelled_layers.h"

#include <gtest/gtest.h>

#include "grad/gradient.h"
#include "op_run.h"
#include "runtime/session.h"

namespace halftone {
namespace {

struct Activation {
  const char* name;
  float a, b;
};
constexpr Activation kActivations[] = {
    {"", 0, 0},        {"relu", 0, 0}, {"clip", -0.5f, 0.25f},       {"leaky_relu", 0.1f, 0},
    {"sigmoid", 0, 0}, {"silu", 0, 0}, {"hard_sigmoid", 0.2f, 0.5f}, {"hard_swish", 0, 0},
    {"tanh", 0, 0},    {"gelu", 0, 0}, {"gelu_tanh", 0, 0},
};

Attributes attributes_of(const Activation& activation) {
  Attributes attributes;
  if (*activation.name) attributes.set("activation", std::string(activation.name));
  attributes.set("activation_a", activation.a);
  attributes.set("activation_b", activation.b);
  return attributes;
}

/// A convolution with a residual and a linear layer behind it.
Graph network(const Activation& activation) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 4, 3, 3}});
  const auto constant = [&](const char* name, const Shape& shape) {
    return graph.add_constant(name, Constant(random_tensor(shape, static_cast<unsigned>(shape.elements()))));
  };
  const ValueId conv =
      graph
          .add_node(*find_op("Conv"), "conv", {x, constant("w", {4, 4, 1, 1}), constant("b", {4}), x},
                    attributes_of(activation))
          .front();
  graph.add_output(graph
                       .add_node(*find_op("Gemm"), "gemm", {conv, constant("v", {3, 5}), constant("c", {5})},
                                 attributes_of(activation))
                       .front(),
                   "y");
  verify(graph);
  return graph;
}

std::vector<float> run(const Graph& graph) {
  ThreadPool threads(1);
  CompileOptions how;
  how.as_written = true;
  Session session(compile(graph, how, threads), threads);
  const Tensor x = random_tensor({1, 4, 3, 3}, 9, 3);
  session.run({{"x", x.view()}});
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

TEST(SpelledLayers, ComputeWhatTheyDidAndHaveGradients) {
  for (const Activation& activation : kActivations) {
    Graph graph = network(activation);
    const std::vector<float> wanted = run(graph);
    EXPECT_EQ(spell_out_layers(graph), *activation.name ? 2 : 1);
    EXPECT_NO_THROW(verify(graph));
    const std::vector<float> found = run(graph);
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(found[i], wanted[i], 1e-5f * (1 + std::abs(wanted[i]))) << activation.name;
    EXPECT_EQ(spell_out_layers(graph), 0);

    std::vector<ValueId> weights;
    for (size_t id = 0; id < graph.values().size(); ++id)
      if (graph.values()[id].name == "w") weights.push_back(static_cast<ValueId>(id));
    const ValueId y = graph.outputs().front();
    const std::vector<ValueId> slopes = add_gradients(graph, std::vector<ValueGradient>{{y, y}}, weights);
    EXPECT_NE(slopes.front(), kNoValue) << activation.name;
  }
}

}  // namespace
}  // namespace halftone
