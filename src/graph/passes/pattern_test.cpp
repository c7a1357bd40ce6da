#include "graph/passes/pattern.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

ValueId node(Graph& graph, const char* op, const char* name, std::vector<ValueId> inputs) {
  return graph.add_node(*find_op(op), name, std::move(inputs)).front();
}

TEST(UseMap, TellsWhoMakesAndReadsAValue) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  const ValueId a = node(graph, "Neg", "a", {x}), b = node(graph, "Mul", "b", {a, a});
  graph.add_output(b, "b");
  const UseMap uses(graph);
  EXPECT_EQ(uses.maker(a), 0);
  EXPECT_EQ(uses.first_reader(a), 1);
  EXPECT_EQ(uses.read_by(x), &graph.nodes()[0]);
  EXPECT_EQ(uses.read_by(b), nullptr);
  EXPECT_FALSE(uses.only_feeds_one(a));
  EXPECT_TRUE(uses.is_output(b));
  EXPECT_FALSE(uses.is_output(a));
}

TEST(PassConstants, EachHasANameOfItsOwn) {
  Graph graph;
  graph.add_input("w", {DType::f32, {2}});
  graph.add_input("w.2", {DType::f32, {2}});
  PassConstants constants(graph);
  std::vector<std::string> names;
  for (const char* name : {"w", "w", "v", "v"})
    names.push_back(graph.value(constants.add(name, Constant(Tensor::from<float>({}, {1})))).name);
  EXPECT_EQ(names, (std::vector<std::string>{"w.1", "w.3", "v", "v.1"}));
}

TEST(Replacements, FollowEachOtherToNodesAndOutputs) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  const ValueId a = node(graph, "Neg", "a", {x}), b = node(graph, "Neg", "b", {a});
  const ValueId c = node(graph, "Add", "c", {b, a});
  graph.add_output(b, "b");
  graph.add_output(c, "c");
  Replacements replaced(graph);
  replaced.add(a, x);
  replaced.add(b, a);
  EXPECT_EQ(replaced(b), x);
  EXPECT_EQ(replaced(kNoValue), kNoValue);
  replaced.apply(graph);
  EXPECT_EQ(graph.nodes()[2].inputs, (std::vector<ValueId>{x, x}));
  EXPECT_EQ(graph.outputs(), (std::vector<ValueId>{x, c}));
}

}  // namespace
}  // namespace halftone
