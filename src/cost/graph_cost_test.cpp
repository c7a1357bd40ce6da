#include "cost/graph_cost.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

class NoBytes : public ConstantSource {
 public:
  Tensor load() const override { throw std::logic_error("costs read no bytes"); }
};

/// The layers of a decoder without embeddings: width d, projections of d x d, and an MLP of `ups` matrices
/// into `wide` and one back.
Graph decoder(int64_t d, int64_t wide, int ups, int layers) {
  Graph graph;
  const int64_t tokens = graph.symbol("tokens", 1, 4096), blocks = graph.symbol("cache_blocks", 1, 4096);
  const ValueId x = graph.add_input("x", {DType::f32, {tokens, d}});
  const ValueId hidden = graph.add_input("hidden", {DType::f32, {tokens, wide}});
  const ValueId sequences = graph.add_input("sequences", {DType::i32, {1, 3}});
  const ValueId table = graph.add_input("blocks", {DType::i32, {1, blocks}});
  ValueId cache = graph.add_input("cache", {DType::state, {}});
  const auto linear = [&](const std::string& name, ValueId from, int64_t rows, int64_t columns) {
    const ValueId weight = graph.add_constant(
        name + ".weight", Constant(DType::bf16, {rows, columns}, std::make_shared<NoBytes>()));
    return graph.add_node(*find_op("Gemm"), name, {from, weight}, {{"transB", int64_t{1}}}).front();
  };
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = std::to_string(layer) + ".";
    const ValueId q = linear(prefix + "q", x, d, d), k = linear(prefix + "k", x, d, d),
                  v = linear(prefix + "v", x, d, d);
    const auto attended =
        graph.add_node(*find_op("PagedAttention"), prefix + "attention", {q, k, v, sequences, table, cache},
                       {{"num_heads", int64_t{32}}, {"kv_heads", int64_t{32}}, {"layer", layer}});
    cache = attended[1];
    linear(prefix + "o", attended[0], d, d);
    for (int i = 0; i < ups; ++i) linear(prefix + "up" + std::to_string(i), x, wide, d);
    linear(prefix + "down", hidden, d, wide);
  }
  return graph;
}

constexpr double kGiga = 1e9;
constexpr int64_t kWidth = 4096, kLayers = 32, kContext = 1024;

GraphCost one_token(const Graph& graph) {
  return graph_cost(graph, {{"tokens", 1}, {"cache_blocks", kContext / 32}});
}

// Published accounts of decoding with Llama-2-7B take an MLP of two 4d matrices: QKV 6d^2, projection 2d^2,
// FFN 16d^2, attention 4nd operations a layer.
TEST(GraphCost, ClassicalLlama2Decode) {
  const Graph graph = decoder(kWidth, 4 * kWidth, 1, kLayers);
  const GraphCost cost = one_token(graph);
  const double d = kWidth, n = kContext;
  EXPECT_DOUBLE_EQ(cost.total.flops, kLayers * (24 * d * d + 4 * n * d));
  EXPECT_NEAR(cost.total.flops / kGiga, 13.42, 0.005);
  EXPECT_DOUBLE_EQ(cost.total.weight_bytes, 2 * kLayers * 12 * d * d);

  const double parameters = weight_size(graph).elements;
  EXPECT_NEAR(parameters / kGiga, 6.442, 0.0005);
  // The account moves the keys and values twice (read, and written again as a longer tensor); a paged cache
  // reads them once. 2 bytes an element.
  const double cached = cost.total.state_bytes / 2;
  EXPECT_NEAR(cached / kGiga, 0.268, 0.001);
  EXPECT_NEAR((parameters + 2 * cached) / kGiga, 6.98, 0.005);
  EXPECT_NEAR(cost.total.flops / (parameters + 2 * cached), 1.92, 0.005);
  EXPECT_NEAR(cost.total.flops / (parameters + cached), 2.00, 0.005);
}

// The true MLP: three matrices of 11008 x 4096, so 8.06 d^2 parameters where the account has 8 d^2.
TEST(GraphCost, TrueLlama2Decode) {
  const Graph graph = decoder(kWidth, 11008, 2, kLayers);
  const double d = kWidth;
  EXPECT_DOUBLE_EQ(weight_size(graph).elements, kLayers * (4 * d * d + 3 * d * 11008));
  EXPECT_NEAR(weight_size(graph).elements / kGiga, 6.476, 0.0005);
  EXPECT_NEAR(one_token(graph).total.flops / kGiga, 13.49, 0.005);
}

TEST(GraphCost, AnEncodingChangesBytesAlone) {
  Graph graph = decoder(256, 512, 1, 1);
  const GraphCost before = graph_cost(graph, {{"tokens", 1}, {"cache_blocks", 1}});
  Encoding encoding;
  encoding.format = find_number_format("int4");
  encoding.granularity = Granularity::per_group(32);
  for (ValueId id = 0; static_cast<size_t>(id) < graph.values().size(); ++id)
    if (graph.value(id).constant) graph.value(id).constant->set_encoding(encoding);
  const GraphCost after = graph_cost(graph, {{"tokens", 1}, {"cache_blocks", 1}});
  EXPECT_EQ(after.total.flops, before.total.flops);
  EXPECT_DOUBLE_EQ(after.total.weight_bytes, before.total.weight_bytes * 4.5 / 16);
}

}  // namespace
}  // namespace halftone
