#pragma once

#include <cmath>
#include <gtest/gtest.h>
#include <map>

#include "graph/passes/pass.h"
#include "op_run.h"

// For tests of passes: graphs built line by line, and what passes make of them.

namespace halftone {

using Ints = std::vector<int64_t>;

/// A graph built line by line.
struct Draft {
  Graph graph;

  ValueId input(const std::string& name, const Shape& shape) {
    return graph.add_input(name, {DType::f32, shape});
  }
  ValueId constant(const std::string& name, const Shape& shape, unsigned seed = 1) {
    Tensor tensor = random_tensor(shape, seed);
    for (float& x : tensor.mutable_view().span<float>()) x = std::fabs(x) + 0.1f;
    return graph.add_constant(name, Constant(tensor));
  }
  ValueId number(const std::string& name, float value) {
    return graph.add_constant(name, Constant(Tensor::from<float>({}, {value})));
  }
  ValueId ints(const std::string& name, Ints values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    return graph.add_constant(name, Constant(Tensor::from<int64_t>(shape, values)));
  }
  ValueId node(const char* op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  void output(ValueId value) { graph.add_output(value, graph.value(value).name); }
};

/// All values that a graph makes of random inputs, by its references.
inline std::map<std::string, Tensor> run(const Graph& graph) {
  std::vector<Tensor> values(graph.values().size());
  unsigned seed = 7;
  for (ValueId id : graph.inputs())
    values[static_cast<size_t>(id)] = random_tensor(graph.value(id).type.shape, ++seed);
  for (size_t id = 0; id < values.size(); ++id)
    if (graph.values()[id].constant) values[id] = graph.values()[id].constant->load();
  for (const Node& node : graph.nodes()) {
    const OpSite site = graph.site(node);
    std::vector<Operand> inputs;
    for (ValueId input : node.inputs)
      inputs.push_back(input == kNoValue
                           ? Operand{}
                           : Operand{values[static_cast<size_t>(input)].view(), nullptr, nullptr, true});
    std::vector<MutableTensorView> outputs;
    for (ValueId output : node.outputs) {
      const Value& value = graph.value(output);
      values[static_cast<size_t>(output)] = Tensor::allocate(value.type.dtype, value.type.shape);
      outputs.push_back(values[static_cast<size_t>(output)].mutable_view());
    }
    run_reference(site, inputs, outputs);
  }
  std::map<std::string, Tensor> outputs;
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    outputs[graph.output_names()[i]] = values[static_cast<size_t>(graph.outputs()[i])];
  return outputs;
}

/// The passes' nodes as text, after checking that the graph gives the same numbers as before.
inline std::string nodes_after(Draft draft, std::span<const Pass> passes = standard_passes()) {
  const auto before = run(draft.graph);
  run_passes(draft.graph, passes);
  verify(draft.graph);
  const auto after = run(draft.graph);
  for (const auto& [name, expected] : before) {
    const std::vector<float> a = floats(after.at(name)), b = floats(expected);
    EXPECT_EQ(a.size(), b.size());
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      EXPECT_NEAR(a[i], b[i], 1e-4f * (1 + std::fabs(b[i]))) << name << " at " << i;
  }
  const std::string text = graph_text(draft.graph);
  return text.substr(text.find("\n%") + 1);
}

}  // namespace halftone
