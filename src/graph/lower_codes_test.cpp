#include "graph/passes/lower_codes.h"

#include <gtest/gtest.h>

#include "graph/static_codes.h"

namespace halftone {
namespace {

const CodeScale kX{0.5f, 10}, kY{0.25f, 0};

ValueId map(Graph& graph, const char* op, const char* name, ValueId x) {
  return graph.add_node(*find_op(op), name, {x}).front();
}

/// relu(x) has an integer reader, a floating one, and is an output.
Graph residual() {
  Graph graph;
  graph.name = "residual";
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 3, 3}});
  const ValueId r = map(graph, "Relu", "r", x);
  const ValueId a = map(graph, "Sigmoid", "a", r);
  const ValueId b = map(graph, "Tanh", "b", r);
  graph.add_output(a, "a");
  graph.add_output(b, "b");
  graph.add_output(r, "r");
  set_codes_in(graph.nodes()[0], 0, kX);
  set_codes_out(graph.nodes()[0], 0, kY);
  set_codes_in(graph.nodes()[1], 0, kY);
  return graph;
}

TEST(LowerCodes, EachConversionIsMadeOnce) {
  Graph graph = residual();
  verify(graph);
  EXPECT_TRUE(has_static_encodings(graph));
  EXPECT_EQ(lower_codes(graph), 2);
  verify(graph);
  EXPECT_FALSE(has_static_encodings(graph));
  EXPECT_EQ(lower_codes(graph), 0);
  EXPECT_EQ(graph_text(graph), R"(graph residual
input %x: f32[1, 2, 3, 3]
%x/codes: f32[1, 2, 3, 3] (u8 * 0.5 - 10) = Identity(%x)
%r/stored: f32[1, 2, 3, 3] (u8 * 0.25 - 0) = Relu(%x/codes)
%a: f32[1, 2, 3, 3] = Sigmoid(%r/stored)
%r/floats: f32[1, 2, 3, 3] = Identity(%r/stored)
%b: f32[1, 2, 3, 3] = Tanh(%r/floats)
%r: f32[1, 2, 3, 3] = Identity(%r/stored)
output a = %a
output b = %b
output r = %r
)");
}

TEST(LowerCodes, ReshapesKeepTheirCodes) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 3, 3}});
  const ValueId r = map(graph, "Relu", "r", x);
  const ValueId shape = graph.add_constant("shape", Constant(Tensor::from<int64_t>({2}, {1, 18})));
  const ValueId flat = graph.add_node(*find_op("Reshape"), "flat", {r, shape}).front();
  const ValueId s = map(graph, "Sigmoid", "s", flat);
  graph.add_output(s, "s");
  set_codes_out(graph.nodes()[0], 0, kY);
  set_codes_in(graph.nodes()[1], 0, kY);
  set_codes_out(graph.nodes()[1], 0, kY);
  set_codes_in(graph.nodes()[2], 0, kY);
  lower_codes(graph);
  verify(graph);
  EXPECT_EQ(graph.value(flat).storage, (Storage{Storage::Order::planar, kY}));
  const Node& reshape = graph.nodes()[graph.nodes().size() - 2];
  EXPECT_EQ(reshape.name, "flat");
  EXPECT_TRUE(graph.site(reshape).is_alias());
}

}  // namespace
}  // namespace halftone
