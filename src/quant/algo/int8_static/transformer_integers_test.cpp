#include <cmath>
#include <gtest/gtest.h>

#include "graph/passes/lower_codes.h"
#include "op_run.h"
#include "quant/algo/int8_static/part_outlier_units.h"
#include "quant/algo/int8_static/prepare_graph.h"

namespace halftone {
namespace {

constexpr int64_t kRows = 12, kWidth = 16, kUnits = 40;

class Rows final : public CalibrationData {
 public:
  int samples() const override { return 4; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", random_tensor({kRows, kWidth}, static_cast<unsigned>(50 + index))}};
  }
};

/// Two blocks of a transformer without attention: x + Gemm(Gelu(Gemm(LayerNormalization(x)))). One unit of
/// the first is far larger than the others and writes to one channel of the stream.
struct Blocks {
  Graph graph;
  unsigned seed = 1;

  ValueId constant(const std::string& name, const Shape& shape, float spread) {
    return graph.add_constant(name, Constant(random_tensor(shape, seed++, spread)));
  }
  ValueId node(const char* op, const std::string& name, std::vector<ValueId> inputs, Attributes how = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(how)).front();
  }
  ValueId layer(const std::string& name, ValueId x, int64_t in, int64_t out, bool loud) {
    Tensor w = random_tensor({out, in}, seed++, 1 / std::sqrt(static_cast<float>(in)));
    Tensor b = random_tensor({out}, seed++, 0.1f);
    if (loud) b.mutable_view().span<float>()[7] = 300;
    if (loud)
      for (int64_t i = 0; i < in; ++i) w.mutable_view().span<float>()[static_cast<size_t>(7 * in + i)] *= 30;
    return node(
        "Gemm", name,
        {x, graph.add_constant(name + ".w", Constant(w)), graph.add_constant(name + ".b", Constant(b))},
        {{"transB", int64_t{1}}});
  }
  ValueId norm(const std::string& name, ValueId x) {
    return node("LayerNormalization", name,
                {x, constant(name + ".scale", {kWidth}, 1), constant(name + ".shift", {kWidth}, 0.1f)});
  }
  ValueId block(const std::string& name, ValueId x, bool loud) {
    const ValueId hidden = layer(name + ".up", norm(name + ".norm", x), kWidth, kUnits, loud);
    const ValueId down = layer(name + ".down", node("Gelu", name + ".gelu", {hidden}), kUnits, kWidth, false);
    return node("Add", name, {down, x});
  }

  Blocks() {
    const ValueId x = graph.add_input("x", {DType::f32, {kRows, kWidth}});
    const ValueId begin = node("Add", "begin", {layer("in", x, kWidth, kWidth, false), x});
    graph.add_output(
        layer("out", norm("last", block("two", block("one", begin, true), false)), kWidth, 5, false), "y");
  }
};

std::vector<float> answer(const Graph& graph, ThreadPool& threads) {
  CompileOptions how;
  how.exact = true;
  Session session(compile(graph, how, threads), threads);
  const Tensor x = random_tensor({kRows, kWidth}, 99);
  session.run({{"x", x.view()}});
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

double noise(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, power = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(double{a[i]} - double{b[i]}, 2);
    power += std::pow(double{a[i]}, 2);
  }
  return error / power;
}

QuantizeOptions options_with(const Rows& rows, ThreadPool& threads) {
  QuantizeOptions options;
  options.data = &rows;
  options.threads = &threads;
  return options;
}

TEST(TransformerIntegers, UnitsApartComputeWhatTheyDid) {
  const Rows rows;
  ThreadPool threads(1);
  Blocks blocks;
  const std::vector<float> before = answer(blocks.graph, threads);
  const std::vector<LayerNote> notes = part_outliers(blocks.graph, options_with(rows, threads), 1);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].layer, "one.up");
  EXPECT_EQ(notes[0].text, "1 of its 40 units, over 4 times the others, have layers of their own");
  EXPECT_LT(noise(before, answer(blocks.graph, threads)), 1e-9);
  const std::string text = graph_text(blocks.graph);
  EXPECT_NE(text.find("Gemm(%one.norm, %one.up.w/outliers, %one.up.b/outliers)"), std::string::npos) << text;
}

TEST(TransformerIntegers, UnitsOfLayersBelowTheMinimumStay) {
  const Rows rows;
  ThreadPool threads(1);
  Blocks blocks;
  const std::string before = graph_text(blocks.graph);
  EXPECT_TRUE(part_outliers(blocks.graph, options_with(rows, threads), int64_t{1} << 62).empty());
  EXPECT_EQ(graph_text(blocks.graph), before);
}

TEST(TransformerIntegers, TheStreamHasSixteenBits) {
  const Rows rows;
  ThreadPool threads(1);
  Recipe recipe = find_recipe("int8-static");
  recipe.static_activations->integer_only = true;
  recipe.algorithms = {{"rtn"}};
  recipe.minimum_elements = 1;
  const std::vector<float> wanted = answer(Blocks().graph, threads);
  Blocks blocks;
  quantize_graph(blocks.graph, recipe, options_with(rows, threads));
  EXPECT_LT(noise(wanted, answer(blocks.graph, threads)), 0.005);
  // The sums of the stream and what is added to it, but not what the layers read.
  lower_codes(blocks.graph);
  std::map<std::string, bool> wide;
  for (const Value& value : blocks.graph.values())
    if (value.storage.codes) wide[value.name] = value.storage.wide();
  for (const char* name : {"begin", "one", "two", "one.down", "two.down", "one.down/outliers", "in"})
    EXPECT_TRUE(wide.at(name)) << name;
  for (const char* name : {"one.norm", "last", "two.gelu"}) EXPECT_FALSE(wide.at(name)) << name;
}

}  // namespace
}  // namespace halftone
