#pragma once

#include <cmath>
#include <gtest/gtest.h>

#include "backend/cuda/cuda.h"
#include "op_run.h"
#include "runtime/session.h"

namespace halftone {

using Ints = std::vector<int64_t>;

/// A graph that grows node by node; weights are random and keep a value's size about what it was.
class Builder {
 public:
  Graph graph;
  DType floats = DType::f32;  ///< of floating constants

  ValueId node(const char* op, std::vector<ValueId> inputs, Attributes attributes = {}, size_t output = 0) {
    return graph.add_node(*find_op(op), name(op), std::move(inputs), std::move(attributes))[output];
  }
  ValueId constant(const Tensor& tensor) {
    return exactly(tensor.dtype() == DType::f32 ? as_type(tensor, floats) : tensor);
  }
  /// In the type that it has.
  ValueId exactly(const Tensor& tensor) { return graph.add_constant(name("constant"), Constant(tensor)); }

  ValueId conv(ValueId x, int64_t outputs, int64_t kernel, int64_t stride = 1, int64_t group = 1) {
    const int64_t inputs = graph.value(x).type.shape[1] / group;
    const float spread = 1 / std::sqrt(static_cast<float>(inputs * kernel * kernel));
    const ValueId w = constant(random_tensor({outputs, inputs, kernel, kernel}, ++seed_, spread));
    const ValueId b = constant(random_tensor({outputs}, ++seed_, 0.1f));
    return node("Conv", {x, w, b},
                {{"group", group}, {"strides", Ints{stride, stride}}, {"pads", Ints(4, kernel / 2)}});
  }

 private:
  std::string name(const char* op) { return fmt::format("{}{}", op, ++count_); }
  int count_ = 0;
  unsigned seed_ = 0;
};

/// Nodes that no kernel of the CUDA backend takes.
inline std::vector<std::string> left_to_references(const Plan& plan) {
  std::vector<std::string> nodes;
  for (const Step& step : plan.steps()) {
    const Node& node = plan.graph().nodes()[static_cast<size_t>(step.node)];
    if (step.kernel != "reference") continue;
    std::string why;
    for (const auto& [kernel, refusal] : step.refusals) why += fmt::format(" {}: {};", kernel, refusal);
    nodes.push_back(fmt::format("{} {}:{}", node.schema->name, node.name, why));
  }
  return nodes;
}

inline std::map<std::string, std::vector<float>> outputs_of(const Graph& graph, const Backend* backend,
                                                            const std::string& input, const Tensor& x) {
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = backend;
  const auto plan = compile(graph, options, threads);
  if (backend && backend->memory()) {
    EXPECT_EQ(left_to_references(*plan), std::vector<std::string>());
  }
  Session session(plan, threads);
  session.run({{input, x.view()}});
  std::map<std::string, std::vector<float>> found;
  for (const std::string& name : graph.output_names()) {
    const TensorView values = session.output(name);
    found[name].resize(static_cast<size_t>(values.shape.elements()));
    load_floats(values, 0, found[name]);
  }
  return found;
}

/// Norm of the difference over the norm.
inline double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  double difference = 0, size = 0;
  EXPECT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size() && i < found.size(); ++i) {
    difference += std::pow(double{found[i]} - double{expected[i]}, 2);
    size += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(difference / std::max(size, 1e-30));
}

}  // namespace halftone
