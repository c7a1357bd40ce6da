#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "op_run.h"
#include "runtime/session.h"

namespace halftone {
namespace {

/// Convolutions, a pool and a resized value, joined along odd numbers of channels; one of the parts is read
/// again behind, one is joined twice.
Graph joined_graph(int64_t batch) {
  Graph graph;
  const auto conv = [&](const char* name, ValueId x, int64_t inputs, int64_t outputs, int64_t kernel,
                        int64_t group = 1) {
    const std::string weights = std::string(name) + ".w";
    const ValueId w =
        graph.add_constant(weights, Constant(random_tensor({outputs, inputs / group, kernel, kernel}, 7)));
    return graph
        .add_node(*find_op("Conv"), name, {x, w},
                  {{"pads", std::vector<int64_t>(4, kernel / 2)}, {"group", group}})
        .front();
  };
  const auto node = [&](const char* op, const char* name, std::vector<ValueId> inputs,
                        Attributes attributes) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  };
  const ValueId x = graph.add_input("x", {DType::f32, {batch, 12, 13, 10}});
  const ValueId narrow = conv("narrow", x, 12, 7, 1), wide = conv("wide", x, 12, 20, 3);
  const ValueId activated = node("Swish", "activated", {conv("before", x, 12, 17, 3)}, {});
  const ValueId deep = conv("deep", x, 12, 12, 3, 12), again = conv("again", x, 12, 9, 1);
  const ValueId pool =
      node("MaxPool", "pool", {x},
           {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>(4, 1)}});
  const ValueId first =
      node("Concat", "first", {narrow, wide, activated, deep, pool, again}, {{"axis", int64_t{1}}});
  const ValueId twice = conv("twice", first, 77, 8, 1);
  const ValueId second =
      node("Concat", "second", {twice, conv("last", first, 77, 5, 1), twice, again}, {{"axis", int64_t{1}}});
  graph.add_output(conv("end", second, 30, 3, 1), "y");
  return graph;
}

std::map<std::string, std::vector<float>> values_of(const Graph& graph, const CompileOptions& options,
                                                    int count, const Tensor& x) {
  ThreadPool threads(count);
  Session session(compile(graph, options, threads), threads);
  std::map<std::string, std::vector<float>> seen;
  session.observe([&](const Value& value, const TensorView& tensor) {
    const auto numbers = tensor.span<float>();
    seen[value.name].assign(numbers.begin(), numbers.end());
  });
  session.run({{"x", x.view()}});
  const auto y = session.output("y").span<float>();
  seen["y"].assign(y.begin(), y.end());
  return seen;
}

TEST(ConcatInPlace, EveryValueIsThatOfTheReferences) {
  for (int64_t batch : {1, 3}) {
    const Graph graph = joined_graph(batch);
    const Tensor x = random_tensor({batch, 12, 13, 10}, 3);
    auto expected = values_of(graph, {.run_passes = true}, 1, x);
    for (int threads : {1, 2}) {
      auto found = values_of(graph, {.backend = &cpu_backend()}, threads, x);
      size_t compared = 0;
      for (const auto& [name, numbers] : found) {
        if (!expected.contains(name)) continue;
        ++compared;
        ASSERT_EQ(numbers.size(), expected[name].size()) << name;
        for (size_t i = 0; i < numbers.size(); ++i)
          ASSERT_NEAR(numbers[i], expected[name][i], 2e-3f) << name << " at " << i;
      }
      EXPECT_GE(compared, 10u);
    }
  }
}

TEST(ConcatInPlace, ExplainSaysHowManyPartsAreNotCopied) {
  ThreadPool threads(1);
  const std::string text = compile(joined_graph(2), {.backend = &cpu_backend()}, threads)->explain();
  EXPECT_NE(text.find("Concat first -> concat, 5 of 6 parts made in their place"), std::string::npos) << text;
  EXPECT_NE(text.find("Concat second -> concat, 1 of 4 parts made in their place"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace halftone
