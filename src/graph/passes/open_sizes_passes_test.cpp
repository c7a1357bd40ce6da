#include "pass_draft.h"

// Sizes that only the run knows: two of them are one where the graph says so, not for both being unknown.

namespace halftone {
namespace {

/// A graph whose sizes can be hidden from the shape rules.
struct OpenDraft : Draft {
  int64_t symbol(const std::string& name) { return graph.symbol(name, 0, 64); }
  /// The first so many entries of x along an axis as the run brings.
  ValueId hidden(const std::string& name, ValueId x, int64_t axis) {
    const ValueId count = node("Shape", name + ".count", {input(name + ".of", {symbol(name + ".size")})});
    return node("Slice", name, {x, ints(name + ".start", {0}), count, ints(name + ".axis", {axis})});
  }
  ValueId linear(const std::string& name, ValueId x) {
    return node("MatMul", name, {x, constant(name + ".weight", {8, 8})});
  }
  /// Whether the passes leave a node of that operator.
  bool leaves(std::string_view op) const {
    Graph passed = graph;
    run_passes(passed, standard_passes());
    verify(passed);
    return std::ranges::any_of(passed.nodes(), [&](const Node& node) { return node.schema->name == op; });
  }
};

TEST(OpenSizes, AGateOfOneRowForAllIsNoGatedActivation) {
  for (const bool same : {true, false}) {
    OpenDraft d;
    const ValueId x = d.hidden("x", d.input("in", {2, 64, 8}), 1);
    const ValueId gate = d.linear("gate", x);
    const ValueId up = d.linear("up", same ? x : d.hidden("other", x, 1));
    const ValueId silu = d.node("Mul", "silu", {gate, d.node("Sigmoid", "s", {gate})});
    d.output(d.node("Mul", "y", {silu, up}));
    EXPECT_EQ(d.leaves("GatedActivation"), same);
  }
}

TEST(OpenSizes, ASumThatRepeatsRowsIsNoSkip) {
  for (const bool same : {true, false}) {
    OpenDraft d;
    const ValueId x = d.hidden("x", d.input("in", {2, 64, 8}), 1);
    const ValueId skip = d.linear("skip", same ? x : d.hidden("other", x, 1));
    const ValueId normal =
        d.node("RMSNormalization", "y", {d.node("Add", "sum", {x, skip}), d.constant("scale", {8})});
    d.output(normal);
    EXPECT_EQ(d.leaves("SkipRMSNormalization"), same);
  }
}

TEST(OpenSizes, WindowsAlikeGivePicturesOfOneSize) {
  const auto residual = [](Attributes beside, const Shape& kernel, bool of_same) {
    OpenDraft d;
    const Shape picture{1, 4, d.symbol("height"), d.symbol("width")};
    const ValueId x = d.input("x", picture),
                  z = of_same ? x : d.input("z", {1, 4, d.symbol("other height"), d.symbol("other width")});
    const ValueId a = d.node("Conv", "a", {x, d.constant("a.weight", {4, 4, 3, 3})},
                             {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
    const ValueId again =
        d.node("Conv", "again", {d.node("Relu", "a+", {a}), d.constant("again.weight", {4, 4, 3, 3})},
               {{"pads", Ints{1, 1, 1, 1}}});
    const ValueId b = d.node("Conv", "b", {z, d.constant("b.weight", kernel)}, std::move(beside));
    d.output(d.node("Add", "y", {again, b}));
    return !d.leaves("Add");
  };
  const Attributes halves{{"strides", Ints{2, 2}}};
  EXPECT_TRUE(residual(halves, {4, 4, 1, 1}, true));
  EXPECT_TRUE(
      residual({{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}}, {4, 4, 5, 5}, true));
  EXPECT_FALSE(residual(halves, {4, 4, 1, 1}, false));
  EXPECT_FALSE(residual(halves, {4, 4, 3, 3}, true));
  EXPECT_FALSE(residual({{"strides", Ints{3, 3}}}, {4, 4, 1, 1}, true));
}

/// [1, 4, height, width] -> [1, 2, 2, width, height] -> [1, 4, width, height].
TEST(OpenSizes, AShuffleThatExchangesSizesStays) {
  for (const bool exchanged : {false, true}) {
    OpenDraft d;
    const ValueId x = d.hidden("x", d.hidden("rows", d.input("in", {1, 4, 64, 64}), 2), 3);
    const auto size = [&](const std::string& name, int64_t axis) {
      return d.node("Shape", name, {x}, {{"start", axis}, {"end", axis + 1}});
    };
    const ValueId height = size("height", exchanged ? 3 : 2), width = size("width", exchanged ? 2 : 3);
    const ValueId split =
        d.node("Concat", "split", {d.ints("parts", {1, 2, 2}), height, width}, {{"axis", int64_t{0}}});
    const ValueId turned = d.node("Transpose", "turned", {d.node("Reshape", "parted", {x, split})},
                                  {{"perm", Ints{0, 2, 1, 3, 4}}});
    const ValueId whole =
        d.node("Concat", "whole", {d.ints("all", {1, 4}), height, width}, {{"axis", int64_t{0}}});
    d.output(d.node("Reshape", "y", {turned, whole}));
    EXPECT_EQ(d.leaves("Transpose"), exchanged);
  }
}

/// DETR's decoder: queries and values of unknown sizes are parted into seven rows of heads each.
TEST(OpenSizes, TheRestOfEqualElementsIsEqual) {
  OpenDraft d;
  const ValueId x = d.hidden("x", d.hidden("batch", d.input("in", {64, 64, 8}), 0), 1);
  const auto heads = [&](const std::string& name) {
    const ValueId parted =
        d.node("Reshape", name + ".parted", {d.linear(name, x), d.ints(name + ".shape", {-1, 7, 2, 4})});
    return d.node("Transpose", name + ".heads", {parted}, {{"perm", Ints{0, 2, 1, 3}}});
  };
  const ValueId q = heads("q"), k = heads("k"), v = heads("v");
  const ValueId scores =
      d.node("MatMul", "scores", {q, d.node("Transpose", "kt", {k}, {{"perm", Ints{0, 1, 3, 2}}})});
  d.output(d.node("MatMul", "y", {d.node("Softmax", "p", {scores}), v}));
  EXPECT_TRUE(d.leaves("Attention"));
}

/// Parts of one value keep the sizes that they are not cut along.
TEST(OpenSizes, PartsAreAlike) {
  OpenDraft d;
  const ValueId x = d.hidden("x", d.input("in", {2, 64, 16}), 1);
  const auto parts =
      d.graph.add_node(*find_op("Split"), "parts", {x, d.ints("sizes", {8, 8})}, {{"axis", int64_t{-1}}}, 2);
  const ValueId silu = d.node("Mul", "silu", {parts[0], d.node("Sigmoid", "s", {parts[0]})});
  d.output(d.node("Mul", "y", {silu, parts[1]}));
  EXPECT_TRUE(d.leaves("GatedActivation"));
}

/// A size that is known to be the same, but not to the shape rules, which ask again.
TEST(OpenSizes, WhatIsAlikeUnderAnotherTypeStays) {
  OpenDraft d;
  const ValueId x = d.input("x", {d.symbol("batch"), 4, 8, 8});
  const auto there_and_back = [&](const std::string& name, ValueId from) {
    const ValueId rows = d.node("Reshape", name + ".rows", {from, d.ints(name + ".a", {-1, 8})});
    return d.node("Reshape", name, {rows, d.ints(name + ".b", {-1, 4, 8, 8})});
  };
  const ValueId conv = d.node("Conv", "conv", {x, d.constant("conv.weight", {4, 4, 1, 1})});
  d.output(d.node("Add", "residual", {conv, d.node("Tanh", "r", {there_and_back("x0", x)})}));
  const ValueId gate = d.linear("gate", x), up = there_and_back("up+", d.linear("up", x));
  d.output(d.node("Mul", "gated", {d.node("Mul", "silu", {gate, d.node("Sigmoid", "s", {gate})}), up}));
  const ValueId sum = d.node("Add", "sum", {d.node("Relu", "x+", {x}), there_and_back("x1", x)});
  d.output(d.node("RMSNormalization", "normal", {sum, d.constant("scale", {8})}));
  for (const char* op : {"Conv", "Add", "Mul", "RMSNormalization"}) EXPECT_TRUE(d.leaves(op)) << op;
}

TEST(OpenSizes, NoSizesTimesOneAreNone) {
  OpenDraft d;
  const ValueId rows = d.node("Shape", "rows", {d.input("x", {d.symbol("length")})});
  d.output(d.node("Mul", "y", {rows, d.ints("none", {})}));
  EXPECT_EQ(d.graph.value(d.graph.outputs()[0]).type.shape, Shape{0});
  run_passes(d.graph, standard_passes());
}

}  // namespace
}  // namespace halftone
