#include "quant/algo/int8_static/integer_plan.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

/// A small detector: two convolutions meet in a Concat and a pool, a third makes boxes and scores; boxes as
/// they are and scores by a sigmoid are put side by side.
struct Detector {
  Graph graph;
  ValueId x, left, right, joined, pooled, boxes, scores, both;

  Detector() {
    x = graph.add_input("x", {DType::f32, {1, 4, 8, 8}});
    left = conv("left", x);
    right = conv("right", x);
    joined = node("Concat", "joined", {left, right}, {{"axis", int64_t{1}}});
    pooled = node("MaxPool", "pooled", {joined}, {{"kernel_shape", std::vector<int64_t>{2, 2}}});
    boxes = conv("boxes", pooled);
    scores = node("Sigmoid", "scores", {conv("scores_raw", pooled)}, {});
    both = node("Concat", "both", {boxes, scores}, {{"axis", int64_t{1}}});
    graph.add_output(both, "both");
  }
  ValueId node(const char* op, const char* name, std::vector<ValueId> inputs, Attributes attributes) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  ValueId conv(const std::string& name, ValueId input) {
    const int64_t channels = graph.value(input).type.shape[1];
    const ValueId w =
        graph.add_constant(name + ".w", Constant(Tensor::allocate(DType::f32, {4, channels, 1, 1})));
    return graph.add_node(*find_op("Conv"), name, {input, w}).front();
  }
  IntegerPlan plan() const {
    std::vector<bool> layers;
    for (const Node& n : graph.nodes()) layers.push_back(n.schema->name == "Conv");
    return plan_integers(graph, layers);
  }
  const IntegerNode& of(const IntegerPlan& made, std::string_view name) const {
    for (size_t n = 0; n < graph.nodes().size(); ++n)
      if (graph.nodes()[n].name == name) return made.nodes[n];
    throw std::logic_error("no such node");
  }
};

TEST(IntegerPlan, TheEndOfADetectorStaysFloating) {
  const Detector d;
  const IntegerPlan plan = d.plan();
  for (const char* name : {"left", "right", "joined", "pooled", "boxes", "scores_raw"})
    EXPECT_TRUE(d.of(plan, name).integer) << name;
  for (const char* name : {"scores", "both"}) {
    EXPECT_FALSE(d.of(plan, name).integer) << name;
    EXPECT_EQ(d.of(plan, name).reason, "what it makes reaches no integer layer");
  }
  EXPECT_FALSE(plan.stored[static_cast<size_t>(d.boxes)]);
  EXPECT_FALSE(plan.stored[static_cast<size_t>(d.both)]);
}

TEST(IntegerPlan, MovesShareOneScale) {
  const Detector d;
  const IntegerPlan plan = d.plan();
  const auto group = [&](ValueId id) { return plan.group[static_cast<size_t>(id)]; };
  EXPECT_EQ(group(d.left), group(d.right));
  EXPECT_EQ(group(d.left), group(d.joined));
  EXPECT_EQ(group(d.left), group(d.pooled));
  EXPECT_NE(group(d.left), group(d.x));
  EXPECT_EQ(group(d.boxes), -1);
  EXPECT_EQ(plan.groups, 2);
}

TEST(IntegerPlan, WhatOthersReadKeepsItsScaleBesideConcat) {
  Detector d;
  const ValueId pooled_left = d.conv("deeper", d.left);  // a second reader on codes
  const ValueId joined = d.node("Concat", "again", {d.left, pooled_left}, {{"axis", int64_t{1}}});
  d.conv("end", joined);
  const IntegerPlan plan = d.plan();
  const auto group = [&](ValueId id) { return plan.group[static_cast<size_t>(id)]; };
  EXPECT_NE(group(d.left), group(d.joined));
  EXPECT_NE(group(d.left), group(joined));
  EXPECT_EQ(group(d.right), group(d.joined));
  EXPECT_EQ(group(pooled_left), group(joined));
  const Node& concat = d.graph.nodes()[2];
  ASSERT_EQ(concat.name, "joined");
  EXPECT_EQ(plan.scale_of(concat, 0), d.joined);
}

/// A layer, two sums of a stream, a norm and a layer that reads it.
struct Stream {
  Detector d;
  ValueId x, in, position, first, second, norm, out;

  explicit Stream(bool read_by_a_layer) {
    d.graph = Graph();
    x = d.graph.add_input("x", {DType::f32, {1, 4, 8, 8}});
    position = d.graph.add_input("position", {DType::f32, {1, 4, 8, 8}});
    in = d.conv("in", x);
    first = d.node("Add", "first", {d.node("Identity", "moved", {in}, {}), position}, {});
    const ValueId scale =
        d.graph.add_constant("scale", Constant(Tensor::from<float>({8}, {1, 1, 1, 1, 1, 1, 1, 1})));
    norm = d.node("LayerNormalization", "norm", {first, scale}, {});
    second = d.node("Add", "second", {d.conv("branch", norm), first}, {});
    out = d.conv("out", d.node("LayerNormalization", "last", {second, scale}, {}));
    if (read_by_a_layer) d.conv("too", first);
    d.graph.add_output(out, "out");
  }
  bool is_wide(ValueId value) const {
    std::vector<bool> layers;
    for (const Node& n : d.graph.nodes()) layers.push_back(n.schema->name == "Conv");
    const IntegerPlan plan = plan_integers(d.graph, layers, {.all = true});
    const int group = plan.group[static_cast<size_t>(value)];
    return group >= 0 && plan.wide[static_cast<size_t>(group)];
  }
};

TEST(IntegerPlan, AStreamOfResidualsIsWide) {
  const Stream s(false);
  for (ValueId value : {s.in, s.position, s.first, s.second}) EXPECT_TRUE(s.is_wide(value)) << value;
  for (ValueId value : {s.x, s.norm, s.out}) EXPECT_FALSE(s.is_wide(value)) << value;
}

TEST(IntegerPlan, WhatALayerReadsIsNot) {
  const Stream s(true);
  for (ValueId value : {s.in, s.position, s.first}) EXPECT_FALSE(s.is_wide(value)) << value;
  EXPECT_TRUE(s.is_wide(s.second));
}

TEST(IntegerPlan, FloatingOperatorsBetweenLayersAreBorders) {
  Detector d;
  const ValueId soft = d.node("Softmax", "soft", {d.both}, {{"axis", int64_t{1}}});
  d.conv("after", soft);
  const IntegerPlan plan = d.plan();
  EXPECT_FALSE(d.of(plan, "soft").integer);
  EXPECT_FALSE(d.of(plan, "both").integer);
  EXPECT_TRUE(d.of(plan, "after").integer);
  EXPECT_GE(plan.group[static_cast<size_t>(soft)], 0);
  EXPECT_FALSE(plan.stored[static_cast<size_t>(soft)]);
}

}  // namespace
}  // namespace halftone
