#include "quant/quantize_graph.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "base/error.h"
#include "graph/passes/dynamic_activations.h"
#include "quant/algorithm.h"
#include "quant/targets.h"

namespace halftone {
namespace {

/// A word model: embedding -> norm -> up -> down -> projection to the vocabulary, tied to the embedding or
/// not.
class WordModel {
 public:
  Graph graph;

  explicit WordModel(bool tied) {
    graph.name = "words";
    const int64_t tokens = graph.symbol("tokens", 1, 64);
    const ValueId ids = graph.add_input("ids", {DType::i64, {tokens}});
    const ValueId table = constant("embed.weight", {100, 64});
    const ValueId x = node("Gather", "embed", {table, ids}, {{"axis", int64_t{0}}});
    const ValueId norm = node("RMSNormalization", "norm", {x, constant("norm.weight", {64})});
    const ValueId up =
        node("Gemm", "mlp.up", {norm, constant("up.weight", {172, 64})}, {{"transB", int64_t{1}}});
    const ValueId down =
        node("Gemm", "mlp.down", {up, constant("down.weight", {64, 172})}, {{"transB", int64_t{1}}});
    const ValueId gate =
        node("Gemm", "gate", {down, constant("gate.weight", {4, 64})}, {{"transB", int64_t{1}}});
    const ValueId mixed = node("MatMul", "mix", {down, constant("mix.weight", {64, 48})});
    const ValueId head = tied ? table : constant("head.weight", {100, 64});
    graph.add_output(node("Gemm", "head", {down, head}, {{"transB", int64_t{1}}}), "logits");
    graph.add_output(gate, "gate");
    graph.add_output(mixed, "mixed");
    verify(graph);
  }

  std::string encoding(const std::string& name) const {
    for (const Value& value : graph.values())
      if (value.name == name) return value.constant->encoding() ? value.constant->encoding()->str() : "";
    return "no such constant";
  }

  ValueId node(std::string_view op, std::string name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  }

  ValueId constant(const std::string& name, const Shape& shape) {
    Tensor tensor = Tensor::allocate(DType::f32, shape);
    std::normal_distribution<float> normal;
    for (float& x : tensor.mutable_view().span<float>()) x = normal(random_);
    return graph.add_constant(name, Constant(std::move(tensor)));
  }

 private:
  std::mt19937 random_{1};
};

const LayerReport& layer(const QuantReport& report, const std::string& name) {
  for (const LayerReport& each : report.layers)
    if (each.layer == name) return each;
  throw std::out_of_range(name);
}

TEST(QuantizeGraph, FindsWeightsByStructure) {
  WordModel model(false);
  const QuantReport report = quantize_graph(model.graph, find_recipe("rtn-w4g32"));
  EXPECT_EQ(model.encoding("up.weight"), "int4 g32");
  EXPECT_EQ(model.encoding("down.weight"), "int4 g32");
  EXPECT_EQ(model.encoding("head.weight"), "int4 g32");
  EXPECT_EQ(model.encoding("mix.weight"), "int4 g32");
  EXPECT_EQ(model.encoding("embed.weight"), "");
  EXPECT_EQ(model.encoding("norm.weight"), "");
  EXPECT_EQ(model.encoding("gate.weight"), "");
  EXPECT_EQ(layer(report, "gate").kept, "fewer than 1024 elements");
  EXPECT_EQ(layer(report, "mlp.up").activations, "");
  ASSERT_EQ(report.layers.size(), 5u);
  EXPECT_EQ(report.layers[0].layer, "mlp.up");

  // 172 columns in groups of 32: six scales of f16 a row.
  EXPECT_EQ(layer(report, "mlp.down").bytes_before, 64 * 172 * 4);
  EXPECT_EQ(layer(report, "mlp.down").bytes_after, 64 * (86 + 12));
  EXPECT_LT(report.bytes_after, report.bytes_before);
  EXPECT_GT(report.bits_per_weight, 4.5);
  EXPECT_LT(report.bits_per_weight, 4.6);
}

TEST(QuantizeGraph, GroupsRunAlongTheInputsOfAProduct) {
  WordModel grouped(false);
  const QuantReport report = quantize_graph(grouped.graph, find_recipe("rtn-w4g32"));
  EXPECT_EQ(layer(report, "mix").weight, "mix.weight");
  EXPECT_EQ(layer(report, "mix").shape, (Shape{48, 64}));
  EXPECT_EQ(layer(report, "mix").bytes_after, 48 * (32 + 2 * 2));
}

TEST(QuantizeGraph, ScalesAreSearchedOnRequest) {
  Recipe recipe = find_recipe("rtn-w4g32");
  WordModel plain(false), searched(false);
  quantize_graph(plain.graph, recipe);
  recipe.algorithms = {{"rtn", {{"search_scales", 1}}}};
  quantize_graph(searched.graph, recipe);
  const WordModel original(false);
  for (size_t i = 0; i < original.graph.values().size(); ++i) {
    const auto& constant = original.graph.values()[i].constant;
    if (!constant || !plain.graph.values()[i].constant->encoding()) continue;
    EXPECT_EQ(plain.graph.values()[i].constant->encoding(), searched.graph.values()[i].constant->encoding());
    const Tensor wanted = constant->load(), a = plain.graph.values()[i].constant->load_encoded("a")->decode(),
                 b = searched.graph.values()[i].constant->load_encoded("b")->decode();
    double error = 0, error_searched = 0;
    for (size_t k = 0; k < wanted.span<float>().size(); ++k) {
      error += std::pow(a.span<float>()[k] - wanted.span<float>()[k], 2);
      error_searched += std::pow(b.span<float>()[k] - wanted.span<float>()[k], 2);
    }
    EXPECT_LT(error_searched, error) << original.graph.values()[i].name;
  }
}

TEST(QuantizeGraph, TiedTablesStayAtEightBits) {
  WordModel model(true);
  const QuantReport report = quantize_graph(model.graph, find_recipe("rtn-w4g32"));
  EXPECT_EQ(model.encoding("up.weight"), "int4 g32");
  EXPECT_EQ(model.encoding("embed.weight"), "int8 per-channel");
  EXPECT_EQ(layer(report, "head").encoding, "int8 per-channel");

  WordModel kept(true);
  Recipe recipe = find_recipe("rtn-w4g32");
  recipe.tied.reset();
  EXPECT_EQ(layer(quantize_graph(kept.graph, recipe), "head").kept, "the recipe keeps tied tables");
  EXPECT_EQ(kept.encoding("embed.weight"), "");
}

TEST(QuantizeGraph, PerChannelFollowsTheOutputs) {
  WordModel model(false);
  quantize_graph(model.graph, find_recipe("rtn-w8"));
  EXPECT_EQ(model.encoding("up.weight"), "int8 per-channel");
  EXPECT_EQ(model.encoding("mix.weight"), "int8 per-axis1");
}

TEST(QuantizeGraph, ActivationsGoOnTheUse) {
  WordModel model(false);
  const QuantReport report = quantize_graph(model.graph, find_recipe("rtn-w8a8"));
  EXPECT_EQ(layer(report, "mlp.up").activations, "int8 per-token dynamic");
  EXPECT_EQ(layer(report, "mix").activations, "");
  EXPECT_NE(graph_text(model.graph).find("Gemm(%norm{int8 per-token dynamic}, %up.weight)"),
            std::string::npos);
}

TEST(QuantizeGraph, TheFirstRuleThatMatchesDecides) {
  WordModel model(false);
  const Recipe recipe = parse_recipe(R"(
rules:
  - {match: head, keep: true}
  - {match: "mlp.*", weights: {format: nf4, group: 64, double_quant: 256}}
  - {match: "mpl.*", weights: {format: int2}}
  - {match: mix, weights: {format: int8, per: tensor}}
)",
                                     "r.yaml");
  const QuantReport report = quantize_graph(model.graph, recipe);
  EXPECT_EQ(model.encoding("up.weight"), "nf4 g64 dq256");
  EXPECT_EQ(model.encoding("head.weight"), "");
  EXPECT_EQ(model.encoding("mix.weight"), "int8 per-tensor");
  EXPECT_EQ(layer(report, "head").kept, "the recipe keeps it");
  EXPECT_EQ(layer(report, "gate").kept, "no rule matches");
  EXPECT_EQ(report.unmatched, std::vector<std::string>{"mpl.*"});
}

TEST(QuantizeGraph, Bf16RoundsInputsToo) {
  WordModel model(false);
  const QuantReport report = quantize_graph(model.graph, find_recipe("bf16"));
  EXPECT_EQ(layer(report, "mlp.down").encoding, "bf16");
  EXPECT_EQ(layer(report, "mlp.down").activations, "bf16");
  const int rounded = remove_rounded_activations(model.graph);
  EXPECT_EQ(rounded, static_cast<int>(report.layers.size()));
  EXPECT_EQ(round_activations(model.graph), rounded);
  EXPECT_EQ(round_activations(model.graph), 0);
}

TEST(QuantizeGraph, CodesAreThoseOfQuantize) {
  WordModel model(false);
  quantize_graph(model.graph, find_recipe("rtn-w4g32-affine"));
  for (const Value& value : model.graph.values()) {
    if (value.name != "down.weight") continue;
    const auto coded = value.constant->load_encoded("down.weight");
    const Tensor original = value.constant->load();
    const QuantizedTensor expected = quantize(original.view(), *value.constant->encoding(), "w");
    EXPECT_EQ(coded->decode().span<float>()[1000], expected.decode().span<float>()[1000]);
    EXPECT_EQ(coded->stored_bytes(), static_cast<size_t>(value.constant->stored_bytes()));
  }
}

/// Texts of a few words.
class Words final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < 20 + index; ++i) ids.push_back((i * 37 + index * 11) % 100);
    return {
        {"ids", Tensor::from<int64_t>({static_cast<int64_t>(ids.size())}, std::span<const int64_t>(ids))}};
  }
};

TEST(QuantizeGraph, EveryNamedRecipeApplies) {
  const Words words;
  ThreadPool threads(2);
  QuantizeOptions options;
  options.data = &words;
  options.threads = &threads;
  for (const std::string& name : recipe_names())
    for (bool tied : {false, true}) {
      WordModel model(tied);
      Recipe recipe = find_recipe(name);
      if (recipe.static_activations) recipe.static_activations->measure = false;
      for (AlgorithmStep& step : recipe.algorithms)  // long enough to run
        for (const AlgorithmSetting& setting : find_algorithm(step.name)->settings())
          if (setting.name == "iterations" || setting.name == "epochs")
            step.settings[std::string(setting.name)] = 2;
      const QuantReport report = quantize_graph(model.graph, recipe, options);
      EXPECT_LT(report.bytes_after, report.bytes_before) << name;
    }
}

TEST(QuantizeGraph, ASecondTimeIsRefused) {
  WordModel model(false);
  quantize_graph(model.graph, find_recipe("rtn-w8"));
  EXPECT_NO_THROW(quantize_graph(model.graph, find_recipe("rtn-w8a8")));  // the same weights
  try {
    quantize_graph(model.graph, find_recipe("rtn-w4"));
    FAIL();
  } catch (const UnsupportedError& error) {
    EXPECT_STREQ(error.what(), "up.weight is int8 per-channel already; quantize the floating-point model");
  }
}

TEST(QuantizeGraph, LayersThatShareWeightsMustAgree) {
  WordModel model(false);
  const ValueId up = model.graph.nodes()[2].inputs[1];
  const ValueId norm = model.graph.nodes()[2].inputs[0];
  model.graph.add_output(model.node("Gemm", "second", {norm, up}, {{"transB", int64_t{1}}}), "second");
  const QuantReport report = quantize_graph(model.graph, find_recipe("rtn-w4"));
  EXPECT_EQ(layer(report, "second").encoding, "int4 per-channel");
  EXPECT_EQ(layer(report, "second").bytes_after, 0);

  for (const char* rule : {"keep: true", "weights: {format: int8}"}) {
    WordModel other(false);
    other.graph.add_output(other.node("Gemm", "second", {norm, up}, {{"transB", int64_t{1}}}), "second");
    const Recipe recipe =
        parse_recipe(fmt::format("rules: [{{match: second, {}}}, {{weights: {{format: int4}}}}]", rule), "r");
    EXPECT_THROW(quantize_graph(other.graph, recipe), UsageError) << rule;
  }
}

TEST(QuantizeGraph, NothingToDoIsAnError) {
  WordModel model(false);
  const Recipe recipe = parse_recipe("rules: [{match: nothing, weights: {format: int4}}]", "r");
  try {
    quantize_graph(model.graph, recipe);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("no rule matches"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace halftone
