#include <cmath>
#include <gtest/gtest.h>
#include <sstream>

#include "base/file.h"
#include "grad/gradient.h"
#include "graph_run.h"
#include "shared_files.h"

namespace halftone {
namespace {

constexpr int64_t kTokens = 7, kWidth = 20, kHeads = 4, kKvHeads = 2, kDim = 6, kHidden = 28;

/// The same numbers as tools/goldens/block_gradients.py makes.
Tensor numbers(uint64_t seed, const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) {
    seed = (seed * 1103515245 + 12345) % (uint64_t{1} << 31);
    x = static_cast<float>(static_cast<double>(seed) / 1073741824.0 - 1);
  }
  return tensor;
}

Tensor angles(double (*f)(double)) {
  Tensor table = Tensor::allocate(DType::f32, {kTokens, kDim / 2});
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t i = 0; i < kDim / 2; ++i)
      table.mutable_view().span<float>()[static_cast<size_t>(t * kDim / 2 + i)] =
          static_cast<float>(f(static_cast<double>(t) * std::pow(0.5, static_cast<double>(i))));
  return table;
}

// A decoder block against torch's autograd in doubles.
TEST(BlockGolden, GradientsOfADecoderBlock) {
  Graph graph;
  std::map<std::string, Tensor> given;
  std::vector<ValueId> leaves;
  auto leaf = [&](const Shape& shape) {
    const std::string name = "leaf" + std::to_string(leaves.size());
    given.emplace(name, numbers(leaves.size() + 1, shape));
    leaves.push_back(graph.add_input(name, {DType::f32, shape}));
    return leaves.back();
  };
  auto node = [&](std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph
        .add_node(*find_op(op), "n" + std::to_string(graph.nodes().size()), std::move(inputs),
                  std::move(attributes))
        .front();
  };
  auto linear = [&](ValueId x, ValueId w) { return node("Gemm", {x, w}, {{"transB", int64_t{1}}}); };

  const ValueId x = leaf({kTokens, kWidth}), norm1 = leaf({kWidth}), wq = leaf({kHeads * kDim, kWidth});
  const ValueId wk = leaf({kKvHeads * kDim, kWidth}), wv = leaf({kKvHeads * kDim, kWidth});
  const ValueId wo = leaf({kWidth, kHeads * kDim}), norm2 = leaf({kWidth}), gate = leaf({kHidden, kWidth});
  const ValueId up = leaf({kHidden, kWidth}), down = leaf({kWidth, kHidden});
  const ValueId cos = graph.add_constant("cos", Constant(angles(std::cos)));
  const ValueId sin = graph.add_constant("sin", Constant(angles(std::sin)));
  const ValueId positions =
      graph.add_constant("positions", Constant(Tensor::from<int64_t>({kTokens}, {0, 1, 2, 3, 4, 5, 6})));
  auto turn = [&](ValueId heads, int64_t count) {
    return node("RotaryEmbedding", {heads, cos, sin, positions}, {{"num_heads", count}});
  };

  const ValueId h1 = node("RMSNormalization", {x, norm1});
  const ValueId q = turn(linear(h1, wq), kHeads), k = turn(linear(h1, wk), kKvHeads), v = linear(h1, wv);
  const ValueId attended =
      node("Attention", {q, k, v},
           {{"is_causal", int64_t{1}}, {"q_num_heads", kHeads}, {"kv_num_heads", kKvHeads}});
  const ValueId middle = node("Add", {x, linear(attended, wo)});
  const ValueId h2 = node("RMSNormalization", {middle, norm2});
  const ValueId gated = node("Mul", {node("Swish", {linear(h2, gate)}), linear(h2, up)});
  const ValueId y = node("Add", {middle, linear(gated, down)});

  const ValueGradient seed{y, graph.add_constant("dy", Constant(numbers(99, {kTokens, kWidth})))};
  std::vector<ValueId> wrt = leaves;
  if (!find_op("ReduceSum")) std::erase_if(wrt, [&](ValueId id) { return id == norm1 || id == norm2; });
  const std::vector<ValueId> gradients = add_gradients(graph, std::span(&seed, 1), wrt);
  verify(graph);
  const std::vector<Tensor> values = run_by_references(graph, given);

  std::istringstream golden(read_text(source_path("src/grad/testdata/block_gradients.txt")));
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto place = std::find(wrt.begin(), wrt.end(), leaves[i]);
    const bool asked = place != wrt.end();
    const ValueId value = asked ? gradients[static_cast<size_t>(place - wrt.begin())] : leaves[i];
    const auto made = values[static_cast<size_t>(value)].span<float>();
    std::vector<double> expected(made.size());
    double largest = 0;
    for (double& g : expected) {
      ASSERT_TRUE(golden >> g) << "leaf " << i;
      largest = std::max(largest, std::abs(g));
    }
    for (size_t j = 0; asked && j < made.size(); ++j)
      EXPECT_NEAR(made[j], expected[j], 2e-6 * largest) << "leaf " << i << ", element " << j;
  }
}

}  // namespace
}  // namespace halftone
