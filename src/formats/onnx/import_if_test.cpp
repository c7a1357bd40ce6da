#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/onnx/import_onnx.h"
#include "formats/onnx/test_onnx.h"
#include "formats/test_folder.h"

namespace halftone {
namespace {

using T = TestOnnx;

Graph import(const TestOnnx& model, const OnnxImportOptions& options = {}) {
  const TestFolder folder;
  folder.write("model.onnx", model.bytes());
  return import_onnx(folder / "model.onnx", options);
}

std::string complaint(const TestOnnx& model) {
  try {
    import(model);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// y = If(rate == 16000) Relu(x + w) else `other`(x), with w a tensor of the branch.
TestOnnx rate_model(const std::string& other = "Neg") {
  TestOnnx model;
  model.inputs = {T::value("x", {T::dim("N"), T::dim(2)}), T::value("rate", {}, T::kInt64)};
  model.outputs = {T::value("y", {T::dim("N"), T::dim(2)})};
  model.initializers = {T::tensor<int64_t>("fast", {}, {16000}, T::kInt64)};
  // The branches read "x" and each other's names; `If` stands before what it waits for.
  model.nodes = {T::node("If", {"is_fast"}, {"y"},
                         {T::branch("then_branch",
                                    {T::node("Add", {"x", "w"}, {"sum"}), T::node("Relu", {"sum"}, {"out"})},
                                    {"out"}, {T::tensor<float>("w", {2}, {1, 2}, T::kFloat)}),
                          T::branch("else_branch", {T::node(other, {"shifted"}, {"sum"})}, {"sum"})}),
                 T::node("Abs", {"x"}, {"shifted"}), T::node("Equal", {"rate", "fast"}, {"is_fast"})};
  return model;
}

TEST(OnnxIf, AConstantConditionTakesItsBranch) {
  OnnxImportOptions options;
  options.constants["rate"] = Tensor::from<double>({}, {16000});
  const std::string fast = graph_text(import(rate_model(), options));
  EXPECT_NE(fast.find("%out: f32[N, 2] = Relu(%sum)"), std::string::npos) << fast;
  EXPECT_EQ(fast.find("Neg"), std::string::npos) << fast;
  EXPECT_EQ(fast.find("input %rate"), std::string::npos) << fast;
  options.constants["rate"] = Tensor::from<int64_t>({}, {8000});
  const std::string slow = graph_text(import(rate_model(), options));
  EXPECT_NE(slow.find("= Neg(%shifted)"), std::string::npos) << slow;
  EXPECT_EQ(slow.find("Relu"), std::string::npos) << slow;
}

TEST(OnnxIf, OtherwiseBothBranchesRunAndWhereChooses) {
  const std::string text = graph_text(import(rate_model()));
  EXPECT_NE(text.find("= Neg(%shifted)"), std::string::npos) << text;
  EXPECT_NE(text.find("%y: f32[N, 2] = Where(%is_fast, %out, %sum_1)"), std::string::npos) << text;
}

TEST(OnnxIf, RanksSettleConditions) {
  TestOnnx model;
  model.inputs = {T::value("x", {T::dim("N"), T::dim(1)})};
  model.outputs = {T::value("y", {T::dim("N")})};
  model.initializers = {T::tensor<int64_t>("two", {}, {2}, T::kInt64), T::ints("axis", {1})};
  model.nodes = {T::node("Shape", {"x"}, {"sizes"}), T::node("Size", {"sizes"}, {"rank"}),
                 T::node("Equal", {"rank", "two"}, {"is_matrix"}),
                 T::node("If", {"is_matrix"}, {"y"},
                         {T::branch("then_branch", {T::node("Squeeze", {"x", "axis"}, {"out"})}, {"out"}),
                          T::branch("else_branch", {}, {"x"})})};
  const std::string text = graph_text(import(model));
  EXPECT_NE(text.find("%out: f32[N] = Squeeze(%x, %axis)"), std::string::npos) << text;
}

/// Of sizes that only the run knows, but both branches' are the same.
TEST(OnnxIf, BranchesOfTheSameUnknownSizes) {
  const auto model = [](const std::string& other) {
    TestOnnx made = rate_model();
    made.inputs[0] = T::value("in", {T::dim("N"), T::dim("M")});
    made.inputs.push_back(T::value("other", {T::dim("O"), T::dim("L")}));
    made.outputs = {T::value("y", {T::dim("P"), T::dim("Q")})};
    made.initializers.push_back(T::ints("all", {-1, 2}));
    made.nodes.push_back(T::node("Reshape", {"in", "all"}, {"x"}));
    made.nodes.push_back(T::node("Reshape", {"other", "all"}, {"also"}));
    made.nodes[0] = T::node("If", {"is_fast"}, {"y"},
                            {T::branch("then_branch", {T::node("Relu", {"x"}, {"out"})}, {"out"}),
                             T::branch("else_branch", {T::node("Neg", {other}, {"out"})}, {"out"})});
    return made;
  };
  EXPECT_EQ(complaint(model("x")), "");
  EXPECT_NE(complaint(model("also")).find("only the run decides"), std::string::npos);
}

TEST(OnnxIf, RefusesBranchesThatDiffer) {
  const std::string text = complaint(rate_model("Shape"));
  EXPECT_NE(text.find("a branch that makes f32 [s0, 2] and one that makes i64 [2]"), std::string::npos)
      << text;
  EXPECT_NE(text.find("this one depends on \"rate\", whose"), std::string::npos) << text;
}

TEST(OnnxIf, RefusesWhatIsBroken) {
  TestOnnx model = rate_model();
  model.nodes[0] = T::node("If", {"is_fast"}, {"y"}, {T::branch("then_branch", {}, {"x"})});
  EXPECT_NE(complaint(model).find("If: it has no else_branch"), std::string::npos) << complaint(model);
  model.nodes[0] = T::node("If", {"is_fast"}, {"y", "z"},
                           {T::branch("then_branch", {}, {"x"}), T::branch("else_branch", {}, {"x"})});
  EXPECT_NE(complaint(model).find("2 outputs of a branch that makes 1"), std::string::npos)
      << complaint(model);
  model.nodes[0] =
      T::node("If", {"x"}, {"y"}, {T::branch("then_branch", {}, {"x"}), T::branch("else_branch", {}, {"x"})});
  EXPECT_NE(complaint(model).find("expected a condition of one bool"), std::string::npos) << complaint(model);
  model.nodes[0] = T::node("If", {"is_fast"}, {"y"},
                           {T::branch("then_branch", {T::node("Neg", {"y"}, {"out"})}, {"out"}),
                            T::branch("else_branch", {}, {"x"})});
  EXPECT_NE(complaint(model).find("cycle"), std::string::npos) << complaint(model);
  std::string nested = T::node("Neg", {"x"}, {"out"});
  for (int depth = 0; depth < 40; ++depth)
    nested = T::node("If", {"is_fast"}, {"out"}, {T::branch("then_branch", {nested}, {"out"})});
  model.nodes[0] = nested;
  EXPECT_NE(complaint(model).find("more than 16 deep"), std::string::npos) << complaint(model);
}

TEST(OnnxIf, ConstantsMustNameInputs) {
  OnnxImportOptions options;
  options.constants["rat"] = Tensor::from<double>({}, {1});
  EXPECT_THROW(import(rate_model(), options), UsageError);
}

}  // namespace
}  // namespace halftone
