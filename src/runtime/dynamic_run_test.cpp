#include "runtime/dynamic_run.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "runtime/session.h"

namespace halftone {
namespace {

ValueId node(Graph& graph, std::string_view op, const std::string& name, std::vector<ValueId> inputs,
             Attributes attributes = {}) {
  return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
}

/// x [n] -> the elements of x that are not 0, twice themselves.
Graph chosen_twice() {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {graph.symbol("n", 0, 100)}});
  const ValueId one = graph.add_constant("one", Constant(Tensor::from<int64_t>({1}, {-1})));
  const ValueId places = node(graph, "NonZero", "places", {x});
  const ValueId flat = node(graph, "Reshape", "flat", {places, one});
  const ValueId chosen = node(graph, "Gather", "chosen", {x, flat});
  graph.add_output(node(graph, "Add", "twice", {chosen, chosen}), "twice");
  return graph;
}

std::vector<float> run(Session& session, const std::vector<float>& x) {
  const Tensor input = Tensor::from<float>({static_cast<int64_t>(x.size())}, x);
  session.run({{"x", input.view()}});
  const TensorView out = session.output("twice");
  return {out.span<float>().begin(), out.span<float>().end()};
}

TEST(DynamicRun, ShapesFollowTheNumbers) {
  ThreadPool threads(1);
  Session session(compile(chosen_twice(), {}, threads), threads);
  EXPECT_EQ(run(session, {0, 1, 0, 3}), (std::vector<float>{2, 6}));
  EXPECT_EQ(run(session, {5, 0, 0, 0}), (std::vector<float>{10}));
  EXPECT_GT(session.arena_bytes(), 0u);
  EXPECT_EQ(run(session, {0, 0}), std::vector<float>{});
}

TEST(DynamicRun, ObserversSeeEveryValue) {
  ThreadPool threads(1);
  Session session(compile(chosen_twice(), {}, threads), threads);
  std::vector<std::string> seen;
  session.observe([&](const Value& value, const TensorView& tensor) {
    EXPECT_TRUE(tensor.shape.is_concrete());
    seen.push_back(value.name);
  });
  run(session, {0, 1});
  EXPECT_EQ(seen, (std::vector<std::string>{"places", "flat", "chosen", "twice"}));
}

TEST(DynamicRun, OutputsMayBeInputsAndConstants) {
  Graph graph = chosen_twice();
  graph.add_output(graph.inputs()[0], "x again");
  graph.add_output(graph.add_constant("seven", Constant(Tensor::from<float>({1}, {7}))), "seven");
  ThreadPool threads(1);
  Session session(compile(std::move(graph), {}, threads), threads);
  const Tensor x = Tensor::from<float>({2}, {0, 4});
  session.run({{"x", x.view()}});
  EXPECT_EQ(session.output("x again").span<float>()[1], 4);
  EXPECT_EQ(session.output("seven").span<float>()[0], 7);
}

TEST(DynamicRun, WhatDoesNotFitIsAnInputError) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {4}});
  const ValueId shape = graph.add_input("shape", {DType::i64, {2}});
  graph.add_output(node(graph, "Reshape", "y", {x, shape}), "y");
  ThreadPool threads(1);
  Session session(compile(std::move(graph), {}, threads), threads);
  const Tensor data = Tensor::from<float>({4}, {1, 2, 3, 4});
  const Tensor good = Tensor::from<int64_t>({2}, {2, -1}), bad = Tensor::from<int64_t>({2}, {3, -1});
  session.run({{"x", data.view()}, {"shape", good.view()}});
  EXPECT_EQ(session.output("y").shape, (Shape{2, 2}));
  EXPECT_THROW(session.run({{"x", data.view()}, {"shape", bad.view()}}), InputError);
}

}  // namespace
}  // namespace halftone
