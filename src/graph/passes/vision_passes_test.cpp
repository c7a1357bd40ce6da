#include "graph/passes/layout.h"
#include "pass_draft.h"

namespace halftone {
namespace {

TEST(VisionPasses, ConvTakesNormalizationResidualAndActivation) {
  Draft d;
  const ValueId x = d.input("x", {1, 4, 6, 6});
  const ValueId conv =
      d.node("Conv", "conv", {x, d.constant("w", {4, 4, 3, 3})}, {{"pads", Ints{1, 1, 1, 1}}});
  const ValueId bn = d.node("BatchNormalization", "bn",
                            {conv, d.constant("s", {4}, 2), d.constant("b", {4}, 3), d.constant("m", {4}, 4),
                             d.constant("v", {4}, 5)});
  d.output(d.node("Relu", "y", {d.node("Add", "sum", {bn, x})}));
  EXPECT_EQ(nodes_after(d),
            "%y: f32[1, 4, 6, 6] = Conv(%x, %w.folded, %conv.bias.folded, %x) activation=\"relu\" pads=[1, "
            "1, 1, 1]\n"
            "output y = %y\n");
}

TEST(VisionPasses, GemmTakesNormalizationAndLoneNormalizationBecomesDepthwise) {
  Draft d;
  const ValueId x = d.input("x", {3, 5});
  const ValueId linear =
      d.node("Gemm", "linear", {x, d.constant("w", {4, 5}), d.constant("c", {4})}, {{"transB", int64_t{1}}});
  auto normalize = [&](const std::string& name, ValueId value, int64_t n) {
    return d.node("BatchNormalization", name,
                  {value, d.constant(name + ".s", {n}, 2), d.constant(name + ".b", {n}, 3),
                   d.constant(name + ".m", {n}, 4), d.constant(name + ".v", {n}, 5)});
  };
  d.output(normalize("y", linear, 4));
  d.output(normalize("z", d.input("p", {1, 2, 3, 3}), 2));
  EXPECT_EQ(nodes_after(d),
            "%y: f32[3, 4] = Gemm(%x, %w.folded, %linear.bias.folded) transB=1\n"
            "%z: f32[1, 2, 3, 3] = Conv(%p, %z.factor, %z.shift) group=2\n"
            "output y = %y\noutput z = %z\n");
}

TEST(VisionPasses, ConvTakesConstantsOfItsChannels) {
  Draft d;
  const ValueId x = d.input("x", {1, 4, 6, 6});
  const ValueId conv =
      d.node("Conv", "conv", {x, d.constant("w", {6, 4, 3, 3})}, {{"pads", Ints{1, 1, 1, 1}}});
  const ValueId biased =
      d.node("Identity", "same", {d.node("Add", "biased", {conv, d.constant("b", {1, 6, 1, 1})})});
  const ValueId halved = d.node("Div", "halved", {biased, d.number("two", 2)});
  d.output(d.node("Relu", "y", {d.node("Sub", "less", {d.constant("c", {6, 1, 1}, 3), halved})}));
  EXPECT_EQ(nodes_after(d),
            "%y: f32[1, 6, 6, 6] = Conv(%x, %w.folded.folded.folded, %conv.bias.folded.2) "
            "activation=\"relu\" pads=[1, "
            "1, 1, 1]\noutput y = %y\n");
}

TEST(VisionPasses, CastsToTheSameTypeAreNothing) {
  Draft d;
  const ValueId x = d.input("x", {1, 2, 4, 4});
  const ValueId conv = d.node("Conv", "conv", {x, d.constant("w", {3, 2, 1, 1})});
  d.output(d.node("Relu", "y", {d.node("Cast", "same", {conv}, {{"to", int64_t{1}}})}));
  EXPECT_EQ(nodes_after(d), "%y: f32[1, 3, 4, 4] = Conv(%x, %w) activation=\"relu\"\noutput y = %y\n");
}

TEST(VisionPasses, ConvTakesConstantsOfWhatItReadsUnlessItPads) {
  for (int64_t pad : {0, 1}) {
    Draft d;
    const ValueId x = d.input("x", {1, 4, 6, 6});
    const ValueId shifted = d.node("Add", "shifted", {x, d.constant("b", {4, 1, 1})});
    const ValueId scaled = d.node("Mul", "scaled", {d.constant("s", {1, 4, 1, 1}, 2), shifted});
    d.output(d.node("Conv", "y", {scaled, d.constant("w", {6, 2, 3, 3})},
                    {{"group", int64_t{2}}, {"pads", Ints{pad, pad, pad, pad}}}));
    const std::string text = nodes_after(d);
    EXPECT_EQ(text.find("Mul"), std::string::npos) << text;
    EXPECT_EQ(text.find("Add") == std::string::npos, pad == 0) << text;
  }
}

TEST(VisionPasses, ScaleAndShiftBetweenConvolutionsAreOneConv) {
  Draft d;
  const ValueId x = d.input("x", {1, 4, 6, 6});
  const ValueId gate =
      d.node("HardSwish", "gate", {d.node("Conv", "conv", {x, d.constant("w", {4, 4, 1, 1})})});
  const ValueId scaled = d.node("Mul", "scaled", {d.number("s", 0.5f), gate});
  d.output(d.node("Conv", "y",
                  {d.node("Add", "shifted", {scaled, d.number("b", 0.25f)}), d.constant("v", {4, 1, 3, 3})},
                  {{"group", int64_t{4}}, {"pads", Ints{1, 1, 1, 1}}}));
  const std::string text = nodes_after(d);
  EXPECT_NE(text.find("%shifted: f32[1, 4, 6, 6] = Conv(%gate, %shifted.factor, %shifted.shift) group=4"),
            std::string::npos)
      << text;
}

TEST(VisionPasses, ClippedGatesAreHardSwishAndHardSigmoid) {
  for (bool inside : {false, true}) {
    Draft d;
    const ValueId x = d.input("x", {1, 2, 4, 4});
    const ValueId clip = d.node(
        "Clip", "clip",
        {d.node("Add", "three_more", {x, d.number("three", 3)}), d.number("low", 0), d.number("high", 6)});
    if (inside)
      d.output(d.node("Mul", "y", {d.node("Mul", "gate", {clip, d.number("sixth", 1.0f / 6)}), x}));
    else
      d.output(d.node("Div", "y", {d.node("Mul", "product", {x, clip}), d.number("six", 6)}));
    EXPECT_EQ(nodes_after(d), "%y: f32[1, 2, 4, 4] = HardSwish(%x)\noutput y = %y\n");
  }
  Draft d;
  const ValueId x = d.input("x", {1, 2, 4, 4});
  d.output(d.node("Div", "y",
                  {d.node("Clip", "clip",
                          {d.node("Add", "three_more", {d.number("three", 3), x}), d.number("low", 0),
                           d.number("high", 6)}),
                   d.number("six", 6)}));
  EXPECT_NE(nodes_after(d).find("= HardSigmoid(%x)"), std::string::npos);
}

TEST(VisionPasses, SigmoidTimesItsInputIsSwish) {
  Draft d;
  const ValueId x = d.input("x", {1, 2, 4, 4});
  const ValueId conv = d.node("Conv", "conv", {x, d.constant("w", {3, 2, 1, 1})});
  d.output(d.node("Mul", "y", {conv, d.node("Sigmoid", "gate", {conv})}));
  // The Conv feeds two nodes until the Mul is seen to be a Swish.
  EXPECT_EQ(nodes_after(d), "%y: f32[1, 3, 4, 4] = Conv(%x, %w) activation=\"silu\"\noutput y = %y\n");
}

TEST(VisionPasses, ConvTakesBoundedActivations) {
  Draft d;
  const ValueId x = d.input("x", {1, 2, 4, 4});
  const ValueId a = d.node("Conv", "a", {x, d.constant("v", {3, 2, 1, 1})});
  const ValueId six = d.node("Clip", "six", {a, d.number("low", 0), d.number("high", 6)});
  const ValueId b = d.node("Conv", "b", {six, d.constant("w", {3, 3, 1, 1})});
  const ValueId gate = d.node("HardSigmoid", "gate", {b}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}});
  d.output(d.node("Mul", "y", {b, gate}));
  EXPECT_EQ(nodes_after(d),
            "%six: f32[1, 3, 4, 4] = Conv(%x, %v) activation=\"clip\" activation_a=0 activation_b=6\n"
            "%y: f32[1, 3, 4, 4] = Conv(%six, %w) activation=\"hard_swish\"\noutput y = %y\n");
}

/// As PyTorch exports it in f16: squares are f32. The scale and the shift stay what they are.
TEST(VisionPasses, MomentsBetweenCastsAreLayerNormalization) {
  Draft d;
  const ValueId x = d.graph.add_input("x", {DType::f16, {2, 3, 8}});
  const auto half = [&](const char* name) {
    return d.graph.add_constant(name, Constant(as_type(random_tensor({8}, 1), DType::f16)));
  };
  const auto mean = [&](const char* name, ValueId value) {
    return d.node("ReduceMean", name, {value, d.ints(std::string(name) + ".axes", {-1})});
  };
  const ValueId centred = d.node("Sub", "centred", {x, mean("mean", x)});
  const ValueId wide = d.node("Cast", "wide", {centred}, {{"to", int64_t{1}}});
  const ValueId squares = d.node("Pow", "squares", {wide, d.number("two", 2)});
  const ValueId variance = d.node("Add", "variance", {mean("moment", squares), d.number("epsilon", 1e-5f)});
  const ValueId normal = d.node("Div", "normal", {wide, d.node("Sqrt", "deviation", {variance})});
  const ValueId rounded = d.node("Cast", "rounded", {normal}, {{"to", int64_t{10}}});
  d.output(d.node("Add", "y", {d.node("Mul", "scaled", {rounded, half("w")}), half("b")}));
  run_passes(d.graph, standard_passes());
  verify(d.graph);
  EXPECT_NE(graph_text(d.graph).find("= LayerNormalization(%x, %w, %b) axis=-1 epsilon=1e-05\noutput y = %y"),
            std::string::npos)
      << graph_text(d.graph);
}

TEST(VisionPasses, MomentsOfARowAreLayerNormalization) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 8});
  const auto mean = [&](const char* name, ValueId value) {
    return d.node("ReduceMean", name, {value, d.ints(std::string(name) + ".axes", {-1})});
  };
  const ValueId centred = d.node("Sub", "centred", {x, mean("mean", x)});
  const ValueId squares = d.node("Pow", "squares", {centred, d.number("two", 2)});
  const ValueId variance = d.node("Add", "variance", {mean("moment", squares), d.number("epsilon", 1e-5f)});
  const ValueId normal = d.node("Div", "normal", {centred, d.node("Sqrt", "deviation", {variance})});
  const ValueId scaled = d.node("Mul", "scaled", {normal, d.constant("w", {8})});
  d.output(d.node("Add", "y", {scaled, d.constant("b", {8})}));
  EXPECT_EQ(nodes_after(d),
            "%y: f32[2, 3, 8] = LayerNormalization(%x, %w, %b) axis=-1 epsilon=1e-05\noutput y = %y\n");
}

TEST(VisionPasses, GroupsThatAreInstancesAreGroupNormalization) {
  for (const bool affine : {true, false}) {
    Draft d;
    const ValueId x = d.input("x", {2, 6, 4, 5});
    const ValueId groups = d.node("Reshape", "groups", {x, d.ints("there", {0, 3, -1})});
    const ValueId normal =
        d.node("InstanceNormalization", "normal", {groups, d.constant("s", {3}, 2), d.constant("o", {3}, 3)},
               {{"epsilon", 1e-3f}});
    const ValueId back = d.node("Reshape", "back", {normal, d.ints("shape", {2, 6, 4, 5})});
    const ValueId scaled = affine ? d.node("Mul", "scaled", {d.constant("w", {6, 1, 1}), back}) : back;
    d.output(affine ? d.node("Add", "y", {scaled, d.constant("b", {6, 1, 1})}) : back);
    const std::string name = affine ? "y" : "back";
    EXPECT_EQ(nodes_after(d),
              fmt::format("%{0}: f32[2, 6, 4, 5] = GroupNormalization(%x, %{0}.scale, %{0}.shift) "
                          "epsilon=0.001 num_groups=3\noutput {0} = %{0}\n",
                          name));
  }
}

TEST(VisionPasses, GroupsOfAnotherBatchStay) {
  Draft d;
  const ValueId x = d.input("x", {2, 6, 4, 5});
  const ValueId groups = d.node("Reshape", "groups", {x, d.ints("there", {1, 12, -1})});
  const ValueId normal =
      d.node("InstanceNormalization", "normal", {groups, d.constant("s", {12}, 2), d.constant("o", {12}, 3)});
  d.output(d.node("Reshape", "y", {normal, d.ints("shape", {2, 6, 4, 5})}));
  EXPECT_NE(nodes_after(d).find("InstanceNormalization"), std::string::npos);
}

TEST(VisionPasses, GeluHoweverItIsBracketed) {
  for (bool halves_first : {false, true}) {
    Draft d;
    const ValueId x = d.input("x", {2, 5});
    const ValueId half = d.number("half", 0.5f);
    const ValueId gate =
        d.node("Add", "plus",
               {d.node("Erf", "erf", {d.node("Div", "div", {x, d.number("root", 1.41421356f)})}),
                d.number("one", 1)});
    d.output(halves_first ? d.node("Mul", "y", {d.node("Mul", "h", {x, half}), gate})
                          : d.node("Mul", "y", {d.node("Mul", "h", {x, gate}), half}));
    EXPECT_EQ(nodes_after(d), "%y: f32[2, 5] = Gelu(%x)\noutput y = %y\n");
  }
  Draft d;
  const ValueId x = d.input("x", {2, 5});
  const ValueId cube =
      d.node("Mul", "c", {d.node("Pow", "pow", {x, d.number("three", 3)}), d.number("k", 0.044715f)});
  const ValueId u = d.node("Mul", "u", {d.node("Add", "a", {x, cube}), d.number("s", 0.7978845608f)});
  const ValueId gate = d.node("Add", "plus", {d.node("Tanh", "tanh", {u}), d.number("one", 1)});
  d.output(d.node("Mul", "y", {d.node("Mul", "h", {x, d.number("half", 0.5f)}), gate}));
  EXPECT_EQ(nodes_after(d), "%y: f32[2, 5] = Gelu(%x) approximate=\"tanh\"\noutput y = %y\n");
}

TEST(VisionPasses, FocusIsAConvolutionOfTwiceTheSize) {
  Draft d;
  const ValueId x = d.input("x", {1, 3, 8, 12});
  const ValueId ends = d.ints("ends", {1 << 30, 1 << 30}), axes = d.ints("axes", {2, 3}),
                steps = d.ints("steps", {2, 2});
  std::vector<ValueId> quarters;
  for (const Ints& start : {Ints{0, 0}, Ints{1, 0}, Ints{0, 1}, Ints{1, 1}}) {
    const std::string name = "q" + std::to_string(quarters.size());
    quarters.push_back(d.node("Slice", name, {x, d.ints(name + ".s", start), ends, axes, steps}));
  }
  const ValueId focus = d.node("Concat", "focus", quarters, {{"axis", int64_t{1}}});
  d.output(d.node("Conv", "y", {focus, d.constant("w", {5, 12, 3, 3})}, {{"pads", Ints{1, 1, 1, 1}}}));
  EXPECT_EQ(nodes_after(d),
            "%y: f32[1, 5, 4, 6] = Conv(%x, %w.spread) kernel_shape=[6, 6] pads=[2, 2, 2, 2] strides=[2, "
            "2]\noutput y = %y\n");
}

TEST(VisionPasses, SlicesThatARunMovesAreNoFocus) {
  Draft d;
  const ValueId x = d.input("x", {1, 3, 8, 12});
  const ValueId starts = d.graph.add_input("starts", {DType::i64, {2}});
  const ValueId slice = d.node(
      "Slice", "q", {x, starts, d.ints("ends", {8, 12}), d.ints("axes", {2, 3}), d.ints("steps", {2, 2})});
  const ValueId focus = d.node("Concat", "focus", {slice, slice, slice, slice}, {{"axis", int64_t{1}}});
  d.output(d.node("Conv", "y", {focus, d.constant("w", {5, 12, 3, 3})}));
  run_passes(d.graph, standard_passes());
  EXPECT_NE(graph_text(d.graph).find("= Slice(%x, %starts"), std::string::npos);
}

TEST(VisionPasses, NormalizationAcrossRowsStaysBesideALinearLayer) {
  Draft d;
  const ValueId x = d.input("x", {2, 7, 4});
  const ValueId h =
      d.node("Gemm", "h", {x, d.constant("w", {3, 4}), d.constant("b", {3})}, {{"transB", int64_t{1}}});
  d.output(d.node("BatchNormalization", "y",
                  {h, d.constant("scale", {7}), d.constant("shift", {7}), d.constant("mean", {7}),
                   d.constant("variance", {7})}));
  run_passes(d.graph, standard_passes());
  EXPECT_NE(graph_text(d.graph).find("%h: f32[2, 7, 3] = Gemm(%x, %w, %b)"), std::string::npos)
      << graph_text(d.graph);
}

TEST(VisionPasses, MasksThatWidenTheScoresAreNoAttention) {
  Draft d;
  const ValueId q = d.input("q", {1, 2, 1, 4}), k = d.input("k", {1, 2, 5, 4}),
                v = d.input("v", {1, 2, 5, 4});
  const ValueId turned = d.node("Transpose", "turned", {k}, {{"perm", Ints{0, 1, 3, 2}}});
  const ValueId masked =
      d.node("Add", "masked", {d.node("MatMul", "scores", {q, turned}), d.input("mask", {3, 5})});
  d.output(d.node("MatMul", "y", {d.node("Softmax", "p", {masked}), v}));
  run_passes(d.graph, standard_passes());
  EXPECT_EQ(graph_text(d.graph).find("Attention"), std::string::npos) << graph_text(d.graph);
}

TEST(VisionPasses, EmptyReshapesCancelToo) {
  Draft d;
  const ValueId x = d.input("x", {0, 3, 4});
  const ValueId first = d.node("Reshape", "first", {x, d.ints("a", {12, 0})}, {{"allowzero", int64_t{1}}});
  d.output(d.node("Reshape", "y", {first, d.ints("b", {4, 3, 2, 0})}, {{"allowzero", int64_t{1}}}));
  run_passes(d.graph, standard_passes());
  EXPECT_EQ(d.graph.value(d.graph.outputs()[0]).type.shape, (Shape{4, 3, 2, 0}));
}

TEST(VisionPasses, ChannelShuffleIsAGather) {
  Draft d;
  const ValueId x = d.input("x", {1, 6, 2, 2});
  const ValueId split = d.node("Reshape", "split", {x, d.ints("s", {1, 2, 3, 2, 2})});
  const ValueId turned = d.node("Transpose", "turned", {split}, {{"perm", Ints{0, 2, 1, 3, 4}}});
  d.output(d.node("Reshape", "y", {turned, d.ints("t", {1, 6, 2, 2})}));
  EXPECT_EQ(nodes_after(d), "%y: f32[1, 6, 2, 2] = Gather(%x, %y.channels) axis=1\noutput y = %y\n");
}

TEST(VisionPasses, TransposesCancel) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4});
  const ValueId there = d.node("Transpose", "there", {x}, {{"perm", Ints{1, 2, 0}}});
  const ValueId back = d.node("Transpose", "back", {there}, {{"perm", Ints{2, 0, 1}}});
  d.output(d.node("Relu", "y", {back}));
  EXPECT_EQ(nodes_after(d), "%y: f32[2, 3, 4] = Relu(%x)\noutput y = %y\n");
}

TEST(VisionPasses, LinearLayersAreGemm) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4});
  const ValueId product = d.node("MatMul", "product", {x, d.constant("w", {4, 5})});
  d.output(d.node("Add", "y", {d.constant("b", {5}), product}));
  EXPECT_EQ(nodes_after(d), "%y: f32[2, 3, 5] = Gemm(%x, %w, %b) transB=1\noutput y = %y\n");
}

TEST(VisionPasses, WeightsThatOthersReadAreTurnedBesideThem) {
  Draft d;
  const ValueId x = d.input("x", {2, 3, 4}), w = d.constant("w", {4, 5});
  const ValueId table = d.node("Relu", "table", {w});
  d.output(d.node("MatMul", "y", {x, w}));
  d.output(d.node("MatMul", "z", {x, w}));
  d.output(d.node("Identity", "t", {table}));
  linear_to_gemm(d.graph);
  const std::string text = graph_text(d.graph);
  EXPECT_NE(text.find("%y: f32[2, 3, 5] = Gemm(%x, %w.turned) transB=1"), std::string::npos) << text;
  EXPECT_NE(text.find("%z: f32[2, 3, 5] = Gemm(%x, %w.turned) transB=1"), std::string::npos) << text;
  EXPECT_NE(text.find("Relu(%w)"), std::string::npos) << text;
}

/// Q, K, V of three heads parted from [1, 5, 12].
Draft attention(bool merged) {
  Draft d;
  const ValueId parted = d.ints("parted", {1, 5, 3, 4});
  auto heads = [&](const std::string& name, Ints perm) {
    const ValueId x = d.input(name, {1, 5, 12});
    return d.node("Transpose", name + ".t", {d.node("Reshape", name + ".r", {x, parted})},
                  {{"perm", std::move(perm)}});
  };
  const ValueId q = heads("q", {0, 2, 1, 3}), k = heads("k", {0, 2, 3, 1}), v = heads("v", {0, 2, 1, 3});
  const ValueId scores = d.node("Div", "scaled", {d.node("MatMul", "scores", {q, k}), d.number("root", 2)});
  const ValueId context = d.node("MatMul", "context", {d.node("Softmax", "p", {scores}), v});
  const ValueId turned = d.node("Transpose", "turned", {context}, {{"perm", Ints{0, 2, 1, 3}}});
  if (merged)
    d.output(d.node("Reshape", "y", {turned, d.ints("merged", {1, 5, 12})}));
  else
    d.output(turned);
  return d;
}

TEST(VisionPasses, AttentionOverPackedHeads) {
  EXPECT_EQ(
      nodes_after(attention(true)),
      "%y: f32[1, 5, 12] = Attention(%q, %k, %v) kv_num_heads=3 q_num_heads=3 scale=0.5\noutput y = %y\n");
}

TEST(VisionPasses, AttentionOverHeads) {
  const std::string text = nodes_after(attention(false));
  EXPECT_NE(text.find("%context: f32[1, 3, 5, 4] = Attention(%q.t, %k.t, %v.t) scale=0.5\n"),
            std::string::npos)
      << text;
}

TEST(Layout, ConvolutionsRunChannelsLastBetweenPlanarEnds) {
  Draft d;
  const ValueId x = d.input("x", {1, 3, 9, 9});
  const ValueId a =
      d.node("Conv", "a", {x, d.constant("w", {8, 3, 3, 3})}, {{"activation", std::string("relu")}});
  const ValueId pool = d.node("AveragePool", "pool", {a}, {{"kernel_shape", Ints{2, 2}}});
  const ValueId both = d.node("Concat", "both", {pool, pool}, {{"axis", int64_t{1}}});
  d.output(d.node("Conv", "y", {both, d.constant("v", {4, 16, 1, 1})}));
  d.output(d.node("Softmax", "p", {d.node("Reshape", "flat", {pool, d.ints("shape", {1, 288})})}));
  run_passes(d.graph, standard_passes());
  EXPECT_EQ(nodes_after(d, backend_passes()),
            "%a: f32[1, 8, 7, 7] (channels-last) = Conv(%x, %w) activation=\"relu\"\n"
            "%pool: f32[1, 8, 6, 6] (channels-last) = AveragePool(%a) kernel_shape=[2, 2]\n"
            "%both: f32[1, 16, 6, 6] (channels-last) = Concat(%pool, %pool) axis=1\n"
            "%y.channels_last: f32[1, 4, 6, 6] (channels-last) = Conv(%both, %v)\n"
            "%pool.planar: f32[1, 8, 6, 6] = Identity(%pool)\n"
            "%flat: f32[1, 288] = Reshape(%pool.planar, %shape)\n"
            "%p: f32[1, 288] = Softmax(%flat)\n"
            "%y: f32[1, 4, 6, 6] = Identity(%y.channels_last)\n"
            "output y = %y\noutput p = %p\n");
}

TEST(Layout, ReductionsReadChannelsLast) {
  Draft d;
  const ValueId x = d.input("x", {1, 8, 9, 9});
  const ValueId a = d.node("Conv", "a", {x, d.constant("w", {8, 8, 3, 3})});
  const ValueId mean = d.node("ReduceMean", "mean", {a, d.ints("places", {2, 3})});
  const ValueId gate = d.node("Mish", "gate", {mean});
  d.output(d.node("Mul", "y", {a, gate}));
  d.output(d.node("ReduceMax", "flat", {a, d.ints("both", {-2, -1})}, {{"keepdims", int64_t{0}}}));
  d.output(d.node("ReduceMax", "lines", {a, d.ints("last", {3})}, {{"keepdims", int64_t{0}}}));
  EXPECT_EQ(nodes_after(d, backend_passes()),
            "%x.channels_last: f32[1, 8, 9, 9] (channels-last) = Identity(%x)\n"
            "%a: f32[1, 8, 7, 7] (channels-last) = Conv(%x.channels_last, %w)\n"
            "%mean: f32[1, 8, 1, 1] (channels-last) = ReduceMean(%a, %places)\n"
            "%gate: f32[1, 8, 1, 1] (channels-last) = Mish(%mean)\n"
            "%y.channels_last: f32[1, 8, 7, 7] (channels-last) = Mul(%a, %gate)\n"
            "%flat: f32[1, 8] = ReduceMax(%a, %both) keepdims=0\n"
            "%a.planar: f32[1, 8, 7, 7] = Identity(%a)\n"
            "%lines: f32[1, 8, 7] = ReduceMax(%a.planar, %last) keepdims=0\n"
            "%y: f32[1, 8, 7, 7] = Identity(%y.channels_last)\n"
            "output y = %y\noutput flat = %flat\noutput lines = %lines\n");
}

}  // namespace
}  // namespace halftone
