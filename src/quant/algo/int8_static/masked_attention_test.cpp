#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <unistd.h>

#include "base/error.h"
#include "op_run.h"
#include "quant/algo/int8_static/integer_plan.h"
#include "quant/encodings/quantize_with_encodings.h"

namespace halftone {
namespace {

constexpr int64_t kTokens = 6, kWidth = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Where the mask of a transformer comes from.
enum class MaskFrom {
  input,     ///< 0 and -infinity
  constant,  ///< the same, causal
  product,   ///< ones and zeros, times the least f32
};

/// Two layers x + attention(x) of one head over one mask, with or without something between mask and Softmax
/// that keeps attention from being recognised.
struct Transformer {
  Graph graph;
  unsigned seed = 1;

  ValueId node(const char* op, const std::string& name, std::vector<ValueId> inputs, Attributes how = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(how)).front();
  }
  ValueId constant(const std::string& name, Tensor tensor) {
    return graph.add_constant(name, Constant(std::move(tensor)));
  }
  ValueId linear(const std::string& name, ValueId x) {
    return node("MatMul", name, {x, constant(name + ".w", random_tensor({kWidth, kWidth}, seed++, 0.25f))});
  }
  ValueId layer(const std::string& name, ValueId x, ValueId mask, bool clamped) {
    const ValueId turned = node("Transpose", name + ".turned", {linear(name + ".k", x)},
                                {{"perm", std::vector<int64_t>{0, 2, 1}}});
    const ValueId scores = node("MatMul", name + ".scores", {linear(name + ".q", x), turned});
    ValueId masked = node("Add", name + ".masked", {scores, mask});
    if (clamped)
      masked = node("Max", name + ".clamped",
                    {masked, constant(name + ".least", Tensor::from<float>({}, {-3.4e38f}))});
    const ValueId weights = node("Softmax", name + ".weights", {masked});
    const ValueId mixed = node("MatMul", name + ".mixed", {weights, linear(name + ".v", x)});
    return node("Add", name, {x, linear(name + ".o", mixed)});
  }

  Transformer(MaskFrom from, bool clamped) {
    graph.name = "transformer";
    const ValueId x = graph.add_input("x", {DType::f32, {1, kTokens, kWidth}});
    ValueId mask = kNoValue;
    if (from == MaskFrom::constant) {
      Tensor causal = Tensor::zeros(DType::f32, {1, kTokens, kTokens});
      for (int64_t row = 0; row < kTokens; ++row)
        for (int64_t column = row + 1; column < kTokens; ++column)
          causal.mutable_view().span<float>()[static_cast<size_t>(row * kTokens + column)] = -kInfinity;
      mask = constant("causal", causal);
    } else {
      mask = graph.add_input("mask", {DType::f32, {1, 1, kTokens}});
      if (from == MaskFrom::product)
        mask = node("Mul", "far", {mask, constant("least", Tensor::from<float>({}, {-3.4e38f}))});
    }
    graph.add_output(layer("two", layer("one", x, mask, clamped), mask, clamped), "y");
  }
};

class Sentences final : public CalibrationData {
 public:
  explicit Sentences(MaskFrom from) : from_(from) {}
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    std::map<std::string, Tensor> inputs{
        {"x", random_tensor({1, kTokens, kWidth}, static_cast<unsigned>(40 + index))}};
    if (from_ == MaskFrom::constant) return inputs;
    Tensor mask = Tensor::zeros(DType::f32, {1, 1, kTokens});
    for (int i = index + 1; i < kTokens; ++i)
      mask.mutable_view().span<float>()[static_cast<size_t>(i)] = from_ == MaskFrom::input ? -kInfinity : 1;
    inputs.emplace("mask", std::move(mask));
    return inputs;
  }

 private:
  MaskFrom from_;
};

std::vector<float> answer(const Graph& graph, const CalibrationData& data, ThreadPool& threads) {
  Session session(compile(graph, {}, threads), threads);
  std::map<std::string, TensorView> views;
  const std::map<std::string, Tensor> sample = data.sample(2);
  for (const auto& [name, tensor] : sample) views.emplace(name, tensor.view());
  session.run(views);
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

Recipe masked_recipe() {
  Recipe recipe = find_recipe("int8-static");
  recipe.static_activations->measure = false;
  recipe.static_activations->floating_share = 0;
  return recipe;
}

void expect_close_answers(const Graph& floating, const Graph& graph, const CalibrationData& data,
                          ThreadPool& threads) {
  const std::vector<float> wanted = answer(floating, data, threads), found = answer(graph, data, threads);
  double error = 0, power = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    error += std::pow(double{found[i]} - double{wanted[i]}, 2);
    power += std::pow(double{wanted[i]}, 2);
  }
  EXPECT_LT(error, 0.01 * power);
}

TEST(MaskedAttention, MasksDoNotEndTheCalibration) {
  ThreadPool threads(1);
  for (const MaskFrom from : {MaskFrom::input, MaskFrom::constant, MaskFrom::product})
    for (const bool clamped : {false, true}) {
      const Sentences data(from);
      const Graph floating = Transformer(from, clamped).graph;
      Graph graph = floating;
      QuantizeOptions options;
      options.data = &data;
      options.threads = &threads;
      const QuantReport report = quantize_graph(graph, masked_recipe(), options);
      ASSERT_EQ(report.layers.size(), 8u);
      for (const LayerReport& layer : report.layers)
        EXPECT_TRUE(layer.activations.starts_with("u8 static")) << layer.layer << ": " << layer.kept;
      for (const LayerNote& note : report.notes)
        EXPECT_FALSE(note.fallback) << note.layer << ": " << note.text;
      expect_close_answers(floating, graph, data, threads);
    }
}

/// A sum with a mask that a convolution reads behind a Clip.
Graph clipped_sum() {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 4, 3, 3}});
  const ValueId mask = graph.add_input("mask", {DType::f32, {1, 1, 3, 3}});
  const ValueId sum = graph.add_node(*find_op("Add"), "sum", {x, mask}).front();
  const ValueId least = graph.add_constant("least", Constant(Tensor::from<float>({}, {-1})));
  const ValueId cut = graph.add_node(*find_op("Clip"), "cut", {sum, least}).front();
  const ValueId w = graph.add_constant("w", Constant(random_tensor({2, 4, 1, 1}, 1)));
  graph.add_output(graph.add_node(*find_op("Conv"), "layer", {cut, w}).front(), "y");
  return graph;
}

TEST(MaskedAttention, WhatNoScaleCoversStaysFloatingAndSaysWhy) {
  const Graph graph = clipped_sum();
  const ValueId mask = graph.inputs()[1], sum = graph.nodes()[0].outputs[0];

  IntegerWishes wishes;
  wishes.unscalable.resize(graph.values().size());
  wishes.unscalable[static_cast<size_t>(mask)] = "is not finite";
  wishes.unscalable[static_cast<size_t>(sum)] = "is not finite";
  const IntegerPlan plan = plan_integers(graph, {false, false, true}, wishes);
  EXPECT_FALSE(plan.nodes[0].integer);
  EXPECT_EQ(plan.nodes[0].reason, "no scale covers mask, which is not finite");
  EXPECT_FALSE(plan.nodes[1].integer);
  EXPECT_EQ(plan.nodes[1].reason, "no scale covers sum, which is not finite");
  EXPECT_TRUE(plan.nodes[2].integer);
  EXPECT_FALSE(plan.stored[static_cast<size_t>(sum)]);
}

class MaskedPictures final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    Tensor mask = Tensor::zeros(DType::f32, {1, 1, 3, 3});
    mask.mutable_view().span<float>()[static_cast<size_t>(index)] = std::numeric_limits<float>::lowest();
    return {{"x", random_tensor({1, 4, 3, 3}, static_cast<unsigned>(40 + index))}, {"mask", mask}};
  }
};

/// Scales that a calibration found name no sum with a mask; so they serve without one.
TEST(MaskedAttention, AFileNeedNotNameWhatNoLayerReads) {
  ThreadPool threads(1);
  const MaskedPictures data;
  QuantizeOptions options;
  options.data = &data;
  options.threads = &threads;
  Graph graph = clipped_sum(), again = graph;
  quantize_graph(graph, masked_recipe(), options);
  const fs::path path = fs::path(testing::TempDir()) / fmt::format("masked_{}.json", ::getpid());
  std::ofstream(path) << encodings_json(graph).dump();
  const QuantizationWithEncodings made =
      quantize_with_encodings(again, masked_recipe(), {}, read_encodings(path));
  fs::remove(path);
  EXPECT_EQ(made.applied.unnamed, std::vector<std::string>());
  EXPECT_EQ(made.floating, (std::vector<std::string>{"mask", "sum", "x"}));
  EXPECT_EQ(encodings_json(again)["activation_encodings"], encodings_json(graph)["activation_encodings"]);
  expect_close_answers(clipped_sum(), again, data, threads);
}

/// A constant that several blocks read is made once when they are put back.
TEST(MaskedAttention, IntegersAloneSayWhatTheyCannot) {
  ThreadPool threads(1);
  const Sentences data(MaskFrom::constant);
  Graph graph = Transformer(MaskFrom::constant, false).graph;
  QuantizeOptions options;
  options.data = &data;
  options.threads = &threads;
  Recipe recipe = masked_recipe();
  recipe.static_activations->integer_only = true;
  EXPECT_THROW(quantize_graph(graph, recipe, options), UnsupportedError);
}

}  // namespace
}  // namespace halftone
