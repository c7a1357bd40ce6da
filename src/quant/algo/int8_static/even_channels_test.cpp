#include "quant/algo/int8_static/even_channels.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"
#include "quant/algo/int8_static/channel_classes.h"
#include "quant/algo/int8_static/even_factors.h"
#include "quant/recipe.h"

namespace halftone {
namespace {

constexpr int64_t kSize = 10;
constexpr unsigned kSeed = 100;  ///< of the first sample, which is the one that tests run

class Samples final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", random_tensor({1, 3, kSize, kSize}, kSeed + static_cast<unsigned>(index))}};
  }
};

/// A convolution whose channels lie apart by powers of four.
ValueId add_conv(Graph& graph, const char* name, ValueId x, int64_t outputs, int64_t kernel,
                 const char* activation, int64_t groups = 1, ValueId residual = kNoValue) {
  const int64_t inputs = graph.value(x).type.shape[1] / groups;
  const unsigned seed = static_cast<unsigned>(graph.values().size());
  Tensor w = random_tensor({outputs, inputs, kernel, kernel}, seed);
  Tensor b = random_tensor({outputs}, seed + 1, 0.1f);
  const int64_t row = w.shape().elements() / outputs;
  for (int64_t o = 0; o < outputs; ++o) {
    const float size = std::exp2(2 * static_cast<float>(o % 5) - 4) / static_cast<float>(row);
    for (float& v :
         w.mutable_view().span<float>().subspan(static_cast<size_t>(o * row), static_cast<size_t>(row)))
      v *= size;
  }
  const std::string prefix(name);
  std::vector<ValueId> in{x, graph.add_constant(prefix + ".w", Constant(std::move(w))),
                          graph.add_constant(prefix + ".b", Constant(std::move(b)))};
  if (residual != kNoValue) in.push_back(residual);
  Attributes attributes = {{"pads", std::vector<int64_t>(4, kernel / 2)}, {"group", groups}};
  if (*activation) attributes.set("activation", std::string(activation));
  return graph.add_node(*find_op("Conv"), name, in, attributes).front();
}

/// Layers of each kind, what they make put side by side, added and pooled, and (`gated`) a head behind a
/// Sigmoid.
Graph network(bool gated = true) {
  Graph graph;
  graph.name = "network";
  const ValueId x = graph.add_input("x", {DType::f32, {1, 3, kSize, kSize}});
  const ValueId a = add_conv(graph, "a", x, 8, 3, "silu");
  const ValueId deep = add_conv(graph, "deep", a, 8, 3, "silu", 8);
  const ValueId b = add_conv(graph, "b", deep, 8, 1, "relu");
  const ValueId sum = graph.add_node(*find_op("Add"), "sum", {a, b}).front();
  const ValueId c = add_conv(graph, "c", sum, 6, 1, "leaky_relu");
  const ValueId d = add_conv(graph, "d", c, 6, 3, "relu", 1, c);
  const ValueId both = graph.add_node(*find_op("Concat"), "both", {sum, d}, {{"axis", int64_t{1}}}).front();
  const ValueId pooled =
      graph
          .add_node(*find_op("MaxPool"), "pooled", {both},
                    {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}})
          .front();
  const ValueId e = add_conv(graph, "e", pooled, 5, 1, "silu");
  if (!gated) {
    graph.add_output(e, "y");
    return graph;
  }
  const ValueId gate = graph.add_node(*find_op("Sigmoid"), "gate", {e}).front();
  graph.add_output(add_conv(graph, "head", gate, 4, 1, ""), "y");
  verify(graph);
  return graph;
}

std::vector<float> run(const Graph& graph, ThreadPool& threads) {
  CompileOptions how;
  how.exact = true;
  Session session(compile(graph, how, threads), threads);
  const Tensor x = Samples().sample(0).at("x");
  session.run({{"x", x.view()}});
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

void expect_close(const std::vector<float>& wanted, const std::vector<float>& found) {
  ASSERT_EQ(wanted.size(), found.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(found[i], wanted[i], 1e-5f * (1 + std::abs(wanted[i])));
}

/// Smallest and largest peak of a value's channels over the samples.
std::pair<float, float> peaks(const Graph& graph, const std::string& name, ThreadPool& threads) {
  CompileOptions how;
  how.exact = true;
  how.run_passes = false;
  Session session(compile(graph, how, threads), threads);
  std::vector<float> peak;
  session.observe([&](const Value& value, const TensorView& tensor) {
    if (value.name != name) return;
    peak.resize(static_cast<size_t>(tensor.shape[1]));
    const size_t inner = tensor.span<float>().size() / peak.size();
    for (size_t i = 0; i < tensor.span<float>().size(); ++i)
      peak[i / inner] = std::max(peak[i / inner], std::abs(tensor.span<float>()[i]));
  });
  for (int i = 0; i < Samples().samples(); ++i) {
    const Tensor x = Samples().sample(i).at("x");
    session.run({{"x", x.view()}});
  }
  const auto [least, most] = std::minmax_element(peak.begin(), peak.end());
  return {*least, *most};
}

std::vector<int32_t> classes_of(const Graph& graph, bool products, const std::string& name) {
  const ChannelClasses classes(graph, products);
  for (size_t id = 0; id < graph.values().size(); ++id)
    if (graph.values()[id].name == name) return classes.of(static_cast<ValueId>(id));
  return {};
}

QuantizeOptions options_with(const Samples& samples, ThreadPool& threads) {
  QuantizeOptions options;
  options.data = &samples;
  options.threads = &threads;
  return options;
}

TEST(EvenChannels, ChannelsBecomeAlikeAndTheAnswerStays) {
  ThreadPool threads(1);
  const Samples samples;
  Graph graph = network();
  const std::vector<float> wanted = run(graph, threads);
  const auto [small, large] = peaks(graph, "a", threads);
  EXPECT_GT(large, 8 * small);
  const std::vector<LayerNote> notes = even_out_channels(graph, true, options_with(samples, threads));
  expect_close(wanted, run(graph, threads));
  const auto [least, most] = peaks(graph, "a/even", threads);
  EXPECT_LT(most / least, 0.5f * large / small);
  std::vector<std::string> evened;
  for (const LayerNote& note : notes) evened.push_back(note.layer);
  EXPECT_EQ(evened, (std::vector<std::string>{"a", "deep", "b", "c", "d"}));
  EXPECT_EQ(notes[0].text.find("channels of its output evened out by a product"), 0u);
  EXPECT_EQ(notes[2].text.find("channels of its output evened out in its weights"), 0u);
}

TEST(EvenChannels, WithoutProductsSiluAndWhatMeetsItStay) {
  ThreadPool threads(1);
  const Samples samples;
  Graph graph = network();
  const size_t nodes = graph.nodes().size();
  const std::vector<float> wanted = run(graph, threads);
  const std::vector<LayerNote> notes = even_out_channels(graph, false, options_with(samples, threads));
  EXPECT_EQ(graph.nodes().size(), nodes);
  expect_close(wanted, run(graph, threads));
  for (const LayerNote& note : notes) EXPECT_TRUE(note.layer == "c" || note.layer == "d") << note.layer;
  EXPECT_EQ(classes_of(network(), false, "sum"), std::vector<int32_t>(8, 0));  // b is added to a
  EXPECT_NE(classes_of(network(), false, "d"), std::vector<int32_t>(6, 0));
}

/// What a tracker finds of its template are the weights that it looks for it with.
TEST(EvenChannels, ComputedWeightsStay) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 3, kSize, kSize}});
  const ValueId z = graph.add_input("z", {DType::f32, {2, 3, 3, 3}});
  const ValueId found = add_conv(graph, "found", z, 8, 3, "relu");
  const ValueId beside = add_conv(graph, "beside", found, 8, 1, "relu");
  const ValueId searched = add_conv(graph, "searched", x, 8, 3, "relu");
  const ValueId match = graph.add_node(*find_op("Conv"), "match", {searched, found}).front();
  graph.add_output(match, "y");
  graph.add_output(beside, "z2");
  verify(graph);
  EXPECT_EQ(classes_of(graph, true, "found"), std::vector<int32_t>(8, 0));
  EXPECT_EQ(classes_of(graph, true, "searched"), std::vector<int32_t>(8, 0));
}

/// A file may say so; the operator gives NaN for what is not there.
TEST(EvenChannels, IndicesBeyondTheChannelsTieNothing) {
  for (const int64_t index : {int64_t{8}, int64_t{-9}, int64_t{1} << 40}) {
    Graph graph;
    const ValueId x = graph.add_input("x", {DType::f32, {1, 3, kSize, kSize}});
    const ValueId a = add_conv(graph, "a", x, 8, 3, "relu");
    const ValueId indices = graph.add_constant("indices", Constant(Tensor::from<int64_t>({2}, {0, index})));
    const ValueId some =
        graph.add_node(*find_op("Gather"), "some", {a, indices}, {{"axis", int64_t{1}}}).front();
    graph.add_output(add_conv(graph, "b", some, 4, 1, ""), "y");
    EXPECT_EQ(classes_of(graph, true, "a"), std::vector<int32_t>(8, 0));
    EXPECT_EQ(classes_of(graph, true, "some"), std::vector<int32_t>(2, 0));
  }
}

TEST(EvenChannels, NothingRunsWhereNothingIsFree) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {1, 3, kSize, kSize}});
  graph.add_output(add_conv(graph, "only", x, 4, 3, "silu"), "y");
  EXPECT_TRUE(ChannelClasses(graph, true).free_values().empty());
  EXPECT_FALSE(ChannelClasses(network(), true).free_values().empty());
  EXPECT_TRUE(even_out_channels(graph, true, QuantizeOptions{}).empty());  // no data to run over
}

TEST(EvenChannels, IdleProductsGoIntoTheWeights) {
  ThreadPool threads(1);
  const Samples samples;
  Graph graph = network();
  const std::vector<float> wanted = run(graph, threads);
  even_out_channels(graph, true, options_with(samples, threads));
  // What a makes is added to another value: its product stays.
  EXPECT_EQ(fold_idle_products(graph), 1);
  expect_close(wanted, run(graph, threads));
}

TEST(EvenChannels, KnownFactorsGiveTheSameGraph) {
  ThreadPool threads(1);
  const Samples samples;
  Graph found = network(), given = network();
  even_out_channels(found, true, options_with(samples, threads));
  const EvenFactors factors = even_factors(found);
  EXPECT_EQ(factors.size(), 5u);
  even_out_channels(given, true, factors);
  EXPECT_EQ(graph_text(given), graph_text(found));
  EXPECT_EQ(run(given, threads), run(found, threads));
  const auto refused = [](const EvenFactors& wrong) {
    Graph graph = network();
    EXPECT_THROW(even_out_channels(graph, true, wrong), InputError);
  };
  refused({{"nobody", {1}}});
  refused({{"c", {1, 2}}});
  refused({{"c", {1, 1, 1, 1, 1, -1}}});
  refused({{"e", {1, 1, 1, 1, 2}}});                                   // a Sigmoid reads it
  refused({{"c", {1, 1, 1, 1, 1, 2}}, {"d", {1, 1, 1, 1, 1, 1.5f}}});  // added to one another
}

TEST(EvenChannels, FactorsWhoseInverseIsNoNumberAreRefused) {
  Graph graph = network();
  EXPECT_THROW(even_out_channels(graph, true, {{"c", {1, 1, 1, 1, 1, 1e-44f}}}), InputError);
}

TEST(EvenChannels, WeightsThatAreNotFiniteDivideNothing) {
  Graph graph = network();
  Value& weights = graph.value(graph.nodes()[1].inputs[1]);
  Tensor infinite = weights.constant->load();
  infinite.mutable_view().span<float>()[0] = -HUGE_VALF;  // behind it a Relu may leave finite numbers
  weights.constant = Constant(infinite);
  const ChannelClasses classes(graph, true);
  std::map<std::string, std::vector<ChannelSpread>> seen;
  for (const Value& value : graph.values())
    for (size_t c = 0; c < classes.of(graph.nodes()[0].outputs[0]).size(); ++c)
      if (value.name == "a") seen["a"].push_back({0, 1.0f + static_cast<float>(c), 8, 9, 9});
  for (const auto& [channel, factor] : choose_even_factors(graph, classes, seen)) EXPECT_EQ(factor, 1);
}

TEST(EvenChannels, LayersOfNoOutputsReadNothing) {
  Graph graph;
  const ValueId a = add_conv(graph, "a", graph.add_input("x", {DType::f32, {1, 3, kSize, kSize}}), 8, 1, "");
  graph.add_output(graph.add_node(*find_op("Relu"), "r", {a}).front(), "y");
  const ValueId none = graph.add_constant("none", Constant(Tensor::from<float>({0, 8, 1, 1}, {})));
  const ValueId b = add_conv(graph, "b", a, 8, 1, "relu");
  graph.add_output(graph.add_node(*find_op("Conv"), "empty", {b, none}).front(), "z");
  ThreadPool threads(1);
  const Samples samples;
  EXPECT_NO_THROW(even_out_channels(graph, true, options_with(samples, threads)));
}

TEST(EvenChannels, MoreChannelsThanCanBeCountedStay) {
  Graph graph;
  ValueId x = graph.add_input("x", {DType::f32, {1, int64_t{1} << 30, 1, 1}});
  for (const char* name : {"a", "b", "c"}) x = graph.add_node(*find_op("Relu"), name, {x}).front();
  graph.add_output(x, "y");
  EXPECT_EQ(ChannelClasses(graph, true).of(x), std::vector<int32_t>());
}

TEST(EvenChannels, ClassesFollowTheChannels) {
  const auto of = [](const char* name) { return classes_of(network(), true, name); };
  EXPECT_EQ(of("a"), of("b"));
  EXPECT_EQ(of("a"), of("sum"));
  EXPECT_EQ(of("c"), of("d"));  // a residual
  std::vector<int32_t> both = of("sum");
  const std::vector<int32_t> second = of("d");
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(of("both"), both);
  EXPECT_EQ(of("pooled"), both);
  EXPECT_EQ(of("e"), std::vector<int32_t>(5, 0));  // a Sigmoid reads it
  EXPECT_EQ(of("x"), std::vector<int32_t>(3, 0));
  EXPECT_EQ(of("a.b"), std::vector<int32_t>());
}

TEST(EvenChannels, StaticInt8GainsByThem) {
  ThreadPool threads(1);
  const Samples samples;
  const std::vector<float> wanted = run(network(false), threads);
  const auto decibels = [&](bool even) {
    Recipe recipe = find_recipe("int8-static");
    recipe.static_activations->even_channels = even;
    recipe.static_activations->measure = false;
    recipe.static_activations->floating_share = 0;
    Graph graph = network(false);
    quantize_graph(graph, recipe, options_with(samples, threads));
    const std::vector<float> found = run(graph, threads);
    double signal = 0, noise = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      signal += std::pow(double{wanted[i]}, 2);
      noise += std::pow(double{wanted[i]} - double{found[i]}, 2);
    }
    return 10 * std::log10(signal / noise);
  };
  EXPECT_GT(decibels(true), decibels(false) + 2);
}

}  // namespace
}  // namespace halftone
