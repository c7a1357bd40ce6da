#include "pass_draft.h"

// Chains as PyTorch's exporters write them.

namespace halftone {
namespace {

/// Scaled dot-product attention over [2, 5, 12] in heads of 4, written in one of several ways.
struct Exported {
  Draft d;
  int64_t heads = 3, kv_heads = 3;

  ValueId parted(const std::string& name, int64_t count, Ints perm = {0, 2, 1, 3}) {
    const ValueId x = d.input(name, {2, 5, count * 4});
    const ValueId split = d.node("Reshape", name + ".r", {x, d.ints(name + ".s", {2, 5, count, 4})});
    return d.node("Transpose", name + ".t", {split}, {{"perm", std::move(perm)}});
  }
  /// K^T by a Transpose of a matrix between two Reshapes.
  ValueId turned_as_matrices(ValueId k) {
    const Shape shape = d.graph.value(k).type.shape;
    const ValueId merged = d.node("Reshape", "k.merged", {k, d.ints("k.m", {-1, shape[2], shape[3]})});
    const ValueId turned = d.node("Transpose", "k.turned", {merged}, {{"perm", Ints{0, 2, 1}}});
    return d.node("Reshape", "k.back", {turned, d.ints("k.b", {shape[0], shape[1], shape[3], shape[2]})});
  }
  ValueId rooted(const std::string& name, ValueId x) {
    return d.node("Mul", name + ".rooted", {x, d.number(name + ".root", 0.5f)});
  }
  /// Rows of zeros for rows of NaN.
  ValueId safe(ValueId p) {
    return d.node("Where", "safe", {d.node("IsNaN", "nan", {p}), d.number("zero", 0), p});
  }
  void merge(ValueId context) {
    const ValueId turned = d.node("Transpose", "turned", {context}, {{"perm", Ints{0, 2, 1, 3}}});
    d.output(d.node("Reshape", "y", {turned, d.ints("merged", {2, 5, 12})}));
  }
  ValueId repeated(const std::string& name, ValueId few, int64_t times) {
    const ValueId one = d.node("Unsqueeze", name + ".one", {few, d.ints(name + ".axis", {2})});
    const ValueId many =
        d.node("Expand", name + ".many", {one, d.ints(name + ".times", {2, kv_heads, times, 5, 4})});
    return d.node("Reshape", name + ".all", {many, d.ints(name + ".heads", {2, heads, 5, 4})});
  }
};

TEST(ExportedPasses, AttentionScaledOnBothSidesWithSafeSoftmax) {
  Exported e;
  const ValueId q = e.parted("q", 3), k = e.parted("k", 3), v = e.parted("v", 3);
  const ValueId scores =
      e.d.node("MatMul", "scores", {e.rooted("q", q), e.rooted("k", e.turned_as_matrices(k))});
  const ValueId mask = e.d.input("mask", {2, 1, 5, 5});
  const ValueId p = e.d.node("Softmax", "p", {e.d.node("Add", "masked", {scores, mask})});
  e.merge(e.d.node("MatMul", "context", {e.safe(p), v}));
  EXPECT_EQ(nodes_after(e.d),
            "%y: f32[2, 5, 12] = Attention(%q, %k, %v, %mask) kv_num_heads=3 q_num_heads=3 scale=0.25\n"
            "output y = %y\n");
}

TEST(ExportedPasses, AttentionWithTurnedKeysThatAreScaled) {
  Exported e;
  const ValueId q = e.parted("q", 3), k = e.parted("k", 3, {0, 2, 3, 1}), v = e.parted("v", 3);
  const ValueId scores = e.d.node("MatMul", "scores", {e.rooted("q", q), e.rooted("k", k)});
  e.merge(e.d.node("MatMul", "context", {e.d.node("Softmax", "p", {scores}), v}));
  EXPECT_EQ(nodes_after(e.d),
            "%y: f32[2, 5, 12] = Attention(%q, %k, %v) kv_num_heads=3 q_num_heads=3 scale=0.25\n"
            "output y = %y\n");
}

TEST(ExportedPasses, MasksOfOnesAreNone) {
  for (const bool open : {false, true}) {
    Draft d;
    const int64_t batch = open ? d.graph.symbol("batch", 0, 64) : 2;
    const Shape shape{batch, 3, 5, 4};
    const ValueId q = d.input("q", shape), k = d.input("k", shape), v = d.input("v", shape);
    const ValueId ones = d.graph.add_constant("ones", Constant(Tensor::from<bool>({1, 1, 1, 1}, {true})));
    const ValueId sizes =
        open ? d.node("Shape", "sizes", {d.input("of", {batch, 1, 5, 5})}) : d.ints("sizes", {2, 1, 5, 5});
    const ValueId mask =
        d.node("Where", "mask",
               {d.node("Expand", "seen", {ones, sizes}), d.number("shown", 0), d.number("hidden", -3.4e38f)});
    const ValueId turned = d.node("Transpose", "turned", {k}, {{"perm", Ints{0, 1, 3, 2}}});
    const ValueId scores = d.node("Add", "masked", {d.node("MatMul", "scores", {q, turned}), mask});
    d.output(d.node("MatMul", "y", {d.node("Softmax", "p", {scores}), v}));
    if (open) run_passes(d.graph, standard_passes());
    const std::string text = open ? graph_text(d.graph) : nodes_after(d);
    EXPECT_NE(text.find("= Attention(%q, %k, %v) scale=1\noutput y = %y\n"), std::string::npos) << text;
  }
}

/// masked_fill() over a sum with position biases.
TEST(ExportedPasses, FilledScoresAreMasked) {
  Exported e;
  const ValueId q = e.parted("q", 3), k = e.parted("k", 3, {0, 2, 3, 1}), v = e.parted("v", 3);
  const ValueId biased =
      e.d.node("Add", "biased", {e.d.node("MatMul", "scores", {q, k}), e.d.input("bias", {3, 5, 5})});
  const ValueId hidden = e.d.node("Less", "far", {e.d.input("x", {2, 1, 1, 5}), e.d.number("near", 0)});
  const ValueId filled = e.d.node("Where", "filled", {hidden, e.d.number("lowest", -3.4e38f), biased});
  e.merge(e.d.node("MatMul", "context", {e.d.node("Softmax", "p", {filled}), v}));
  const std::string text = nodes_after(e.d);
  EXPECT_NE(text.find("%context.mask: f32[2, 1, 1, 5] = Where(%far, %lowest, %context.seen)\n"
                      "%context.masks: f32[2, 3, 5, 5] = Add(%context.mask, %bias)\n"
                      "%y: f32[2, 5, 12] = Attention(%q, %k, %v, %context.masks)"),
            std::string::npos)
      << text;
}

/// A mask of one column is one for all keys, where Attention would hide all but the first.
TEST(ExportedPasses, MasksOfOneColumnAreRepeated) {
  Exported e;
  const ValueId q = e.parted("q", 3), k = e.parted("k", 3, {0, 2, 3, 1}), v = e.parted("v", 3);
  const ValueId masked =
      e.d.node("Add", "masked", {e.d.node("MatMul", "scores", {q, k}), e.d.input("mask", {2, 1, 5, 1})});
  e.merge(e.d.node("MatMul", "context", {e.d.node("Softmax", "p", {masked}), v}));
  const std::string text = nodes_after(e.d);
  EXPECT_NE(text.find("f32[2, 1, 5, 5] = Expand(%mask"), std::string::npos) << text;
  EXPECT_NE(text.find("Attention(%q, %k, %v, "), std::string::npos) << text;
}

TEST(ExportedPasses, RepeatedKeysAreSharedByHeads) {
  Exported e;
  e.heads = 3;
  e.kv_heads = 1;
  const ValueId q = e.parted("q", 3), k = e.repeated("kr", e.parted("k", 1), 3);
  const ValueId v = e.repeated("vr", e.parted("v", 1), 3);
  const ValueId scores =
      e.d.node("MatMul", "scores", {q, e.d.node("Transpose", "kt", {k}, {{"perm", Ints{0, 1, 3, 2}}})});
  e.merge(e.d.node("MatMul", "context", {e.d.node("Softmax", "p", {scores}), v}));
  EXPECT_EQ(
      nodes_after(e.d),
      "%y: f32[2, 5, 12] = Attention(%q, %k, %v) kv_num_heads=1 q_num_heads=3 scale=1\noutput y = %y\n");
}

TEST(ExportedPasses, SigmoidOfAMultipleTimesItsInputIsSwish) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4});
  const ValueId gate = d.node("Sigmoid", "gate", {d.node("Mul", "steep", {x, d.number("alpha", 1.702f)})});
  d.output(d.node("Mul", "y", {x, gate}));
  EXPECT_EQ(nodes_after(d), "%y: f32[2, 3, 4] = Swish(%x) alpha=1.702\noutput y = %y\n");
}

/// Where(Trilu(ones) == 0, -infinity, 0) of open sizes, and the constant that it is of known ones.
TEST(ExportedPasses, TrianglesOfOnesAreCausal) {
  for (const bool open : {false, true}) {
    Draft d;
    const int64_t length = open ? d.graph.symbol("length", 0, 64) : 5;
    const Shape shape{2, 3, length, 4};
    const ValueId q = d.input("q", shape), k = d.input("k", shape), v = d.input("v", shape);
    const ValueId turned = d.node("Transpose", "turned", {k}, {{"perm", Ints{0, 1, 3, 2}}});
    const ValueId scores = d.node("MatMul", "scores", {q, turned});
    const ValueId rows = d.node("Shape", "rows", {q}, {{"start", int64_t{2}}, {"end", int64_t{3}}});
    const ValueId sizes =
        open ? d.node("Concat", "sizes", {rows, rows}, {{"axis", int64_t{0}}}) : d.ints("sizes", {5, 5});
    const ValueId triangle =
        d.node("Trilu", "triangle", {d.node("Expand", "ones", {d.number("one", 1), sizes})},
               {{"upper", int64_t{0}}});
    const ValueId mask = d.node("Where", "mask",
                                {d.node("Equal", "beyond", {triangle, d.number("zero", 0)}),
                                 d.number("lowest", -HUGE_VALF), d.number("seen", 0)});
    const ValueId p = d.node("Softmax", "p", {d.node("Add", "masked", {scores, mask})});
    d.output(d.node("MatMul", "y", {p, v}));
    if (open) run_passes(d.graph, standard_passes());
    const std::string text = open ? graph_text(d.graph) : nodes_after(d);
    EXPECT_NE(text.find("= Attention(%q, %k, %v) is_causal=1 scale=1\noutput y = %y\n"), std::string::npos)
        << text;
  }
}

TEST(ExportedPasses, RootMeanSquaresAreRmsNormalization) {
  for (const bool divides : {false, true}) {
    Draft d;
    const ValueId x = d.input("x", {2, 3, 8});
    const ValueId squares = d.node("Pow", "squares", {x, d.number("two", 2)});
    const ValueId mean = d.node("ReduceMean", "mean", {squares, d.ints("axes", {-1})});
    const ValueId deviation =
        d.node("Sqrt", "deviation", {d.node("Add", "sum", {mean, d.number("epsilon", 1e-6f)})});
    const ValueId normal = divides
                               ? d.node("Div", "normal", {x, deviation})
                               : d.node("Mul", "normal", {x, d.node("Reciprocal", "inverse", {deviation})});
    d.output(d.node("Mul", "y", {d.constant("scale", {8}), normal}));
    EXPECT_EQ(nodes_after(d),
              "%y: f32[2, 3, 8] = RMSNormalization(%x, %scale) axis=-1 epsilon=1e-06\noutput y = %y\n");
  }
}

/// The shape of a Reshape is computed from sizes that stay open; what follows is known all the same.
TEST(ExportedPasses, OpenSizesReachThroughReshapes) {
  Draft d;
  const int64_t batch = d.graph.symbol("batch", 0, 64), length = d.graph.symbol("length", 0, 64);
  const ValueId x = d.input("x", {batch, length, 12});
  const ValueId sizes = d.node("Shape", "sizes", {x});
  const auto size = [&](const std::string& name, int64_t axis) {
    const ValueId place = d.graph.add_constant(name + ".at", Constant(Tensor::from<int64_t>({}, {axis})));
    return d.node("Unsqueeze", name,
                  {d.node("Gather", name + ".g", {sizes, place}), d.ints(name + ".u", {0})});
  };
  const ValueId width = d.node("Div", "width", {size("all", 2), d.ints("heads", {3})});
  const ValueId target = d.node("Concat", "target", {size("b", 0), size("l", 1), d.ints("open", {-1}), width},
                                {{"axis", int64_t{0}}});
  const ValueId parted = d.node("Reshape", "parted", {x, target});
  const ValueId turned = d.node("Transpose", "turned", {parted}, {{"perm", Ints{0, 2, 1, 3}}});
  const ValueId back = d.node("Concat", "back", {size("b2", 0), d.ints("open2", {-1}), d.ints("four", {4})},
                              {{"axis", int64_t{0}}});
  d.output(d.node("Reshape", "y", {turned, back}));
  run_passes(d.graph, standard_passes());
  verify(d.graph);
  const std::string text = graph_text(d.graph);
  EXPECT_NE(text.find("%parted: f32[batch, length, 3, 4] = Reshape(%x, %parted.shape)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("%y: f32[batch, ?, 4] = Reshape(%turned, %y.shape)"), std::string::npos) << text;
  EXPECT_EQ(text.find("Concat"), std::string::npos) << text;
}

/// Rows of [batch, length] as one axis, and parted again: which the Reshape back can only be told.
TEST(ExportedPasses, OpenSizesComeBackBehindMergedRows) {
  Draft d;
  const ValueId x = d.input("x", {d.graph.symbol("batch", 0, 64), d.graph.symbol("length", 0, 64), 12});
  const ValueId rows = d.node("Reshape", "rows", {x, d.ints("r", {-1, 12})});
  const ValueId sizes = d.node("Shape", "sizes", {x}, {{"end", int64_t{2}}});
  const ValueId target = d.node("Concat", "target", {sizes, d.ints("width", {12})}, {{"axis", int64_t{0}}});
  d.output(d.node("Relu", "y", {d.node("Reshape", "back", {d.node("Relu", "h", {rows}), target})}));
  run_passes(d.graph, standard_passes());
  verify(d.graph);
  const std::string text = graph_text(d.graph);
  EXPECT_NE(text.find("%y: f32[batch, length, 12] = Relu(%back)"), std::string::npos) << text;
}

/// Windows of a picture: how many there are is not known, but that the parted rows have three heads is.
TEST(ExportedPasses, UnknownSizesThatStayCancel) {
  Draft d;
  const ValueId x = d.input("x", {d.graph.symbol("batch", 0, 64), 2, 6, 12});
  const ValueId windows = d.node("Reshape", "windows", {x, d.ints("w", {-1, 6, 12})});
  d.output(d.node("Relu", "y", {d.node("Reshape", "parted", {windows, d.ints("p", {0, 6, -1, 4})})}));
  run_passes(d.graph, standard_passes());
  EXPECT_NE(graph_text(d.graph).find("%y: f32[?, 6, 3, 4] = Relu"), std::string::npos) << graph_text(d.graph);
}

/// The number of windows is asked of what a linear layer read, and used on what it made.
TEST(ExportedPasses, LayersKeepUnknownSizes) {
  Draft d;
  const ValueId x = d.input("x", {d.graph.symbol("batch", 0, 64), 2, 6, 12});
  const ValueId windows = d.node("Reshape", "windows", {x, d.ints("w", {-1, 6, 12})});
  const ValueId linear = d.node(
      "Add", "linear",
      {d.constant("bias", {12}), d.node("MatMul", "product", {windows, d.constant("weights", {12, 12})})});
  const ValueId count = d.node("Shape", "count", {windows}, {{"end", int64_t{1}}});
  const ValueId target =
      d.node("Concat", "target", {count, d.ints("rest", {6, -1, 4})}, {{"axis", int64_t{0}}});
  d.output(d.node("Relu", "y", {d.node("Reshape", "parted", {linear, target})}));
  run_passes(d.graph, standard_passes());
  EXPECT_NE(graph_text(d.graph).find("%y: f32[?, 6, 3, 4] = Relu"), std::string::npos) << graph_text(d.graph);
}

/// One head that changes places with the rows is no shuffle of channels.
TEST(ExportedPasses, OneGroupIsNoShuffle) {
  Draft d;
  const ValueId x = d.input("x", {2, 6, 4});
  const ValueId split = d.node("Reshape", "split", {x, d.ints("s", {2, 6, 1, 4})});
  const ValueId turned = d.node("Transpose", "turned", {split}, {{"perm", Ints{0, 2, 1, 3}}});
  d.output(d.node("Reshape", "y", {turned, d.ints("t", {2, 6, 4})}));
  EXPECT_EQ(nodes_after(d).find("Gather"), std::string::npos);
}

TEST(ExportedPasses, ReshapesThatChangeNothingGo) {
  Draft d;
  const ValueId x = d.input("x", {d.graph.symbol("batch", 0, 64), 3, 4});
  d.output(d.node("Relu", "y", {d.node("Reshape", "same", {x, d.ints("s", {-1, 3, 4})})}));
  run_passes(d.graph, standard_passes());
  EXPECT_NE(graph_text(d.graph).find("Relu(%x)"), std::string::npos) << graph_text(d.graph);
}

/// x * (0.044715 x) inside the cube, as JAX writes it.
TEST(ExportedPasses, GeluWhoseCubeIsScaledFromWithin) {
  Draft d;
  const ValueId x = d.input("x", {2, 3});
  const ValueId square = d.node("Mul", "square", {x, d.node("Mul", "a", {d.number("c", 0.044715f), x})});
  const ValueId sum = d.node("Add", "sum", {x, d.node("Mul", "cube", {x, square})});
  const ValueId tanh = d.node("Tanh", "tanh", {d.node("Mul", "b", {d.number("root", 0.7978846f), sum})});
  const ValueId gate =
      d.node("Mul", "half", {d.number("h", 0.5f), d.node("Add", "g", {d.number("one", 1), tanh})});
  d.output(d.node("Mul", "y", {x, gate}));
  EXPECT_EQ(nodes_after(d), "%y: f32[2, 3] = Gelu(%x) approximate=\"tanh\"\noutput y = %y\n");
}

TEST(ExportedPasses, ConvTransposeTakesUpWhatFollows) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4, 5});
  const ValueId up =
      d.node("ConvTranspose", "up", {x, d.constant("w", {3, 6, 2, 2}), d.constant("b", {6}, 2)},
             {{"strides", Ints{2, 2}}});
  const ValueId scaled = d.node("Mul", "scaled", {up, d.constant("factor", {1, 6, 1, 1}, 3)});
  d.output(d.node("Add", "y", {scaled, d.constant("shift", {6, 1, 1}, 4)}));
  const std::string text = nodes_after(d);
  EXPECT_EQ(text.find("Mul("), std::string::npos) << text;
  EXPECT_NE(text.find("%y: f32[2, 6, 8, 10] = ConvTranspose(%x, "), std::string::npos) << text;
}

TEST(ExportedPasses, GatedResidualsAreProducts) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4, 5}), gate = d.input("gate", {2, 3, 1, 1});
  d.output(d.node("Add", "y", {d.node("Mul", "gated", {x, gate}), x}));
  EXPECT_EQ(nodes_after(d),
            "%y.gate: f32[2, 3, 1, 1] = Add(%gate, %one)\n"
            "%y: f32[2, 3, 4, 5] = Mul(%x, %y.gate)\n"
            "output y = %y\n");
  Draft whole;
  const ValueId a = whole.input("a", {2, 3, 4, 5}), b = whole.input("b", {2, 3, 4, 5});
  whole.output(whole.node("Add", "y", {a, whole.node("Mul", "product", {a, b})}));
  EXPECT_NE(nodes_after(whole).find("Add(%a, %product)"), std::string::npos);
}

TEST(ExportedPasses, SlicesOfEverythingGo) {
  const auto after = [](Ints starts, Ints ends, Ints steps) {
    Draft d;
    const ValueId x = d.input("x", {2, 5});
    const ValueId slice = d.node("Slice", "slice",
                                 {x, d.ints("starts", std::move(starts)), d.ints("ends", std::move(ends)),
                                  d.ints("axes", {0, -1}), d.ints("steps", std::move(steps))});
    d.output(d.node("Relu", "y", {slice}));
    return nodes_after(d);
  };
  EXPECT_EQ(after({0, 0}, {2147483647, 5}, {1, 1}), "%y: f32[2, 5] = Relu(%x)\noutput y = %y\n");
  for (const std::string& text :
       {after({0, 0}, {2, 4}, {1, 1}), after({0, 1}, {2, 5}, {1, 1}), after({0, 0}, {2, 5}, {1, 2})})
    EXPECT_NE(text.find("Slice"), std::string::npos) << text;
}

/// A recurrent cell step by step: W x of every step is one product.
TEST(ExportedPasses, ProductsOfGatheredEntriesAreOne) {
  Draft d;
  const ValueId x = d.input("x", {3, 2, 4}), w = d.constant("w", {5, 4}), b = d.constant("b", {5}, 2);
  ValueId h = d.input("h", {2, 5});
  for (int64_t step : {0, 1, 2}) {
    const std::string name = "s" + std::to_string(step);
    const ValueId at = d.graph.add_constant(name + ".at", Constant(Tensor::from<int64_t>({}, {step})));
    const ValueId entry = d.node("Gather", name + ".x", {x, at}, {{"axis", int64_t{0}}});
    h = d.node("Mul", name, {h, d.node("Gemm", name + ".w", {entry, w, b}, {{"transB", int64_t{1}}})});
  }
  d.output(h);
  EXPECT_EQ(nodes_after(d),
            "%s0.w.all: f32[3, 2, 5] = Gemm(%x, %w, %b) transB=1\n"
            "%s0.w: f32[2, 5] = Gather(%s0.w.all, %s0.at) axis=0\n"
            "%s0: f32[2, 5] = Mul(%h, %s0.w)\n"
            "%s1.w: f32[2, 5] = Gather(%s0.w.all, %s1.at) axis=0\n"
            "%s1: f32[2, 5] = Mul(%s0, %s1.w)\n"
            "%s2.w: f32[2, 5] = Gather(%s0.w.all, %s2.at) axis=0\n"
            "%s2: f32[2, 5] = Mul(%s1, %s2.w)\n"
            "output s2 = %s2\n");
}

/// Two of five entries: five rows would be multiplied for two that are read.
TEST(ExportedPasses, ProductsOfFewEntriesStay) {
  Draft d;
  const ValueId x = d.input("x", {5, 2, 4}), w = d.constant("w", {5, 4});
  for (int64_t step : {0, 4}) {
    const std::string name = "s" + std::to_string(step);
    const ValueId entry = d.node("Gather", name + ".x", {x, d.ints(name + ".at", {step})});
    d.output(d.node("Gemm", name, {entry, w}, {{"transB", int64_t{1}}}));
  }
  const std::string text = nodes_after(d);
  EXPECT_EQ(text.find(".all"), std::string::npos) << text;
}

/// Classes 0 to 2, and numbers that are none.
TEST(ExportedPasses, ProductsOfOneHotRowsAreGathered) {
  for (const bool biased : {false, true}) {
    Draft d;
    const ValueId scaled = d.node("Mul", "scaled", {d.input("x", {40, 1}), d.number("three", 3)});
    const ValueId index = d.node("Cast", "index", {scaled}, {{"to", int64_t{7}}});
    const ValueId classes = d.ints("classes", {0, 1, 2});
    const ValueId hot =
        d.node("Cast", "hot", {d.node("Equal", "equal", {index, classes})}, {{"to", int64_t{1}}});
    const ValueId y = d.node("MatMul", "product", {hot, d.constant("w", {3, 5})});
    d.output(biased ? d.node("Add", "y", {y, d.constant("b", {5}, 2)}) : y);
    const std::string text = nodes_after(d);
    EXPECT_NE(text.find("= Gather(%product.table, %product.rows) axis=0"), std::string::npos) << text;
    EXPECT_EQ(text.find("Equal"), std::string::npos) << text;
  }
}

TEST(ExportedPasses, ProductsOfOtherRowsOfOnesStay) {
  const auto after = [](const Ints& classes, float weight) {
    Draft d;
    const ValueId index = d.node("Cast", "index", {d.input("x", {4, 1})}, {{"to", int64_t{7}}});
    const ValueId equal = d.node("Equal", "equal", {index, d.ints("classes", classes)});
    Tensor w = random_tensor({3, 2}, 1);
    w.mutable_view().span<float>()[0] = weight;
    d.output(d.node(
        "MatMul", "y",
        {d.node("Cast", "hot", {equal}, {{"to", int64_t{1}}}), d.graph.add_constant("w", Constant(w))}));
    run_passes(d.graph, standard_passes());
    return graph_text(d.graph);
  };
  EXPECT_NE(after({0, 1, 2}, 1).find("Gather"), std::string::npos);
  EXPECT_EQ(after({0, 2, 1}, 1).find("Gather"), std::string::npos);
  EXPECT_EQ(after({0, 1, 2}, INFINITY).find("Gather"), std::string::npos);
}

}  // namespace
}  // namespace halftone
