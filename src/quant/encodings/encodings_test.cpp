#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "graph/static_codes.h"
#include "op_run.h"
#include "quant/encodings/quantize_with_encodings.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// x -> Conv (u8 codes) -> MaxPool -> Conv, weights int8 per output.
Graph coded_graph() {
  Graph graph;
  const auto weights = [&](const char* name) {
    Constant constant(Tensor::from<float>({2, 2, 1, 1}, {1.0f, -0.5f, 0.25f, 0.1f}));
    Encoding encoding;
    encoding.format = find_number_format("int8");
    encoding.granularity = Granularity::per_axis(0);
    encoding.scale_dtype = DType::f32;
    constant.set_encoding(encoding);
    return graph.add_constant(name, constant);
  };
  const CodeScale codes{0.1f, 7};
  const ValueId x = graph.add_input("x", {DType::f32, {1, 2, 4, 4}});
  const ValueId a = graph.add_node(*find_op("Conv"), "a", {x, weights("a.w")}).front();
  set_codes_in(graph.nodes().back(), 0, codes);
  set_codes_out(graph.nodes().back(), 0, codes);
  const ValueId pool =
      graph.add_node(*find_op("MaxPool"), "pool", {a}, {{"kernel_shape", std::vector<int64_t>{2, 2}}})
          .front();
  set_codes_in(graph.nodes().back(), 0, codes);
  set_codes_out(graph.nodes().back(), 0, codes);
  const ValueId y = graph.add_node(*find_op("Conv"), "y", {pool, weights("y.w")}).front();
  set_codes_in(graph.nodes().back(), 0, codes);
  graph.add_output(y, "y");
  return graph;
}

EncodingFile file_of(const std::string& text) {
  const fs::path path = fs::path(testing::TempDir()) / fmt::format("encodings_{}.json", ::getpid());
  std::ofstream(path) << text;
  const EncodingFile file = read_encodings(path);
  fs::remove(path);
  return file;
}

AppliedEncodings apply(Graph& graph, const std::string& text, const std::set<std::string>& known = {}) {
  return apply_encodings(graph, file_of(text), known);
}

constexpr const char* kLists = R"({"version": "1.0.0",
  "activation_encodings": [{"name": "a", "dtype": "INT", "enc_type": "PER_TENSOR", "bw": 8, "is_sym": false, "scale": [0.5], "offset": [-3]}],
  "param_encodings": [{"name": "a.w", "dtype": "INT", "enc_type": "PER_CHANNEL", "bw": 4, "is_sym": true, "scale": [0.25, 0.05], "offset": [-8, -8]}]})";
constexpr const char* kObjects = R"({"version": "0.6.1",
  "activation_encodings": {"a": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "min": -1.5, "max": 126, "scale": 0.5, "offset": -3}]},
  "param_encodings": {"a.w": [{"bitwidth": 4, "dtype": "int", "is_symmetric": "True", "scale": 0.25, "offset": -8},
                              {"bitwidth": 4, "dtype": "int", "is_symmetric": "True", "scale": 0.05, "offset": -7}]}})";

TEST(Encodings, BothVersionsSayTheSame) {
  for (const char* text : {kLists, kObjects}) {
    Graph graph = coded_graph();
    const AppliedEncodings applied = apply(graph, text);
    EXPECT_EQ(applied.activations, 1);
    EXPECT_EQ(applied.parameters, 1);
    EXPECT_EQ(applied.unnamed, std::vector<std::string>{"x"});
    // The pool only moves numbers: its values go along.
    for (size_t node : {size_t{1}, size_t{2}})
      EXPECT_EQ(codes_in(graph.nodes()[node], 0), (CodeScale{0.5f, 3}));
    EXPECT_EQ(codes_out(graph.nodes()[0], 0), (CodeScale{0.5f, 3}));
    EXPECT_EQ(codes_in(graph.nodes()[0], 0), (CodeScale{0.1f, 7}));
    const auto weights = graph.value(graph.nodes()[0].inputs[1]).constant->load_encoded("a.w");
    EXPECT_EQ(weights->encoding().str(), "int4 per-channel f32-scales");
    const Tensor decoded = weights->decode();
    const std::vector<float> expected = {1.0f, -0.5f, 0.25f, 0.1f};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(decoded.span<float>()[i], expected[i], 1e-6f);
  }
}

TEST(Encodings, TheRangeStandsForTheScale) {
  const EncodingFile file = file_of(
      R"({"activation_encodings": {"a": [{"bitwidth": 8, "min": -1, "max": 1.55}]}, "param_encodings": {}})");
  EXPECT_FLOAT_EQ(file.activations[0].scales[0], 0.01f);
  EXPECT_EQ(file.activations[0].offsets[0], -100);
}

TEST(Encodings, WhatIsWrittenReadsBack) {
  Graph graph = coded_graph();
  apply(graph, kLists);
  const std::string text = encodings_json(graph).dump();
  Graph again = coded_graph();
  const AppliedEncodings applied = apply(again, text);
  EXPECT_TRUE(applied.unnamed.empty() && applied.unused.empty());
  EXPECT_EQ(graph_text(again), graph_text(graph));
  EXPECT_EQ(encodings_json(again).dump(), text);
}

/// An output without weights has scale 0 here, which the form does not know.
TEST(Encodings, OutputsWithoutWeightsReadBack) {
  Graph graph = coded_graph();
  Constant& weights = *graph.value(graph.nodes()[0].inputs[1]).constant;
  const Encoding encoding = *weights.encoding();
  weights = Constant(Tensor::from<float>({2, 2, 1, 1}, {0, 0, 0.25f, 0.1f}));
  weights.set_encoding(encoding);
  const EncodingFile file = file_of(encodings_json(graph).dump());
  EXPECT_EQ(file.parameters[0].scales, (std::vector<float>{1, 0.25f / 127}));
  apply_encodings(graph, file, {});
  const Tensor decoded = graph.value(graph.nodes()[0].inputs[1]).constant->load_encoded("a.w")->decode();
  EXPECT_EQ(decoded.span<float>()[0], 0);
  EXPECT_NEAR(decoded.span<float>()[3], 0.1f, 1e-3f);
}

TEST(Encodings, WeightsThatAreNotFiniteAreNamed) {
  for (const float wrong : {NAN, HUGE_VALF}) {
    Graph graph = coded_graph();
    Constant& weights = *graph.value(graph.nodes()[0].inputs[1]).constant;
    const Encoding encoding = *weights.encoding();
    weights = Constant(Tensor::from<float>({2, 2, 1, 1}, {1, 0, wrong, 0.1f}));
    weights.set_encoding(encoding);
    try {
      apply(graph, kLists);
      ADD_FAILURE() << "not refused";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("\"a.w\": element 2 of the weights is"), std::string::npos)
          << error.what();
    }
  }
}

std::string refusal(const std::string& text) {
  Graph graph = coded_graph();
  try {
    apply(graph, text, {"gone"});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Encodings, EvenChannelsAreTold) {
  Graph graph = coded_graph();
  EXPECT_FALSE(encodings_json(graph).contains("even_channels"));
  EXPECT_TRUE(file_of(kLists).even_channels.empty());
  graph.nodes()[0].attributes.set("even_channels", std::vector<float>{0.1f, 1});
  const EncodingFile file = file_of(encodings_json(graph).dump());
  EXPECT_EQ(file.even_channels, (EvenFactors{{graph.nodes()[0].name, {0.1f, 1}}}));
  EXPECT_THROW(file_of(R"({"even_channels": 1, "activation_encodings": []})"), InputError);
}

TEST(Encodings, MistakesAreNamed) {
  const auto one = [](const std::string& name, const std::string& rest) {
    return R"({"activation_encodings": [{"name": ")" + name + R"(", )" + rest + "}]}";
  };
  const std::string good = R"("bw": 8, "is_sym": false, "scale": [0.5], "offset": [-3])";
  EXPECT_EQ(refusal(one("a", good)), "");
  EXPECT_EQ(refusal(one("gone", good)), "");
  EXPECT_NE(refusal(one("poool", good)).find("no \"poool\"; did you mean 'pool'?"), std::string::npos);
  EXPECT_NE(refusal(one("a", R"("bw": 16, "scale": [0.5], "offset": [-3])")).find("16 bits"),
            std::string::npos);
  EXPECT_NE(refusal(one("a", R"("bw": 8, "scale": [0], "offset": [-3])")).find("positive"),
            std::string::npos);
  for (const char* scale : {"1e-300", "1e300"})
    EXPECT_NE(
        refusal(one("a", fmt::format(R"("bw": 8, "scale": [{}], "offset": [-3])", scale))).find("positive"),
        std::string::npos);
  EXPECT_NE(refusal(one("a", R"("bw": 8, "scale": [0.5], "offset": [3])")).find("offset"), std::string::npos);
  EXPECT_NE(refusal(one("a", R"("bw": 8, "scale": [0.5, 1], "offset": [-3])")).find("2 scales and 1 offsets"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"activation_encodings": [{"name": "a", )" + good +
                    R"(}, {"name": "pool", "bw": 8, "scale": [0.25], "offset": [-3]}]})")
                .find("share one scale"),
            std::string::npos);
  EXPECT_NE(
      refusal(
          R"({"param_encodings": [{"name": "a.w", "bw": 8, "scale": [1, 1, 1], "offset": [-128, -128, -128]}]})")
          .find("3 scales for weights of shape [2, 2, 1, 1]"),
      std::string::npos);
  EXPECT_NE(refusal(R"({"param_encodings": [{"name": "a.w", "bw": 8, "scale": [1], "offset": [-100]}]})")
                .find("symmetric"),
            std::string::npos);
  EXPECT_NE(refusal(one("a", R"("bw": 8.5, "scale": [0.5], "offset": [-3])")).find("8.5 bits"),
            std::string::npos);
  EXPECT_THROW(file_of("[]"), InputError);
}

class Pictures final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", random_tensor({1, 3, 8, 8}, static_cast<unsigned>(40 + index))}};
  }
};

Graph floating_graph() {
  Graph graph;
  const auto weights = [&](const char* name, unsigned seed, int64_t channels) {
    return graph.add_constant(name, Constant(random_tensor({4, channels, 3, 3}, seed)));
  };
  const ValueId x = graph.add_input("x", {DType::f32, {1, 3, 8, 8}});
  const ValueId a = graph.add_node(*find_op("Conv"), "a", {x, weights("a.w", 1, 3)}).front();
  const ValueId r = graph.add_node(*find_op("Relu"), "r", {a}).front();
  graph.add_output(graph.add_node(*find_op("Conv"), "y", {r, weights("y.w", 2, 4)}).front(), "y");
  return graph;
}

std::vector<float> biases(const Graph& graph) {
  std::vector<float> all;
  for (const Node& node : graph.nodes())
    if (node.schema->name == "Conv" && node.inputs.size() > 2) {
      const Tensor bias = graph.value(node.inputs[2]).constant->load();
      all.insert(all.end(), bias.span<float>().begin(), bias.span<float>().end());
    }
  return all;
}

TEST(Encodings, BiasesAreCorrectedForTheScalesOfTheFile) {
  ThreadPool threads(1);
  const Pictures pictures;
  QuantizeOptions options;
  options.data = &pictures;
  options.threads = &threads;
  Recipe recipe = find_recipe("int8-static");
  recipe.static_activations->measure = recipe.static_activations->even_channels = false;
  recipe.static_activations->floating_share = 0;
  recipe.static_activations->observer.method = "minmax";
  Graph graph = floating_graph();
  quantize_graph(graph, recipe, options);
  ASSERT_EQ(biases(graph).size(), 8u);

  recipe.static_activations->observer.method = "percentile";
  recipe.static_activations->observer.percentile = 90;
  Graph calibrated = floating_graph(), given = floating_graph();
  quantize_graph(calibrated, recipe, options);
  EXPECT_NE(biases(calibrated), biases(graph));
  quantize_with_encodings(given, recipe, options, file_of(encodings_json(graph).dump()));
  EXPECT_EQ(biases(given), biases(graph));
}

TEST(Encodings, OffsetsOfThirtyTwoBitsAreRead) {
  const EncodingFile file = file_of(
      R"({"param_encodings": [{"name": "a.b", "bw": 32, "is_sym": false, "scale": [1e-6], "offset": [-4294967295]}]})");
  EXPECT_EQ(file.parameters[0].offsets, std::vector<int64_t>{-4294967295});
}

}  // namespace
}  // namespace halftone
