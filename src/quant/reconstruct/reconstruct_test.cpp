#include "quant/reconstruct/reconstruct.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "quant/quantize_graph.h"

namespace halftone {
namespace {

/// Two residual blocks with a norm and a gated middle, over rows of 16 numbers.
Graph small_model() {
  Graph graph;
  graph.name = "small";
  const int64_t rows = graph.symbol("rows", 1, 64);
  unsigned seed = 1;
  auto node = [&](std::string_view op, std::string name, std::vector<ValueId> inputs,
                  Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  };
  auto linear = [&](const std::string& name, ValueId x, int64_t in, int64_t out) {
    const ValueId w = graph.add_constant(name + ".weight", Constant(random_tensor({out, in}, seed++, 0.3f)));
    return node("Gemm", name, {x, w}, {{"transB", int64_t{1}}});
  };
  ValueId x = graph.add_input("x", {DType::f32, {rows, 16}});
  for (int b = 0; b < 2; ++b) {
    const std::string name = "blocks." + std::to_string(b);
    const ValueId scale = graph.add_constant(name + ".norm.weight", Constant(random_tensor({16}, seed++)));
    const ValueId normed = node("RMSNormalization", name + ".norm", {x, scale});
    const ValueId gate = node("Swish", name + ".act", {linear(name + ".gate", normed, 16, 24)});
    const ValueId gated = node("Mul", name + ".gated", {gate, linear(name + ".up", normed, 16, 24)});
    x = node("Add", name + ".sum", {x, linear(name + ".down", gated, 24, 16)});
  }
  graph.add_output(x, "y");
  verify(graph);
  return graph;
}

/// Rows whose columns differ much in size, as activations do.
class Rows final : public CalibrationData {
 public:
  explicit Rows(unsigned first = 0) : first_(first) {}
  int samples() const override { return 6; }
  std::map<std::string, Tensor> sample(int index) const override {
    Tensor x = random_tensor({12 + index, 16}, 100 + first_ + static_cast<unsigned>(index));
    const auto values = x.mutable_view().span<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] *= static_cast<float>(1 + i % 16) / 4;
    return {{"x", std::move(x)}};
  }

 private:
  unsigned first_;
};

Recipe recipe_of(const std::string& algorithm, AlgorithmSettings settings = {}) {
  Recipe recipe = find_recipe("rtn-w3");
  recipe.algorithms = {{algorithm, std::move(settings)}};
  recipe.minimum_elements = 0;
  return recipe;
}

Graph quantized_by(const Recipe& recipe, int threads, uint64_t seed = 1, QuantReport* report = nullptr) {
  Graph graph = small_model();
  const Rows data;
  ThreadPool pool(threads);
  QuantizeOptions options;
  options.data = &data;
  options.threads = &pool;
  options.seed = seed;
  QuantReport made = quantize_graph(graph, recipe, options);
  if (report) *report = std::move(made);
  return graph;
}

/// Mean squared error of the outputs on rows that were not used to calibrate.
double held_out_error(const Graph& quantized) {
  ThreadPool threads(1);
  CompileOptions options;
  options.as_written = true;
  Session original(compile(small_model(), options, threads), threads),
      trial(compile(quantized, options, threads), threads);
  const Rows data(50);
  double sum = 0;
  for (int s = 0; s < data.samples(); ++s) {
    const std::map<std::string, Tensor> sample = data.sample(s);
    original.run({{"x", sample.at("x").view()}});
    trial.run({{"x", sample.at("x").view()}});
    const auto a = original.output("y").span<float>(), b = trial.output("y").span<float>();
    for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  }
  return sum;
}

std::vector<std::byte> codes_of(const Graph& graph) {
  std::vector<std::byte> all;
  for (const Value& value : graph.values()) {
    if (!value.constant || !value.constant->encoding()) continue;
    const auto encoded = value.constant->load_encoded(value.name);
    for (const Tensor* part : {&encoded->parts().codes, &encoded->parts().scales})
      all.insert(all.end(), part->view().bytes().begin(), part->view().bytes().end());
  }
  return all;
}

TEST(Reconstruct, EachAlgorithmBeatsRoundingToNearest) {
  const double nearest = held_out_error(quantized_by(recipe_of("rtn"), 1));
  EXPECT_LT(held_out_error(quantized_by(recipe_of("autoround"), 1)), 0.6 * nearest);
  EXPECT_LT(held_out_error(quantized_by(recipe_of("adaround", {{"iterations", 600}, {"rate", 1e-2}}), 1)),
            0.6 * nearest);
  const double clipped = held_out_error(quantized_by(recipe_of("omniquant", {{"let", 0}}), 1));
  EXPECT_LT(clipped, 0.9 * nearest);
  EXPECT_LT(held_out_error(quantized_by(recipe_of("omniquant"), 1)), 0.9 * clipped);
}

/// What is learned of an equivalent transformation changes nothing but where rounding hurts: with 8 bits the
/// model gives what it gave.
TEST(Reconstruct, ATransformedBlockIsEquivalent) {
  Recipe recipe = recipe_of("omniquant", {{"let_rate", 0.1}, {"epochs", 3}});
  recipe.rules[0].weights->format = find_number_format("int8");
  QuantReport report;
  const Graph graph = quantized_by(recipe, 1, 1, &report);
  EXPECT_LT(held_out_error(graph), 0.01 * held_out_error(quantized_by(recipe_of("rtn"), 1)));
}

/// Convolutions over pictures of 3 x 6 x 6, the second with a residual around it; any number at a time.
Graph convolutions() {
  Graph graph;
  graph.name = "convolutions";
  const int64_t batch = graph.symbol("batch", 1, 8);
  auto node = [&](std::string_view op, std::string name, std::vector<ValueId> inputs,
                  Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  };
  auto conv = [&](const std::string& name, ValueId x, const Shape& shape) {
    const ValueId w = graph.add_constant(
        name + ".weight", Constant(random_tensor(shape, static_cast<unsigned>(shape.elements()), 0.3f)));
    return node("Conv", name, {x, w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  };
  const ValueId x = graph.add_input("x", {DType::f32, {batch, 3, 6, 6}});
  const ValueId first = node("Relu", "relu", {conv("first", x, {8, 3, 3, 3})});
  graph.add_output(node("Add", "sum", {first, conv("second", first, {8, 8, 3, 3})}), "y");
  verify(graph);
  return graph;
}

class Pictures final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", random_tensor({1, 3, 6, 6}, 200 + static_cast<unsigned>(index))}};
  }
};

TEST(Reconstruct, Convolutions) {
  for (const char* algorithm : {"adaround", "autoround"}) {
    Graph graph = convolutions();
    const Pictures data;
    ThreadPool threads(1);
    QuantizeOptions options;
    options.data = &data;
    options.threads = &threads;
    AlgorithmSettings settings = {{"iterations", 30}};
    if (std::string(algorithm) == "adaround") settings["rate"] = 0.1;
    const QuantReport report = quantize_graph(graph, recipe_of(algorithm, settings), options);
    ASSERT_EQ(report.notes.size(), 2u);
    for (const LayerNote& note : report.notes) {
      EXPECT_FALSE(note.fallback) << note.text;
      EXPECT_NE(note.text.find("relative output error"), std::string::npos) << note.text;
    }
  }
}

/// Layers x + attention(x) of one head under a mask of -infinity that the first of them makes. Where there
/// are few tokens, the fewest numbers live between the masked scores and their softmax.
Graph masked_model(int layers, int64_t tokens) {
  constexpr int64_t kWidth = 16;
  Graph graph;
  graph.name = "masked";
  unsigned seed = 1;
  auto node = [&](std::string_view op, std::string name, std::vector<ValueId> inputs,
                  Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  };
  auto linear = [&](const std::string& name, ValueId x) {
    const Tensor w = random_tensor({kWidth, kWidth}, seed++, 0.25f);
    return node("MatMul", name, {x, graph.add_constant(name + ".w", Constant(w))});
  };
  auto number = [&](const char* name, float value) {
    return graph.add_constant(name, Constant(Tensor::from<float>({}, {value})));
  };
  ValueId x = graph.add_input("x", {DType::f32, {1, tokens, kWidth}});
  const ValueId seen = graph.add_input("seen", {DType::boolean, {1, 1, tokens}});
  const ValueId mask = node("Where", "mask", {seen, number("shown", 0), number("hidden", -HUGE_VALF)});
  for (int i = 0; i < layers; ++i) {
    const std::string name = "layers." + std::to_string(i);
    const ValueId keys = node("Transpose", name + ".turned", {linear(name + ".k", x)},
                              {{"perm", std::vector<int64_t>{0, 2, 1}}});
    const ValueId scores = node("MatMul", name + ".scores", {linear(name + ".q", x), keys});
    const ValueId weights =
        node("Softmax", name + ".weights", {node("Add", name + ".masked", {scores, mask})});
    const ValueId mixed = node("MatMul", name + ".mixed", {weights, linear(name + ".v", x)});
    x = node("Add", name + ".sum", {x, linear(name + ".o", mixed)});
  }
  graph.add_output(x, "y");
  verify(graph);
  return graph;
}

class Sentences final : public CalibrationData {
 public:
  explicit Sentences(int64_t tokens) : tokens_(tokens) {}
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    Tensor seen = Tensor::zeros(DType::boolean, {1, 1, tokens_});
    for (int64_t i = 0; i <= index && i < tokens_; ++i)
      seen.mutable_view().span<bool>()[static_cast<size_t>(i)] = true;
    return {{"x", random_tensor({1, tokens_, 16}, 300 + static_cast<unsigned>(index))}, {"seen", seen}};
  }

 private:
  int64_t tokens_;
};

/// int8-static fuses activations and residuals into layers before anything is learned.
TEST(Reconstruct, FusedLayersLearnToo) {
  Graph graph = convolutions();
  const Pictures data;
  ThreadPool threads(1);
  QuantizeOptions options;
  options.data = &data;
  options.threads = &threads;
  Recipe recipe = recipe_of("autoround", {{"iterations", 30}});
  recipe.static_activations = StaticActivations{};
  recipe.static_activations->measure = false;
  recipe.static_activations->floating_share = 0;
  const QuantReport report = quantize_graph(graph, recipe, options);
  int learned = 0;
  for (const LayerNote& note : report.notes)
    learned += note.algorithm == "autoround" && note.text.find("relative output error") != std::string::npos;
  EXPECT_EQ(learned, 2);
}

TEST(Reconstruct, MasksOfInfinityAreNoDifference) {
  for (const auto& [layers, tokens] : {std::pair{2, 24}, {1, 4}, {2, 4}})
    for (const char* algorithm : {"autoround", "adaround", "awq", "smoothquant"}) {
      Graph graph = masked_model(layers, tokens);
      const Sentences data(tokens);
      ThreadPool threads(1);
      QuantizeOptions options;
      options.data = &data;
      options.threads = &threads;
      AlgorithmSettings settings;
      if (std::string_view(algorithm) == "autoround") settings = {{"iterations", 40}};
      if (std::string_view(algorithm) == "adaround") settings = {{"iterations", 60}, {"rate", 0.1}};
      const QuantReport report = quantize_graph(graph, recipe_of(algorithm, settings), options);
      for (const LayerNote& note : report.notes)
        EXPECT_FALSE(note.fallback) << algorithm << ", " << layers << " of " << tokens << ": " << note.layer
                                    << ": " << note.text;
    }
}

TEST(Reconstruct, TheSeedDecidesNotTheThreads) {
  for (const char* algorithm : {"autoround", "omniquant"}) {
    const auto one = codes_of(quantized_by(recipe_of(algorithm, {{"batch", 2}}), 1));
    EXPECT_EQ(codes_of(quantized_by(recipe_of(algorithm, {{"batch", 2}}), 2)), one) << algorithm;
    EXPECT_NE(codes_of(quantized_by(recipe_of(algorithm, {{"batch", 2}}), 1, 2)), one) << algorithm;
  }
}

TEST(Reconstruct, SaysWhatItDidForEachLayer) {
  QuantReport report;
  quantized_by(recipe_of("autoround", {{"iterations", 50}}), 1, 1, &report);
  ASSERT_EQ(report.notes.size(), 6u);
  for (const LayerNote& note : report.notes) {
    EXPECT_FALSE(note.fallback);
    EXPECT_NE(note.text.find("relative output error"), std::string::npos) << note.text;
  }
}

TEST(Reconstruct, WhatHasNoRoundingToLearnIsReported) {
  Recipe recipe = recipe_of("autoround", {{"iterations", 5}});
  recipe.rules[0].weights->format = find_number_format("nf4");
  QuantReport report;
  quantized_by(recipe, 1, 1, &report);
  ASSERT_EQ(report.notes.size(), 6u);
  EXPECT_TRUE(report.notes[0].fallback);
  EXPECT_NE(report.notes[0].text.find("rounded to nearest"), std::string::npos);
}

}  // namespace
}  // namespace halftone
