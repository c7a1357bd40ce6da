#include "graph/subgraph.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/concretize.h"
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

/// What comes from constants alone is part of whatever reads it.
TEST(Splice, WhatIsMadeOfConstantsStaysInItsPlace) {
  Graph graph;
  graph.name = "twice";
  const ValueId x = graph.add_input("x", {DType::f32, {2, 4}});
  const ValueId c = graph.add_constant("c", Constant(random_tensor({4}, 1)));
  const ValueId copy = graph.add_node(*find_op("Identity"), "copy", {c}).front();
  const ValueId one = graph.add_node(*find_op("Add"), "one", {x, copy}).front();
  const ValueId two = graph.add_node(*find_op("Add"), "two", {one, copy}).front();
  graph.add_output(two, "y");
  const std::string before = graph_text(graph);

  const Subgraph part = extract(graph, std::span(&one, 1), std::span(&two, 1));
  splice(graph, 2, 3, part.graph);
  EXPECT_EQ(graph_text(graph), before);
}

/// Two convolutions of stride 2 make one size of an open one, which nothing in the graph says.
TEST(Extract, UnknownSizesAtACutMayBeOneSize) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, graph.symbol("h", 1, 99), 8}});
  const auto halved = [&](const char* name) {
    const ValueId w = graph.add_constant(std::string(name) + ".w", Constant(random_tensor({2, 2, 1, 1}, 1)));
    return graph.add_node(*find_op("Conv"), name, {x, w}, {{"strides", std::vector<int64_t>{2, 2}}}).front();
  };
  const std::vector<ValueId> cut{halved("a"), halved("b")};
  const ValueId joined = graph.add_node(*find_op("Concat"), "joined", cut, {{"axis", int64_t{1}}}).front();
  const ValueId sum = graph.add_node(*find_op("Add"), "sum", cut).front();

  const Subgraph part = extract(graph, cut, std::vector<ValueId>{joined, sum});
  verify(part.graph);
  EXPECT_EQ(part.graph.value(part.to_copy(cut[0])).type.shape, (Shape{1, 2, Shape::kUnknownDim, 4}));
  const ConcreteGraph concrete =
      concretize_inputs(part.graph, std::vector<Shape>{{1, 2, 5, 4}, {1, 2, 5, 4}});
  EXPECT_TRUE(concrete.is_complete());
  EXPECT_EQ(concrete.types[static_cast<size_t>(part.to_copy(joined))].shape, (Shape{1, 4, 5, 4}));
  EXPECT_EQ(concrete.types[static_cast<size_t>(part.to_copy(sum))].shape, (Shape{1, 2, 5, 4}));
  EXPECT_THROW(concretize_inputs(part.graph, std::vector<Shape>{{1, 2, 5, 4}, {1, 2, 6, 4}}), InputError);
}

/// A Reshape knows the batch of what it makes by its name, though the shape that it asks for is an input of
/// the part.
TEST(Extract, WhatAReshapeKnowsAheadHasTheSizeOfTheRun) {
  Graph graph;
  const int64_t batch = graph.symbol("batch", 1, 99);
  const ValueId x = graph.add_input("x", {DType::f32, {batch, 4}});
  const ValueId shape = graph.add_input("shape", {DType::i64, {2}});
  const ValueId turned = graph
                             .add_node(*find_op("Reshape"), "turned", {x, shape},
                                       {{"known_dims", std::vector<int64_t>{batch, Shape::kUnknownDim}}})
                             .front();
  const ValueId joined =
      graph.add_node(*find_op("Concat"), "joined", {turned, x}, {{"axis", int64_t{1}}}).front();
  graph.add_output(joined, "y");
  const ConcreteGraph concrete = concretize_inputs(graph, std::vector<Shape>{{3, 4}, {2}});
  EXPECT_EQ(concrete.types[static_cast<size_t>(joined)].shape, (Shape{3, Shape::kUnknownDim}));
}

}  // namespace
}  // namespace halftone
