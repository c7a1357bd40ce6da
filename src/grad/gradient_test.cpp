#include "grad/gradient.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "gradient_check.h"

namespace halftone {
namespace {

constexpr int64_t kOne = 1;

/// Numbers well away from 0.
Tensor positive(const Shape& shape, unsigned seed) {
  Tensor tensor = random_tensor(shape, seed);
  for (float& x : tensor.mutable_view().span<float>()) x = 0.5f + std::abs(x);
  return tensor;
}

TEST(Gradient, Arithmetic) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    SCOPED_TRACE(op);
    for (const Shape& other : {Shape{3, 5}, Shape{5}, Shape{3, 1}, Shape{1}, Shape{}, Shape{2, 3, 5}}) {
      if (!find_op("ReduceSum") && other != Shape{3, 5}) continue;
      GradientCheck check;
      const ValueId a = check.input(random_tensor({3, 5}, 1)), b = check.input(positive(other, 2));
      check.run({check.node(op, {a, b})});
    }
  }
}

TEST(Gradient, AValueUsedTwiceGathersBoth) {
  GradientCheck check;
  const ValueId x = check.input(random_tensor({3, 5}, 1));
  const ValueId y = check.node("Mul", {x, x});
  check.run({check.node("Add", {y, check.node("Neg", {x})}), y});
}

TEST(Gradient, Maps) {
  for (const char* op :
       {"Neg", "Exp", "Erf", "Tanh", "Sigmoid", "Swish", "Gelu", "Relu", "Sqrt", "Identity"}) {
    SCOPED_TRACE(op);
    GradientCheck check;
    const bool away = std::string(op) == "Relu" || std::string(op) == "Sqrt";
    Tensor x = away ? positive({3, 7}, 3) : random_tensor({3, 7}, 3);
    if (std::string(op) == "Relu")
      for (size_t i = 0; i < 21; i += 2) x.mutable_view().span<float>()[i] *= -1;
    check.run({check.node(op, {check.input(x)})});
  }
}

TEST(Gradient, MapsWithAttributes) {
  GradientCheck swish;
  swish.run({swish.node("Swish", {swish.input(random_tensor({2, 9}, 4))}, {{"alpha", 1.7f}})});
  GradientCheck gelu;
  gelu.run(
      {gelu.node("Gelu", {gelu.input(random_tensor({2, 9}, 4))}, {{"approximate", std::string("tanh")}})});
  GradientCheck power;
  const ValueId exponent = power.constant(Tensor::from<float>({1}, {3}));
  power.run({power.node("Pow", {power.input(positive({2, 9}, 4)), exponent})});
}

TEST(Gradient, GatedActivation) {
  for (const char* kind : {"silu", "gelu", "gelu_tanh"}) {
    SCOPED_TRACE(kind);
    GradientCheck check;
    const ValueId gate = check.input(random_tensor({3, 7}, 5)), up = check.input(random_tensor({3, 7}, 6));
    check.run({check.node("GatedActivation", {gate, up}, {{"activation", std::string(kind)}})});
  }
}

TEST(Gradient, Where) {
  GradientCheck check;
  const ValueId condition =
      check.constant(Tensor::from<bool>({2, 3}, {true, false, true, false, false, true}));
  const ValueId x = check.input(random_tensor({2, 3}, 7)), y = check.input(random_tensor({2, 3}, 8));
  check.run({check.node("Where", {condition, x, y})});
}

TEST(Gradient, Gemm) {
  for (int64_t trans_a : {0, 1})
    for (int64_t trans_b : {0, 1}) {
      SCOPED_TRACE(trans_a * 2 + trans_b);
      GradientCheck check;
      const ValueId a = check.input(random_tensor(trans_a ? Shape{5, 3} : Shape{3, 5}, 9));
      const ValueId b = check.input(random_tensor(trans_b ? Shape{7, 5} : Shape{5, 7}, 10));
      std::vector<ValueId> inputs = {a, b};
      if (find_op("ReduceSum")) inputs.push_back(check.input(random_tensor({7}, 11)));
      check.run({check.node("Gemm", inputs,
                            {{"transA", trans_a}, {"transB", trans_b}, {"alpha", 0.5f}, {"beta", 2.0f}})});
    }
}

TEST(Gradient, GemmOfRowsInMoreDimensions) {
  for (const int64_t trans_b : {0, 1}) {
    GradientCheck check;
    const ValueId a = check.input(random_tensor({2, 3, 5}, 9));
    const ValueId b = check.input(random_tensor(trans_b ? Shape{7, 5} : Shape{5, 7}, 10));
    check.run({check.node("Gemm", {a, b, check.input(random_tensor({7}, 11))}, {{"transB", trans_b}})});
  }
}

TEST(Gradient, MatMul) {
  GradientCheck matrix;
  matrix.run({matrix.node(
      "MatMul", {matrix.input(random_tensor({2, 3, 5}, 12)), matrix.input(random_tensor({5, 4}, 13))})});
  GradientCheck batches;
  batches.run({batches.node("MatMul", {batches.input(random_tensor({2, 2, 3, 5}, 14)),
                                       batches.input(random_tensor({2, 2, 5, 4}, 15))})});
}

TEST(Gradient, Conv) {
  struct Case {
    Shape x, w;
    Attributes attributes;
  };
  using Ints = std::vector<int64_t>;
  const Case cases[] = {
      {{2, 3, 5, 6}, {4, 3, 3, 2}, {}},
      {{1, 4, 8, 7},
       {6, 2, 3, 3},
       {{"strides", Ints{2, 3}}, {"pads", Ints{1, 0, 2, 1}}, {"group", int64_t{2}}}},
      {{2, 3, 6, 6},
       {3, 1, 2, 2},
       {{"group", int64_t{3}}, {"dilations", Ints{2, 1}}, {"strides", Ints{1, 2}}}},
      {{1, 2, 9}, {3, 2, 4}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2}}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.x.str());
    GradientCheck check;
    std::vector<ValueId> inputs = {check.input(random_tensor(c.x, 1)), check.input(random_tensor(c.w, 2))};
    if (find_op("ReduceSum")) inputs.push_back(check.input(random_tensor({c.w[0]}, 3)));
    check.run({check.node("Conv", inputs, c.attributes)});
  }
}

TEST(Gradient, Normalizations) {
  for (const char* op : {"RMSNormalization", "LayerNormalization"}) {
    SCOPED_TRACE(op);
    GradientCheck check;
    const ValueId x = check.input(random_tensor({3, 7}, 16));
    const Tensor scale = random_tensor({7}, 17), shift = random_tensor({7}, 18);
    const bool sums = find_op("ReduceSum") != nullptr;
    std::vector<ValueId> inputs = {x, sums ? check.input(scale) : check.constant(scale)};
    if (std::string(op) == "LayerNormalization")
      inputs.push_back(sums ? check.input(shift) : check.constant(shift));
    check.run({check.node(op, inputs, {{"epsilon", 1e-3f}})});
  }
  GradientCheck skip;
  const ValueId x = skip.input(random_tensor({3, 7}, 19)), y = skip.input(random_tensor({3, 7}, 20));
  skip.run(skip.nodes("SkipRMSNormalization", {x, y, skip.constant(random_tensor({7}, 21))}));
}

TEST(Gradient, SoftmaxAlongEachAxis) {
  for (int64_t axis : {0, 1, -1}) {
    GradientCheck check;
    check.run({check.node("Softmax", {check.input(random_tensor({3, 4, 5}, 22))}, {{"axis", axis}})});
  }
}

TEST(Gradient, RotaryEmbedding) {
  GradientCheck check;
  const ValueId x = check.input(random_tensor({5, 12}, 23));
  const ValueId cos = check.constant(random_tensor({9, 2}, 24)),
                sin = check.constant(random_tensor({9, 2}, 25));
  const ValueId positions = check.constant(Tensor::from<int64_t>({5}, {0, 3, 1, 8, 2}));
  check.run({check.node("RotaryEmbedding", {x, cos, sin, positions},
                        {{"num_heads", int64_t{2}}, {"rotary_embedding_dim", int64_t{4}}})});
}

TEST(Gradient, Attention) {
  for (bool packed : {false, true})
    for (bool capped : {false, true}) {
      SCOPED_TRACE(packed * 2 + capped);
      GradientCheck check;
      const ValueId q = check.input(random_tensor(packed ? Shape{2, 5, 12} : Shape{2, 4, 5, 3}, 26));
      const ValueId k = check.input(random_tensor(packed ? Shape{2, 5, 6} : Shape{2, 2, 5, 3}, 27));
      const ValueId v = check.input(random_tensor(packed ? Shape{2, 5, 8} : Shape{2, 2, 5, 4}, 28));
      Attributes attributes = {{"is_causal", kOne}};
      if (packed) attributes.set("q_num_heads", int64_t{4}), attributes.set("kv_num_heads", int64_t{2});
      if (capped) attributes.set("softcap", 1.5f);
      check.run({check.node("Attention", {q, k, v}, attributes)});
    }
}

TEST(Gradient, AttentionUnderAMask) {
  GradientCheck check;
  const ValueId q = check.input(random_tensor({1, 2, 3, 4}, 29)),
                k = check.input(random_tensor({1, 2, 5, 4}, 30));
  const ValueId v = check.input(random_tensor({1, 2, 5, 4}, 31));
  const ValueId mask = check.constant(random_tensor({3, 5}, 32));
  check.run({check.node("Attention", {q, k, v, mask}, {{"scale", 0.7f}})});
}

TEST(Gradient, Movement) {
  GradientCheck check;
  const ValueId x = check.input(random_tensor({3, 4}, 33)), y = check.input(random_tensor({2, 4}, 34));
  const ValueId joined = check.node("Concat", {x, y}, {{"axis", int64_t{0}}});                   // [5, 4]
  const ValueId turned = check.node("Transpose", {joined});                                      // [4, 5]
  const ValueId cut = check.node("Slice", {turned, check.ints({1, -4}), check.ints({4, 100})});  // [3, 4]
  const ValueId shaped = check.node("Reshape", {cut, check.ints({2, 6})});
  const std::vector<ValueId> pieces = check.nodes("Split", {shaped, check.ints({1, 2, 3})}, {{"axis", kOne}});
  check.run({check.node("Unsqueeze", {pieces[0], check.ints({0})}), pieces[2]});
}

TEST(Gradient, GatherAddsUpRows) {
  GradientCheck check;
  const ValueId rows = check.constant(Tensor::from<int64_t>({4}, {2, 0, 2, -1}));
  check.run({check.node("Gather", {check.input(random_tensor({3, 4}, 35)), rows})});
  GradientCheck columns;
  const ValueId first = columns.constant(Tensor::from<int64_t>(Shape{}, {1}));
  columns.run({columns.node("Gather", {columns.input(random_tensor({3, 4}, 36)), first}, {{"axis", kOne}})});
}

TEST(Gradient, Reductions) {
  if (!find_op("ReduceSum")) GTEST_SKIP() << "no ReduceSum yet";
  for (const char* op : {"ReduceSum", "ReduceMean"})
    for (int64_t keep : {0, 1}) {
      GradientCheck check;
      const ValueId x = check.input(random_tensor({2, 3, 4}, 37));
      check.run({check.node(op, {x, check.ints({0, -1})}, {{"keepdims", keep}})});
    }
  GradientCheck expand;
  expand.run({expand.node("Expand", {expand.input(random_tensor({3, 1}, 38)), expand.ints({2, 3, 4})})});
}

TEST(Gradient, OnlyWhatTheLossDependsOn) {
  GradientCheck check;
  const ValueId x = check.graph.add_input("x", {DType::f32, {2, 3}}),
                y = check.graph.add_input("y", {DType::f32, {2, 3}});
  const ValueId z = check.node("Exp", {x});
  check.node("Exp", {y});
  const ValueId seed = check.constant(Tensor::zeros(DType::f32, {2, 3}));
  const std::vector<ValueId> wrt = {x, y};
  const ValueGradient seeds[] = {{z, seed}};
  const std::vector<ValueId> gradients = add_gradients(check.graph, seeds, wrt);
  EXPECT_NE(gradients[0], kNoValue);
  EXPECT_EQ(gradients[1], kNoValue);
}

TEST(Gradient, AMissingRuleIsNamed) {
  GradientCheck check;
  const ValueId x = check.graph.add_input("x", {DType::f32, {2, 3}});
  const ValueId cast = check.node("Cast", {x}, {{"to", kOne}});
  const ValueGradient seeds[] = {{cast, check.constant(Tensor::zeros(DType::f32, {2, 3}))}};
  try {
    add_gradients(check.graph, seeds, std::span(&x, 1));
    FAIL();
  } catch (const UnsupportedError& error) {
    EXPECT_NE(std::string(error.what()).find("(Cast): there is no gradient rule"), std::string::npos)
        << error.what();
  }
  EXPECT_FALSE(has_gradient("Cast"));
  EXPECT_TRUE(has_gradient("Gemm"));
}

}  // namespace
}  // namespace halftone
