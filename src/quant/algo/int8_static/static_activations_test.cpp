#include "quant/algo/int8_static/static_activations.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/passes/lower_codes.h"
#include "op_run.h"
#include "quant/recipe.h"
#include "quant/targets.h"

namespace halftone {
namespace {

class Samples final : public CalibrationData {
 public:
  explicit Samples(Shape shape, int count = 6) : shape_(shape), count_(count) {}
  int samples() const override { return count_; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", random_tensor(shape_, static_cast<unsigned>(100 + index))}};
  }

 private:
  Shape shape_;
  int count_;
};

/// x -> Conv + relu -> Conv + residual -> pooled -> Conv -> sigmoid.
Graph small_network() {
  Graph graph;
  graph.name = "small";
  unsigned seed = 1;
  const auto conv = [&](const char* name, ValueId x, int64_t outputs, int64_t kernel, const char* activation,
                        ValueId residual = kNoValue) {
    const Shape shape{outputs, graph.value(x).type.shape[1], kernel, kernel};
    const int64_t columns = shape.elements() / outputs;
    const float spread = 1 / std::sqrt(static_cast<float>(columns));
    const ValueId w =
        graph.add_constant(std::string(name) + ".w", Constant(random_tensor(shape, seed++, spread)));
    const ValueId b =
        graph.add_constant(std::string(name) + ".b", Constant(random_tensor({outputs}, seed++, 0.1f)));
    Attributes attributes = {{"pads", std::vector<int64_t>(4, kernel / 2)}};
    if (*activation) attributes.set("activation", std::string(activation));
    std::vector<ValueId> inputs = {x, w, b};
    if (residual != kNoValue) inputs.push_back(residual);
    return graph.add_node(*find_op("Conv"), name, inputs, attributes).front();
  };
  const ValueId x = graph.add_input("x", {DType::f32, {1, 3, 12, 12}});
  const ValueId a = conv("a", x, 8, 3, "relu");
  const ValueId b = conv("b", a, 8, 3, "silu", a);
  const ValueId pooled =
      graph
          .add_node(*find_op("MaxPool"), "pooled", {b},
                    {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}})
          .front();
  const ValueId scores = conv("c", pooled, 5, 1, "");
  graph.add_output(graph.add_node(*find_op("Sigmoid"), "s", {scores}).front(), "s");
  return graph;
}

/// Weights in int8, then static activations.
std::vector<LayerNote> quantize_network(Graph& graph, const Samples& samples, ThreadPool& threads,
                                        const StaticActivations& settings) {
  Recipe recipe = find_recipe("rtn-w8");
  recipe.minimum_elements = 0;
  const Graph original = graph;
  quantize_graph(graph, recipe);
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  return set_static_activations(graph, original, find_targets(original, recipe).quantized, settings, options);
}

StaticActivations settings_of(const char* observer, Requantization how) {
  StaticActivations settings;
  settings.observer.method = observer;
  settings.requantization = how;
  settings.measure = false;
  settings.floating_share = 0;
  return settings;
}

std::vector<float> run(const Graph& graph, ThreadPool& threads, const Tensor& x) {
  Session session(compile(graph, {}, threads), threads);
  session.run({{"x", x.view()}});
  const auto y = session.output(graph.output_names()[0]).span<float>();
  return {y.begin(), y.end()};
}

double decibels(const std::vector<float>& wanted, const std::vector<float>& found) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    signal += std::pow(wanted[i], 2);
    noise += std::pow(wanted[i] - found[i], 2);
  }
  return 10 * std::log10(signal / noise);
}

TEST(StaticActivations, TheQuantizedNetworkStaysClose) {
  ThreadPool threads(2);
  const Samples samples({1, 3, 12, 12});
  const Tensor x = random_tensor({1, 3, 12, 12}, 7);
  const std::vector<float> wanted = run(small_network(), threads, x);
  for (const char* observer : {"mse", "minmax", "percentile"})
    for (Requantization how : {Requantization::floating, Requantization::fixed}) {
      Graph graph = small_network();
      quantize_network(graph, samples, threads, settings_of(observer, how));
      EXPECT_TRUE(has_static_encodings(graph));
      EXPECT_GT(decibels(wanted, run(graph, threads, x)), 30) << observer;
    }
}

/// small_network() where the weights of some outputs are `share` of what they were, with biases and residuals
/// as they are.
Graph network_with_faint_outputs(float share) {
  Graph graph = small_network();
  for (const Node& node : graph.nodes()) {
    if (node.schema->name != "Conv") continue;
    Tensor w = to_f32(graph.value(node.inputs[1]).constant->load());
    Tensor copy = Tensor::from<float>(w.shape(), w.span<float>());
    const size_t row = w.span<float>().size() / static_cast<size_t>(w.shape()[0]);
    for (size_t o = 0; o < 2; ++o)
      for (float& x : copy.mutable_view().span<float>().subspan(2 * o * row, row)) x *= share;
    graph.value(node.inputs[1]).constant = Constant(copy);
  }
  return graph;
}

/// What batch normalization leaves of a channel that it has no use for.
TEST(StaticActivations, BiasesAndResidualsStayBesideFaintWeights) {
  ThreadPool threads(1);
  const Samples samples({1, 3, 12, 12});
  const Tensor x = random_tensor({1, 3, 12, 12}, 7);
  for (const float share : {1e-2f, 1e-4f, 1e-6f, 1e-9f, 1e-20f, 0.0f})
    for (const Requantization how : {Requantization::floating, Requantization::fixed}) {
      const std::vector<float> wanted = run(network_with_faint_outputs(share), threads, x);
      Graph graph = network_with_faint_outputs(share);
      Recipe recipe = find_recipe("int8-static");
      recipe.algorithms = {{"rtn"}};
      recipe.static_activations = settings_of("minmax", how);
      QuantizeOptions options;
      options.data = &samples;
      options.threads = &threads;
      quantize_graph(graph, recipe, options);
      EXPECT_GT(decibels(wanted, run(graph, threads, x)), 30) << share;
    }
}

/// Weights under scales of either sign, as quantizers that use the lowest code have them.
TEST(StaticActivations, ScalesOfWeightsMayBeNegative) {
  ThreadPool threads(1);
  const Samples samples({1, 3, 12, 12});
  const Tensor x = random_tensor({1, 3, 12, 12}, 7);
  const std::vector<float> wanted = run(small_network(), threads, x);
  Recipe recipe = find_recipe("rtn-w8");
  recipe.minimum_elements = 0;
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  for (const Requantization how : {Requantization::floating, Requantization::fixed}) {
    Graph graph = small_network();
    const Graph original = graph;
    const auto targets = find_targets(original, recipe).quantized;
    for (const QuantTarget& target : targets) {
      Constant& weight = *graph.value(target.weight).constant;
      const QuantizedTensor positive = quantize(weight.load().view(), target.encoding, "w");
      QuantizedTensor::Parts parts = positive.parts();
      Tensor codes = Tensor::from<uint8_t>(parts.codes.shape(), parts.codes.span<uint8_t>());
      std::vector<float> scales(static_cast<size_t>(parts.scales.shape().elements()));
      load_floats(parts.scales.view(), 0, scales);
      const size_t columns = static_cast<size_t>(positive.columns());
      for (size_t o = 0; o < scales.size(); o += 2) {
        scales[o] = -scales[o];
        for (uint8_t& code : codes.mutable_view().span<uint8_t>().subspan(o * columns, columns))
          code = static_cast<uint8_t>(256 - code);
      }
      parts.codes = codes;
      parts.scales = Tensor::allocate(DType::f16, parts.scales.shape());
      store_floats(scales, parts.scales.mutable_view(), 0);
      weight.set_encoded(std::make_shared<QuantizedTensor>(parts, "w"));
    }
    set_static_activations(graph, original, targets, settings_of("minmax", how), options);
    EXPECT_GT(decibels(wanted, run(graph, threads, x)), 30);
  }
}

TEST(StaticActivations, EveryDecisionHasItsReason) {
  ThreadPool threads(1);
  const Samples samples({1, 3, 12, 12}, 1);
  Graph graph = small_network();
  const std::vector<LayerNote> notes =
      quantize_network(graph, samples, threads, settings_of("minmax", Requantization::floating));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].layer, "s");
  EXPECT_EQ(notes[0].text, "stays floating: what it makes reaches no integer layer");
}

/// The first channel of what "wide" makes is a hundred times the others, and "next" takes no notice of it:
/// under one scale the codes of the others are too coarse.
Graph network_with_an_outlier() {
  Graph graph;
  graph.name = "outlier";
  const auto conv = [&](const char* name, ValueId x, int64_t outputs, int64_t row, int64_t column,
                        float value) {
    const int64_t inputs = graph.value(x).type.shape[1];
    Tensor w = random_tensor({outputs, inputs, 1, 1}, static_cast<unsigned>(outputs), 0.5f);
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t i = 0; i < inputs; ++i)
        if ((row < 0 || o == row) && i == column)
          w.mutable_view().span<float>()[static_cast<size_t>(o * inputs + i)] = value;
    const ValueId weights = graph.add_constant(std::string(name) + ".w", Constant(std::move(w)));
    return graph.add_node(*find_op("Conv"), name, {x, weights}).front();
  };
  const ValueId x = graph.add_input("x", {DType::f32, {1, 4, 6, 6}});
  const ValueId wide = conv("wide", x, 8, 0, 0, 100);
  const ValueId next = conv("next", wide, 7, -1, 0, 0);
  graph.add_output(conv("last", next, 3, 0, 0, 0.1f), "y");
  return graph;
}

TEST(StaticActivations, TheCostliestLayersStayFloatingWithTheirReason) {
  ThreadPool threads(1);
  const Samples samples({1, 4, 6, 6}, 4);
  StaticActivations settings = settings_of("minmax", Requantization::floating);
  Graph all = network_with_an_outlier();
  quantize_network(all, samples, threads, settings);
  settings.floating_share = 0.6;
  Graph some = network_with_an_outlier();
  const std::vector<LayerNote> notes = quantize_network(some, samples, threads, settings);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].layer, "next");
  EXPECT_TRUE(notes[0].text.starts_with("stays floating: its codes alone cost")) << notes[0].text;
  const Tensor x = random_tensor({1, 4, 6, 6}, 7);
  const std::vector<float> wanted = run(network_with_an_outlier(), threads, x);
  EXPECT_GT(decibels(wanted, run(some, threads, x)), decibels(wanted, run(all, threads, x)) + 15);
}

/// A 1x1 convolution "c" of 4 channels to 5.
Graph one_layer(const Shape& shape) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, shape});
  const ValueId w = graph.add_constant("w", Constant(random_tensor({5, 4, 1, 1}, 3)));
  graph.add_output(graph.add_node(*find_op("Conv"), "c", {x, w}).front(), "y");
  return graph;
}

/// One number of the first sample is a hundred times the others: a percentile cuts it off.
TEST(StaticActivations, RangesAreTakenByWhatTheyDoToTheModel) {
  class OnePeak final : public CalibrationData {
   public:
    int samples() const override { return 6; }
    std::map<std::string, Tensor> sample(int index) const override {
      Tensor x = random_tensor({1, 4, 40, 40}, static_cast<unsigned>(100 + index));
      if (index == 0) x.mutable_view().span<float>()[777] = 100;
      return {{"x", std::move(x)}};
    }
  } samples;
  ThreadPool threads(1);
  const Graph floating = one_layer({1, 4, 40, 40});
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  const auto loss = [&](const char* observer) {
    Recipe recipe = find_recipe("int8-static");
    recipe.static_activations = settings_of(observer, Requantization::floating);
    Graph graph = floating;
    const QuantReport report = quantize_graph(graph, recipe, options);
    const bool told = std::ranges::any_of(report.notes, [](const LayerNote& note) {
      return note.layer == "c" && note.text.starts_with("range of its input by ");
    });
    EXPECT_EQ(told, observer == std::string_view("search"));
    const Tensor peak = samples.sample(0).at("x");
    return decibels(run(floating, threads, peak), run(graph, threads, peak));
  };
  EXPECT_GT(loss("search"), loss("percentile") + 10);
}

/// Numbers whose codes are all rounded up: without correction every output is off by the same.
TEST(StaticActivations, BiasesTakeOffTheMeanOfRounding) {
  class Constants final : public CalibrationData {
   public:
    int samples() const override { return 2; }
    std::map<std::string, Tensor> sample(int) const override {
      Tensor x = Tensor::allocate(DType::f32, {1, 4, 3, 3});
      for (size_t i = 0; i < 36; ++i) x.mutable_view().span<float>()[i] = i == 0 ? 10.0f : 0.022f;
      return {{"x", std::move(x)}};
    }
  } samples;
  ThreadPool threads(1);
  const Graph floating = one_layer({1, 4, 3, 3});
  Graph graph = floating;
  Recipe recipe = find_recipe("int8-static");
  recipe.static_activations = settings_of("minmax", Requantization::floating);
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  quantize_graph(graph, recipe, options);
  const Tensor input = samples.sample(0).at("x");
  const std::vector<float> wanted = run(floating, threads, input), found = run(graph, threads, input);
  for (size_t o = 0; o < 5; ++o) {
    double shift = 0;
    for (size_t i = o * 9; i < (o + 1) * 9; ++i) shift += double{found[i]} - double{wanted[i]};
    EXPECT_NEAR(shift / 9, 0, 2e-3) << o;
  }
}

TEST(StaticActivations, MeasuredLayersKeepTheirMeaning) {
  ThreadPool threads(1);
  const Samples samples({1, 3, 12, 12}, 2);
  const Tensor x = random_tensor({1, 3, 12, 12}, 7);
  StaticActivations settings = settings_of("mse", Requantization::floating);
  settings.measure = true;
  Graph graph = small_network();
  quantize_network(graph, samples, threads, settings);
  EXPECT_GT(decibels(run(small_network(), threads, x), run(graph, threads, x)), 30);
}

TEST(StaticActivations, TheRecipeDoesBoth) {
  ThreadPool threads(1);
  const Samples samples({1, 3, 12, 12});
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  Recipe recipe = find_recipe("int8-static");
  recipe.static_activations->measure = false;
  Graph graph = small_network();
  const QuantReport report = quantize_graph(graph, recipe, options);
  ASSERT_EQ(report.layers.size(), 3u);
  EXPECT_TRUE(report.layers[0].activations.starts_with("u8 static"));
  EXPECT_TRUE(has_static_encodings(graph));
  Graph without = small_network();
  EXPECT_THROW(quantize_graph(without, recipe), UsageError);
}

TEST(StaticActivations, RecipesInYaml) {
  const Recipe recipe = parse_recipe(
      "rules: [{weights: {format: int8}}]\n"
      "static_activations: {observer: percentile, percentile: 99.9, symmetric: true, requantization: fixed, "
      "measure: false, floating_share: 0.1, noise: 15}\n",
      "r.yaml");
  ASSERT_TRUE(recipe.static_activations);
  EXPECT_EQ(recipe.static_activations->observer.method, "percentile");
  EXPECT_EQ(recipe.static_activations->observer.percentile, 99.9);
  EXPECT_TRUE(recipe.static_activations->observer.symmetric);
  EXPECT_EQ(recipe.static_activations->requantization, Requantization::fixed);
  EXPECT_FALSE(recipe.static_activations->measure);
  EXPECT_EQ(recipe.static_activations->floating_share, 0.1);
  EXPECT_EQ(recipe.static_activations->noise, 15);
  for (const char* wrong : {"{observer: best}", "{percentile: 200}", "{floating_share: 2}"})
    EXPECT_THROW(parse_recipe(std::string("rules: [{weights: {format: int8}}]\nstatic_activations: ") + wrong,
                              "r.yaml"),
                 InputError);
}

TEST(StaticActivations, NeedsData) {
  Graph graph = small_network();
  EXPECT_THROW(set_static_activations(graph, graph, {}, {}, {}), UsageError);
}

}  // namespace
}  // namespace halftone
