#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "op_run.h"
#include "runtime/session.h"
#include "tune/sweep.h"

namespace halftone {
namespace {

/// y = x W^T of [rows, 256] and [96, 256].
Graph one_layer() {
  Graph graph;
  graph.name = "layer";
  const int64_t rows = graph.symbol("rows", 1, 64);
  const ValueId x = graph.add_input("x", {DType::f32, {rows, 256}});
  const ValueId w = graph.add_constant("w", Constant(random_tensor({96, 256}, 1)));
  graph.add_output(graph.add_node(*find_op("Gemm"), "layer", {x, w}, {{"transB", int64_t{1}}}).front(), "y");
  return graph;
}

/// The outputs, and whether a kernel of the backend computed the layer.
std::pair<std::vector<float>, bool> run(const Graph& graph, const Backend* backend, const Tensor& x) {
  ThreadPool threads(2);
  CompileOptions options;
  options.backend = backend;
  options.as_written = true;
  Session session(compile(graph, options, threads), threads);
  session.run({{"x", x.view()}});
  const bool fast = session.plan().steps().back().prepared != nullptr;
  const auto y = session.output("y").span<float>();
  return {{y.begin(), y.end()}, fast};
}

// Rows with integer activations: bit for bit what the reference gives. The others: to the rounding of f32.
TEST(FieldTable, FastAndSimulatedRowsAgree) {
  int integer = 0;
  for (const SweepVariant& variant : field_table(false)) {
    Graph graph = one_layer();
    quantize_graph(graph, variant.recipe, {});
    const bool activations = variant.recipe.rules[0].activations.has_value();
    for (int64_t rows : {1, 7, 33}) {
      Tensor x = random_tensor({rows, 256}, static_cast<unsigned>(rows));
      x.mutable_view().span<float>()[5] = 9;  // an outlier for LLM.int8()
      const auto [simulated, no] = run(graph, nullptr, x);
      const auto [made, fast] = run(graph, &cpu_backend(), x);
      EXPECT_FALSE(no);
      integer += fast && activations;
      for (size_t i = 0; i < made.size(); ++i)
        if (activations)
          ASSERT_EQ(made[i], simulated[i]) << variant.label << " " << rows << " rows, " << i;
        else
          ASSERT_NEAR(made[i], simulated[i], 1e-3f) << variant.label << " " << rows << " rows, " << i;
    }
  }
  EXPECT_GE(integer, 3 * 4);
}

}  // namespace
}  // namespace halftone
