#include <gtest/gtest.h>

#include "quant/structure/ended_infinities.h"
#include "quant/structure/post_dominators.h"
#include "quant/structure/scale_groups.h"

namespace halftone {
namespace {

/// Short ways to write a graph down.
class Sketch {
 public:
  Graph graph;

  ValueId input(const Shape& shape) { return graph.add_input("x", {DType::f32, shape}); }
  ValueId weights(const std::string& name, const Shape& shape) {
    return graph.add_constant(name, Constant(Tensor::zeros(DType::f32, shape)));
  }
  ValueId numbers(const std::string& name, std::initializer_list<int64_t> values) {
    return graph.add_constant(name,
                              Constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values)));
  }
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  ValueId linear(const std::string& name, ValueId x, int64_t outputs) {
    const int64_t width = graph.value(x).type.shape.back();
    return node("MatMul", name, {x, weights(name + ".w", {width, outputs})});
  }
  std::string groups() const { return scale_groups_text(graph, find_scale_groups(graph)); }
};

/// A layer of a vision transformer as exporters write it: heads as axes, products and softmax as operators.
Sketch transformer_layer(int64_t heads, int64_t kv_heads) {
  Sketch s;
  const int64_t dim = 4, width = heads * dim;
  const ValueId x = s.input({1, 5, width});
  const ValueId normed = s.node("LayerNormalization", "norm1",
                                {x, s.weights("norm1.weight", {width}), s.weights("norm1.bias", {width})});
  auto project = [&](const std::string& name, int64_t count) {
    const ValueId y = s.node("Add", name + ".add",
                             {s.linear(name, normed, count * dim), s.weights(name + ".bias", {count * dim})});
    const ValueId split =
        s.node("Reshape", name + ".heads", {y, s.numbers(name + ".shape", {1, 5, count, dim})});
    return s.node("Transpose", name + ".turned", {split}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  };
  auto repeat = [&](const std::string& name, ValueId value) {
    if (heads == kv_heads) return value;
    const int64_t times = heads / kv_heads;
    const ValueId apart = s.node("Reshape", name + ".apart",
                                 {value, s.numbers(name + ".apart.shape", {1, kv_heads, 1, 5, dim})});
    const ValueId wide = s.node("Expand", name + ".wide",
                                {apart, s.numbers(name + ".wide.shape", {1, kv_heads, times, 5, dim})});
    return s.node("Reshape", name + ".repeated",
                  {wide, s.numbers(name + ".repeated.shape", {1, heads, 5, dim})});
  };
  const ValueId q = project("q", heads);
  const ValueId k = repeat("k", project("k", kv_heads));
  const ValueId v = repeat("v", project("v", kv_heads));
  const ValueId turned = s.node("Transpose", "k.t", {k}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  const ValueId scores =
      s.node("Softmax", "softmax",
             {s.node("Div", "scaled", {s.node("MatMul", "scores", {q, turned}), s.weights("root", {1})})});
  const ValueId mixed = s.node("Transpose", "mixed.turned", {s.node("MatMul", "mixed", {scores, v})},
                               {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  const ValueId joined = s.node("Reshape", "joined", {mixed, s.numbers("joined.shape", {1, 5, width})});
  const ValueId sum = s.node("Add", "residual1", {x, s.linear("o", joined, width)});
  const ValueId normed2 = s.node("LayerNormalization", "norm2",
                                 {sum, s.weights("norm2.weight", {width}), s.weights("norm2.bias", {width})});
  const ValueId hidden = s.node("Gelu", "gelu", {s.linear("fc1", normed2, 4 * width)});
  s.graph.add_output(s.node("Add", "residual2", {sum, s.linear("fc2", hidden, width)}), "y");
  verify(s.graph);
  return s;
}

TEST(ScaleGroups, VisionTransformer) {
  EXPECT_EQ(transformer_layer(3, 3).groups(),
            R"(norm1: q (scores), k (scores), v
  divides norm1.weight axis 0, norm1.bias axis 0, 12 factors for 12 channels
  loss at o
joined: o
  divides v.w axis 1, v.bias axis 0, 12 factors for 12 channels
  loss at o
norm2: fc1
  divides norm2.weight axis 0, norm2.bias axis 0, 12 factors for 12 channels
  loss at fc1
gelu: fc2
  fixed: gelu (Gelu) is not linear in its channels
  loss at fc2
)");
}

TEST(ScaleGroups, GemmOverRowsOfSeveralAxes) {
  Sketch s;
  const ValueId x = s.input({1, 5, 8});
  const ValueId normed = s.node("LayerNormalization", "norm", {x, s.weights("w", {8}), s.weights("b", {8})});
  const ValueId first = s.node("Gemm", "first", {normed, s.weights("first.w", {8, 6})});
  s.graph.add_output(s.node("Gemm", "second", {first, s.weights("second.w", {6, 4})}), "y");
  EXPECT_EQ(s.groups(),
            R"(norm: first
  divides w axis 0, b axis 0, 8 factors for 8 channels
  loss at first
first: second
  divides first.w axis 1, 6 factors for 6 channels
  loss at second
)");
}

TEST(ScaleGroups, FusedActivationsAndResidualsForbidFactors) {
  for (const char* activation : {"relu", "silu"}) {
    Sketch s;
    const ValueId x = s.input({1, 4, 5, 5});
    const ValueId made =
        s.node("Conv", "first", {x, s.weights("v", {4, 4, 1, 1})}, {{"activation", std::string(activation)}});
    const ValueId summed = s.node("Conv", "second", {made, s.weights("w", {4, 4, 1, 1}), kNoValue, x});
    s.graph.add_output(s.node("Conv", "third", {summed, s.weights("u", {4, 4, 1, 1})}), "y");
    const auto groups = find_scale_groups(s.graph);
    ASSERT_EQ(groups.size(), 3u);
    EXPECT_EQ(groups[1].absorption.has_value(), std::string_view(activation) == "relu") << groups[1].obstacle;
    EXPECT_EQ(groups[2].obstacle, "second adds a residual");
  }
}

TEST(ScaleGroups, HeadsThatShareValuesShareFactors) {
  const Sketch s = transformer_layer(4, 2);
  const auto groups = find_scale_groups(s.graph);
  ASSERT_TRUE(groups[1].absorption) << groups[1].obstacle;
  // Heads 0 and 1 read the first head of values, 2 and 3 the second.
  EXPECT_EQ(groups[1].absorption->tied,
            (std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11}));
  EXPECT_EQ(groups[1].absorption->absorbers[0].channels, (std::vector<int32_t>{0, 1, 2, 3, 8, 9, 10, 11}));
}

TEST(ScaleGroups, StackedProjectionIsCutApart) {
  Sketch s;
  const ValueId x = s.input({1, 5, 8});
  const ValueId normed =
      s.node("RMSNormalization", "norm", {x, s.weights("norm.weight", {8})}, {{"axis", int64_t{-1}}});
  const ValueId qkv =
      s.node("Reshape", "apart", {s.linear("qkv", normed, 24), s.numbers("shape", {1, 5, 3, 8})});
  const ValueId turned = s.node("Transpose", "turned", {qkv}, {{"perm", std::vector<int64_t>{2, 0, 1, 3}}});
  std::vector<ValueId> parts;
  for (int64_t i = 0; i < 3; ++i) {
    const std::string name = "part" + std::to_string(i);
    const ValueId index = s.graph.add_constant(name + ".index", Constant(Tensor::from<int64_t>({}, {i})));
    parts.push_back(s.node("Gather", name, {turned, index}, {{"axis", int64_t{0}}}));
  }
  const ValueId keys = s.node("Transpose", "keys", {parts[1]}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  const ValueId scores = s.node("Softmax", "softmax", {s.node("MatMul", "scores", {parts[0], keys})});
  s.graph.add_output(s.linear("o", s.node("MatMul", "mixed", {scores, parts[2]}), 8), "y");
  const auto groups = find_scale_groups(s.graph);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].scores, std::vector<bool>{true});
  ASSERT_TRUE(groups[1].absorption) << groups[1].obstacle;
  const Absorber& absorber = groups[1].absorption->absorbers.at(0);
  EXPECT_EQ(s.graph.value(s.graph.nodes()[static_cast<size_t>(absorber.node)].inputs[1]).name, "qkv.w");
  for (int32_t c = 0; c < 24; ++c)
    EXPECT_EQ(absorber.channels[static_cast<size_t>(c)], c < 16 ? kNoChannel : c - 16);
}

TEST(ScaleGroups, ConvolutionsThroughReluAndPooling) {
  Sketch s;
  const ValueId x = s.input({1, 3, 16, 16});
  const Attributes same{{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const ValueId first =
      s.node("Conv", "first", {x, s.weights("first.w", {8, 3, 3, 3}), s.weights("first.b", {8})}, same);
  const ValueId norm = s.node("BatchNormalization", "norm",
                              {first, s.weights("norm.scale", {8}), s.weights("norm.bias", {8}),
                               s.weights("norm.mean", {8}), s.weights("norm.var", {8})});
  const ValueId pooled =
      s.node("MaxPool", "pool", {s.node("Relu", "relu", {norm})},
             {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  const ValueId a = s.node("Conv", "a", {pooled, s.weights("a.w", {8, 8, 3, 3})}, same);
  const ValueId b = s.node("Conv", "b", {pooled, s.weights("b.w", {8, 8, 1, 1})});
  const ValueId sum = s.node("Add", "sum", {a, b});
  s.graph.add_output(
      s.node("Conv", "depthwise", {sum, s.weights("d.w", {8, 1, 1, 1})}, {{"group", int64_t{8}}}), "y");
  EXPECT_EQ(s.groups(), R"(x: first
  fixed: x comes from outside
  loss at first
pool: a, b
  divides norm.scale axis 0, norm.bias axis 0, 8 factors for 8 channels
  loss at depthwise
sum: depthwise
  fixed: depthwise reads the channels in groups, or on another axis
  loss at depthwise
)");
}

TEST(ScaleGroups, OtherReadersForbidFactors) {
  Sketch s;
  const ValueId x = s.input({4, 8});
  const ValueId a = s.linear("a", x, 8);
  const ValueId b = s.linear("b", a, 8);
  s.graph.add_output(s.node("Add", "sum", {a, b}), "y");
  const auto groups = find_scale_groups(s.graph);
  EXPECT_FALSE(groups[1].absorption);
  EXPECT_EQ(groups[1].obstacle, "a has other readers than the layers");
}

TEST(ScaleGroups, SharedWeightsForbidFactors) {
  Sketch s;
  const ValueId x = s.input({4, 8});
  const ValueId w = s.weights("w", {8, 8});
  const ValueId a = s.node("MatMul", "a", {x, w});
  s.graph.add_output(s.node("MatMul", "b", {a, w}), "y");
  const auto groups = find_scale_groups(s.graph);
  EXPECT_EQ(groups[1].obstacle, "w has other readers than b");
}

/// Exporters write equal constants once: what a norm's weights are divided by would be missing elsewhere.
TEST(ScaleGroups, SharedNormsForbidFactors) {
  Sketch s;
  const ValueId ones = s.weights("ones", {8}), zeros = s.weights("zeros", {8});
  ValueId x = s.input({4, 8});
  for (const char* name : {"one", "two"}) {
    const ValueId normed = s.node("LayerNormalization", std::string(name) + ".norm", {x, ones, zeros});
    x = s.node("Add", std::string(name) + ".sum", {x, s.linear(name, normed, 8)});
  }
  s.graph.add_output(x, "y");
  for (const ScaleGroup& group : find_scale_groups(s.graph)) {
    EXPECT_FALSE(group.absorption);
    EXPECT_EQ(group.obstacle, "ones has other readers than " +
                                  s.graph.nodes()[static_cast<size_t>(group.layers[0]) - 1].name);
  }
}

TEST(ScaleGroups, AResidualOfTheLayersOwnInputForbidsFactors) {
  Sketch s;
  const ValueId x = s.input({1, 4, 5, 5});
  const ValueId made = s.node("Conv", "first", {x, s.weights("v", {4, 4, 1, 1})});
  s.graph.add_output(s.node("Conv", "second", {made, s.weights("w", {4, 4, 1, 1}), kNoValue, made}), "y");
  EXPECT_EQ(find_scale_groups(s.graph)[1].obstacle, "first has other readers than the layers");
}

TEST(ScaleGroups, ValuesThatAttentionHandsOutStay) {
  for (const bool handed_out : {false, true}) {
    Sketch s;
    const ValueId x = s.input({1, 5, 8});
    const std::vector<ValueId> made = s.graph.add_node(
        *find_op("Attention"), "attention", {s.linear("q", x, 8), s.linear("k", x, 8), s.linear("v", x, 8)},
        {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}}, 3);
    s.graph.add_output(s.linear("o", made[0], 8), "y");
    if (handed_out) s.graph.add_output(made[2], "present_value");
    const ScaleGroup group = find_scale_groups(s.graph).back();
    EXPECT_EQ(group.absorption.has_value(), !handed_out) << group.obstacle;
  }
}

TEST(EndedInfinities, OfMasksEndInTheSoftmax) {
  Sketch s;
  const ValueId x = s.input({1, 5, 8});
  const ValueId mask = s.graph.add_input("mask", {DType::f32, {1, 1, 5}});
  const ValueId scores =
      s.node("MatMul", "scores", {s.linear("q", x, 4), s.graph.add_input("k", {DType::f32, {1, 4, 5}})});
  const ValueId far = s.node("Unsqueeze", "far", {mask, s.numbers("axis", {0})});
  const ValueId near = s.node("Squeeze", "near", {far, s.numbers("axis again", {0})});
  const ValueId masked = s.node("Add", "masked", {scores, near});
  const ValueId weights = s.node("Softmax", "softmax", {masked});
  s.graph.add_output(s.linear("o", weights, 3), "y");
  const std::vector<bool> ends = ended_infinities(s.graph);
  for (ValueId value : {mask, far, near, scores, masked})
    EXPECT_TRUE(ends[static_cast<size_t>(value)]) << value;
  for (ValueId value : {x, weights}) EXPECT_FALSE(ends[static_cast<size_t>(value)]) << value;
  s.graph.add_output(masked, "masked");
  EXPECT_FALSE(ended_infinities(s.graph)[static_cast<size_t>(mask)]);
}

TEST(PostDominators, MeetWherePathsMeet) {
  Sketch s;
  const ValueId x = s.input({4, 8});
  const ValueId a = s.node("Relu", "a", {x});         // 0
  const ValueId b = s.node("Sigmoid", "b", {a});      // 1
  const ValueId c = s.node("Tanh", "c", {a});         // 2
  const ValueId d = s.node("Add", "d", {b, c});       // 3
  const ValueId e = s.node("Neg", "e", {c});          // 4: also an output
  s.graph.add_output(s.node("Relu", "f", {d}), "f");  // 5
  s.graph.add_output(e, "e");
  const PostDominators dominators(s.graph);
  auto meet = [&](std::initializer_list<int> nodes) {
    return dominators.nearest_common(std::vector<int>(nodes));
  };
  EXPECT_EQ(meet({1, 3}), 3);
  EXPECT_EQ(meet({1, 5}), 5);
  EXPECT_EQ(meet({1, 2}), -1);
  EXPECT_EQ(meet({4}), 4);
}

}  // namespace
}  // namespace halftone
