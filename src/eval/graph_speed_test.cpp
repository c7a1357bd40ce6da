#include "eval/graph_speed.h"

#include <cmath>
#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(Latency, MedianAndQuartiles) {
  const Latency latency = latency_of({5, 1, 4, 2, 3, 10, 9, 8, 7, 6});
  EXPECT_EQ(latency.median, 6);
  EXPECT_EQ(latency.p90, 10);
  EXPECT_DOUBLE_EQ(latency.spread, 2.5 / 6);
  EXPECT_TRUE(std::isnan(latency_of({5}).spread));
}

TEST(GraphSpeed, TimesTheStepsThatRun) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {graph.symbol("n", 1, 8), 4}});
  const ValueId y = graph.add_node(*find_op("Relu"), "y", {x}).front();
  const ValueId shape = graph.add_constant("shape", Constant(Tensor::from<int64_t>({1}, {-1})));
  graph.add_output(graph.add_node(*find_op("Reshape"), "flat", {y, shape}).front(), "flat");
  ThreadPool threads(1);
  Session session(compile(graph, {}, threads), threads);
  const GraphSpeed speed = measure_graph(session, 4, true);
  ASSERT_EQ(speed.layers.size(), 1u);
  EXPECT_EQ(speed.layers[0].step, 0u);
  EXPECT_EQ(speed.layers[0].bytes, 2 * 4 * 4);
  EXPECT_GT(speed.latency.median, 0);
  EXPECT_GT(speed.first_ms, 0);
}

}  // namespace
}  // namespace halftone
