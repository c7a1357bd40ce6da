#include <gtest/gtest.h>
#include <map>

#include "backend/cpu/cpu.h"
#include "formats/npy.h"
#include "formats/onnx/import_onnx.h"
#include "graph/passes/pattern.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

/// A small model as onnxruntime's quantizer left it, and its answer (tools/goldens/onnx_quantized.py).
class Quantized {
 public:
  explicit Quantized(const std::string& name) : name_(name) {
    CompileOptions options;
    options.backend = &cpu_backend();
    Graph graph = import_onnx(folder() / (name + ".onnx"));
    const Node& last = graph.nodes().back();
    if (last.schema->name == "DequantizeLinear") step_ = *scalar_constant(graph, last.inputs[1]);
    plan_ = compile(std::move(graph), options, threads_);
  }

  /// How far the answer is from onnxruntime's, in steps of its codes (in numbers where it has none).
  float steps_apart() {
    Session session(plan_, threads_);
    const Tensor x = read_npy(folder() / "x.npy"), expected = read_npy(folder() / (name_ + ".npy"));
    session.run({{"x", x.view()}});
    float largest = 0;
    for (size_t i = 0; i < expected.span<float>().size(); ++i) {
      const float value = expected.span<float>()[i];
      largest = std::max(largest, std::abs(session.output("y").span<float>()[i] - value));
    }
    return largest / step_;
  }

  /// The kernels that run an operator, and how often.
  std::map<std::string, int> kernels(std::string_view op) const {
    std::map<std::string, int> found;
    for (const Step& step : plan_->steps()) {
      const Node& node = plan_->graph().nodes()[static_cast<size_t>(step.node)];
      if (node.schema->name == op) ++found[std::string(step.kernel.substr(0, step.kernel.rfind('_')))];
    }
    return found;
  }

 private:
  static std::filesystem::path folder() { return source_path("tests/testdata/onnx_quantized"); }
  std::string name_;
  float step_ = 1;
  ThreadPool threads_{1};
  std::shared_ptr<const Plan> plan_;
};

void expect_integer_kernels(const Quantized& model) {
  EXPECT_EQ(model.kernels("Conv"),
            (std::map<std::string, int>{{"conv_int8", 4}, {"conv_int8_depthwise", 1}}));
  EXPECT_EQ(model.kernels("Gemm"), (std::map<std::string, int>{{"gemm_codes", 2}}));
  EXPECT_EQ(model.kernels("Add"), (std::map<std::string, int>{{"add_codes", 1}}));
  EXPECT_EQ(model.kernels("Concat"), (std::map<std::string, int>{{"concat", 1}}));
  EXPECT_TRUE(model.kernels("QuantizeLinear").empty());
  EXPECT_TRUE(model.kernels("DequantizeLinear").empty());
}

TEST(OnnxQuantized, QdqModelsRunOnIntegerKernels) {
  for (const char* name : {"qdq", "qdq_symmetric"}) {
    Quantized model(name);
    expect_integer_kernels(model);
    EXPECT_LE(model.steps_apart(), 1.01f) << name;
  }
}

TEST(OnnxQuantized, SoDoLinearOperators) {
  Quantized model("qoperator");
  expect_integer_kernels(model);
  EXPECT_LE(model.steps_apart(), 1.01f);
}

TEST(OnnxQuantized, DynamicProductsAreExactIntegers) {
  Quantized model("dynamic");
  EXPECT_EQ(model.kernels("ConvInteger"), (std::map<std::string, int>{{"conv_integer", 5}}));
  EXPECT_EQ(model.kernels("MatMulInteger"), (std::map<std::string, int>{{"mat_mul_integer", 2}}));
  EXPECT_LE(model.steps_apart(), 1e-4f);
}

}  // namespace
}  // namespace halftone
