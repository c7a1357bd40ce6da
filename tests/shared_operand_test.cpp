#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "op_run.h"
#include "runtime/session.h"
#include "runtime/shared_steps.h"

namespace halftone {
namespace {

constexpr int64_t kColumns = 96;

Constant weights(int64_t rows, const char* format, unsigned seed) {
  Constant constant(random_tensor({rows, kColumns}, seed));
  constant.set_encoding(
      {.format = find_number_format(format), .granularity = Granularity::per_group(32), .symmetric = true});
  return constant;
}

/// q, k and v of one x, v in other bits if so wished; r of another value stands between k and v if so wished.
Graph projections(const char* last_format, bool interrupted) {
  Graph graph;
  const int64_t rows = graph.symbol("rows", 1, 4096);
  const ValueId x = graph.add_input("x", {DType::f32, {rows, kColumns}});
  unsigned seed = 0;
  const auto linear = [&](const std::string& name, ValueId from, int64_t outputs, const char* format) {
    const ValueId w = graph.add_constant(name + ".weight", weights(outputs, format, ++seed));
    return graph.add_node(*find_op("Gemm"), name, {from, w}, {{"transB", int64_t{1}}}).front();
  };
  const ValueId q = linear("q", x, kColumns, "int4");
  graph.add_output(q, "q");
  graph.add_output(linear("k", x, 40, "int4"), "k");
  if (interrupted) graph.add_output(linear("r", q, 16, "int4"), "r");
  graph.add_output(linear("v", x, 24, last_format), "v");
  return graph;
}

std::shared_ptr<const Plan> plan_of(const Graph& graph, ThreadPool& threads, bool kernels = true) {
  CompileOptions options;
  if (kernels) options.backend = &cpu_backend();
  return compile(graph, options, threads);
}

/// Names of the steps that find their input as the step before left it.
std::vector<std::string> sharing(const Plan& plan) {
  std::vector<std::string> names;
  for (size_t n = 0; n < plan.steps().size(); ++n)
    if (shares_with_step_before(plan, n)) names.push_back(plan.graph().nodes()[n].name);
  return names;
}

using Names = std::vector<std::string>;

TEST(SharedOperand, MatricesOfOneInputQuantizeItOnce) {
  ThreadPool threads(2);
  const auto plan = plan_of(projections("int4", false), threads);
  if (!plan->steps()[0].kernel.starts_with("gemm_int_")) GTEST_SKIP() << "no integer kernel here";
  EXPECT_EQ(sharing(*plan), Names({"k", "v"}));
  const std::string text = plan->explain();
  for (const char* name : {"k", "v"}) {
    const std::string line = text.substr(text.find(fmt::format("Gemm {} -> gemm_int_", name)));
    EXPECT_TRUE(line.substr(0, line.find('\n')).ends_with(", its input as the step before left it")) << text;
  }
  const std::string first = text.substr(0, text.find("Gemm k"));
  EXPECT_EQ(first.find("as the step before left it"), std::string::npos) << text;

  const auto references = plan_of(projections("int4", false), threads, false);
  Session ours(plan, threads), theirs(references, threads);
  for (int64_t rows : {1, 7, 33, 700}) {
    const Tensor x = random_tensor({rows, kColumns}, static_cast<unsigned>(rows));
    ours.run({{"x", x.view()}});
    theirs.run({{"x", x.view()}});
    for (const char* name : {"q", "k", "v"}) {
      const auto found = ours.output(name).span<float>(), expected = theirs.output(name).span<float>();
      EXPECT_TRUE(std::ranges::equal(found, expected)) << name << " of " << rows;
    }
  }
}

TEST(SharedOperand, NotAcrossOtherStepsNorInAnotherForm) {
  ThreadPool threads(1);
  const auto interrupted = plan_of(projections("int4", true), threads);
  if (!interrupted->steps()[0].kernel.starts_with("gemm_int_")) GTEST_SKIP() << "no integer kernel here";
  EXPECT_EQ(sharing(*interrupted), Names({"k"}));
  EXPECT_EQ(sharing(*plan_of(projections("int8", false), threads)), Names({"k"}));
}

}  // namespace
}  // namespace halftone
