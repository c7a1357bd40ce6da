#include "quant/structure/channel_factors.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "runtime/session.h"

namespace halftone {
namespace {

Tensor random_tensor(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
  return tensor;
}

/// Norm -> gate, up -> Mul -> down, and a convolution after it all.
Graph gated() {
  Graph graph;
  auto node = [&](std::string_view op, const char* name, std::vector<ValueId> inputs,
                  Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  };
  auto constant = [&](const char* name, const Shape& shape, unsigned seed) {
    return graph.add_constant(name, Constant(random_tensor(shape, seed)));
  };
  const Attributes turned{{"transB", int64_t{1}}};
  const ValueId x = graph.add_input("x", {DType::f32, {6, 8}});
  const ValueId norm =
      node("LayerNormalization", "norm", {x, constant("norm.w", {8}, 1), constant("norm.b", {8}, 2)});
  const ValueId gate = node("Gemm", "gate", {norm, constant("gate.w", {12, 8}, 3)}, turned);
  const ValueId up =
      node("Gemm", "up", {norm, constant("up.w", {12, 8}, 4), constant("up.b", {12}, 5)}, turned);
  const ValueId mixed = node("Mul", "mixed", {node("Swish", "act", {gate}), up});
  const ValueId down = node("MatMul", "down", {mixed, constant("down.w", {12, 8}, 6)});
  graph.add_output(down, "y");
  verify(graph);
  return graph;
}

std::vector<float> run(const Graph& graph) {
  ThreadPool threads(1);
  Session session(compile(graph, {}, threads), threads);
  const Tensor x = random_tensor({6, 8}, 9);
  session.run({{"x", x.view()}});
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

TEST(ChannelFactors, LeaveWhatTheGraphComputes) {
  Graph graph = gated();
  const auto before = run(graph);
  std::mt19937 random(7);
  int divided = 0;
  for (const ScaleGroup& group : find_scale_groups(graph)) {
    ASSERT_TRUE(group.absorption) << group.obstacle;
    std::vector<float> factors;
    for (size_t c = 0; c < group.absorption->tied.size(); ++c)
      factors.push_back(std::uniform_real_distribution<float>(0.1f, 10)(random));
    divide_channels(graph, group, join_tied(*group.absorption, factors));
    ++divided;
  }
  EXPECT_EQ(divided, 2);
  verify(graph);
  const auto after = run(graph);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(after[i], before[i], 1e-4 * (1 + std::abs(before[i])));
}

TEST(ChannelFactors, TiedChannelsGetTheLargest) {
  Absorption absorption;
  absorption.tied = {0, 1, 0, 1};
  EXPECT_EQ(join_tied(absorption, std::vector<float>{1, 2, 3, 1}), (std::vector<float>{3, 2, 3, 2}));
}

TEST(ChannelFactors, AreAppliedAsConstantsLoad) {
  const Constant halves(Tensor::from<Half>({2, 2}, {to_half(1), to_half(2), to_half(3), to_half(4)}));
  const Constant scaled = scaled_constant(halves, 0, {10, 100});
  EXPECT_EQ(scaled.dtype(), DType::f32);
  const Tensor values = scaled.load();
  EXPECT_EQ(std::vector<float>(values.span<float>().begin(), values.span<float>().end()),
            (std::vector<float>{10, 20, 300, 400}));
}

}  // namespace
}  // namespace halftone
