#include "graph/passes/fuse_gains.h"

#include <gtest/gtest.h>

#include "graph/passes/lower_codes.h"
#include "graph/passes/pass.h"
#include "graph/static_codes.h"
#include "int8_weights.h"
#include "ops/fused_activation.h"

namespace halftone {
namespace {

const CodeScale kX{0.5f, 10}, kY{0.25f, 3};

struct Chain {
  FusedActivation::Kind activation = FusedActivation::Kind::silu;
  Tensor factors = Tensor::from<float>({1, 3, 1, 1}, {1, 2, 0.5f});
  CodeScale codes = kY;
  bool product_is_output = false;  ///< of the whole graph
  bool other_reader = false;       ///< of the Conv
  bool other_codes = false;        ///< of the product
};

/// Conv -> Mul -> MaxPool on codes, lowered.
Graph lowered(const Chain& chain) {
  Graph graph;
  graph.name = "gains";
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 4, 4}});
  const ValueId w = graph.add_constant("w", int8_weights({3, 2, 1, 1}, 1));
  Attributes attributes;
  set_fused_activation(attributes, {chain.activation, 0, 6});
  const ValueId conv = graph.add_node(*find_op("Conv"), "conv", {x, w}, attributes).front();
  const ValueId factors = graph.add_constant("factors", Constant(chain.factors));
  const ValueId product = graph.add_node(*find_op("Mul"), "product", {conv, factors}).front();
  const Attributes window = {{"kernel_shape", std::vector<int64_t>{2, 2}}};
  const auto pool = [&](const char* name, const CodeScale& codes) {
    const ValueId y = graph.add_node(*find_op("MaxPool"), name, {product}, window, 1).front();
    set_codes_in(graph.nodes().back(), 0, codes);
    set_codes_out(graph.nodes().back(), 0, codes);
    graph.add_output(y, name);
  };
  pool("pool", chain.codes);
  if (chain.other_codes) pool("other", kX);
  if (chain.product_is_output) graph.add_output(product, "product");
  if (chain.other_reader) graph.add_output(graph.add_node(*find_op("Relu"), "relu", {conv}).front(), "relu");
  set_codes_in(graph.nodes()[0], 0, kX);
  lower_codes(graph);
  verify(graph);
  return graph;
}

TEST(FuseGains, ConvProductAndCodesAreOneNode) {
  Graph graph = lowered({});
  EXPECT_EQ(fuse_gains(graph), 1);
  verify(graph);
  EXPECT_EQ(fuse_gains(graph), 0);
  EXPECT_EQ(graph_text(graph), R"(graph gains
input %x: f32[1, 2, 4, 4]
constant %w: f32[3, 2, 1, 1] as int8 per-channel f32-scales
constant %factors: f32[1, 3, 1, 1]
constant %conv/gains: f32[3]
%x/codes: f32[1, 2, 4, 4] (u8 * 0.5 - 10) = Identity(%x)
%conv: f32[1, 3, 4, 4] (u8 * 0.25 - 3) = Conv(%x/codes, %w, -, -, %conv/gains) activation="silu"
%pool/stored: f32[1, 3, 3, 3] (u8 * 0.25 - 3) = MaxPool(%conv) kernel_shape=[2, 2]
%pool: f32[1, 3, 3, 3] = Identity(%pool/stored)
output pool = %pool
)");
}

TEST(FuseGains, FactorsMayLeaveOutTheBatch) {
  Graph graph = lowered({.factors = Tensor::from<float>({3, 1, 1}, {1, 2, 0.5f})});
  EXPECT_EQ(fuse_gains(graph), 1);
  verify(graph);
}

TEST(FuseGains, TheFinestCodesAreMadeAndTheOthersConverted) {
  Graph graph = lowered({.other_codes = true});
  EXPECT_EQ(fuse_gains(graph), 1);
  verify(graph);
  const std::string text = graph_text(graph);
  EXPECT_NE(text.find("%conv: f32[1, 3, 4, 4] (u8 * 0.25 - 3) = Conv("), std::string::npos) << text;
  EXPECT_NE(text.find("(u8 * 0.5 - 10) = Identity(%conv)"), std::string::npos) << text;
  EXPECT_EQ(text.find("Mul"), std::string::npos) << text;
}

TEST(FuseGains, FloatsAreDecodedForTheirReaders) {
  Graph graph = lowered({.product_is_output = true});
  EXPECT_EQ(fuse_gains(graph), 1);
  verify(graph);
  const std::string text = graph_text(graph);
  EXPECT_NE(text.find("%conv: f32[1, 3, 4, 4] (u8 * 0.25 - 3) = Conv("), std::string::npos) << text;
  EXPECT_NE(text.find("%product: f32[1, 3, 4, 4] = Identity(%conv)"), std::string::npos) << text;
}

TEST(FuseGains, OtherChainsStay) {
  const std::vector<Chain> chains = {
      {.activation = FusedActivation::Kind::relu},
      {.factors = Tensor::from<float>({1, 3, 1, 1}, {1, 2, 0})},
      {.factors = Tensor::from<float>({1, 3, 1, 1}, {1, 2, NAN})},
      {.factors = Tensor::from<float>({1}, {2})},
      {.factors = random_tensor({1, 1, 1, 4}, 1)},
      {.codes = {0.25f, CodeScale::kWideZero}},
      {.other_reader = true},
  };
  for (size_t i = 0; i < chains.size(); ++i) {
    Graph graph = lowered(chains[i]);
    const std::string before = graph_text(graph);
    EXPECT_EQ(fuse_gains(graph), 0) << i;
    EXPECT_EQ(graph_text(graph), before) << i;
  }
}

TEST(FuseGains, WhatFollowsGainsIsNotFusedBeforeThem) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 4, 4}});
  const ValueId w = graph.add_constant("w", Constant(random_tensor({2, 2, 1, 1}, 1)));
  const ValueId g = graph.add_constant("g", Constant(Tensor::from<float>({2}, {1, 2})));
  const auto conv = [&](const char* name) {
    return graph.add_node(*find_op("Conv"), name, {x, w, kNoValue, kNoValue, g}).front();
  };
  const ValueId relu = graph.add_node(*find_op("Relu"), "relu", {conv("a")}).front();
  const ValueId sum = graph.add_node(*find_op("Add"), "sum", {conv("b"), relu}).front();
  const ValueId normalised =
      graph.add_node(*find_op("BatchNormalization"), "n", {conv("c"), g, g, g, g}).front();
  graph.add_output(sum, "sum");
  graph.add_output(normalised, "normalised");
  run_passes(graph, standard_passes());
  verify(graph);
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.emplace_back(node.schema->name);
  EXPECT_EQ(std::ranges::count(names, "Relu"), 1);
  EXPECT_EQ(std::ranges::count(names, "Add"), 1);
  EXPECT_EQ(std::ranges::count(names, "Conv"), 4);  // the normalization is a depthwise one
}

}  // namespace
}  // namespace halftone
