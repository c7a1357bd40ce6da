#include "graph/subgraph.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

TEST(Splice, NodesMayLeaveOutTheirLastOutputs) {
  Graph graph;
  graph.name = "norm";
  const ValueId x = graph.add_input("x", {DType::f32, {2, 4}});
  const ValueId scale = graph.add_constant("scale", Constant(random_tensor({4}, 1)));
  // Mean and inverse deviation, the operator's second and third outputs, are left out.
  const ValueId normed = graph.add_node(*find_op("LayerNormalization"), "norm", {x, scale}, {}, 1).front();
  const ValueId y = graph.add_node(*find_op("Relu"), "relu", {normed}).front();
  graph.add_output(y, "y");
  const std::string before = graph_text(graph);

  const Subgraph part = extract(graph, std::span(&x, 1), std::span(&normed, 1));
  splice(graph, 0, 1, part.graph);
  EXPECT_EQ(graph_text(graph), before);
}

}  // namespace
}  // namespace halftone
