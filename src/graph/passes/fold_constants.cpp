#include <algorithm>

#include "graph/evaluate.h"
#include "graph/passes/pass.h"

namespace halftone {
namespace {

/// Results larger than this stay computed at run time, so that folding does not blow up the model (a
/// broadcast table, say).
constexpr int64_t kLargestFold = int64_t{1} << 24;

/// What folding may take in all: results are kept, and references are slow. In proportion to the model, with
/// room for small ones, so that a small file cannot ask for much.
class Budget {
 public:
  explicit Budget(const Graph& graph) {
    for (const Value& value : graph.values())
      if (value.constant) bytes_ += 2 * value.constant->stored_bytes();
    flops_ += 8 * bytes_;
  }

  /// Takes a node's share, or none where that is more than is left.
  bool grant(const OpSite& site) {
    double bytes = 0;
    for (const ValueType& output : site.outputs)
      bytes += static_cast<double>(output.shape.elements()) * static_cast<double>(dtype_bytes(output.dtype));
    const double flops = site.schema->alias ? 0 : site.schema->cost(site).flops;
    if (bytes > bytes_ || flops > flops_) return false;
    bytes_ -= bytes;
    flops_ -= flops;
    return true;
  }

 private:
  double bytes_ = 256e6;
  double flops_ = 4e9;
};

bool is_input_at_hand(const Graph& graph, const Node& node, ValueId input) {
  if (input == kNoValue) return true;
  const Value& value = graph.value(input);
  if (node.schema->of_shapes) return value.type.shape.is_concrete();
  return value.constant && !value.constant->encoding();
}

bool is_foldable(const Graph& graph, const Node& node) {
  if (node.inputs.empty()) return false;
  for (ValueId input : node.inputs)
    if (!is_input_at_hand(graph, node, input)) return false;
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    auto elements = graph.value(output).type.shape.checked_elements();
    return elements && *elements <= kLargestFold && graph.value(output).type.dtype != DType::state;
  });
}

void fold(Graph& graph, const Node& node) {
  std::vector<Tensor> inputs;
  for (ValueId input : node.inputs)
    inputs.push_back(input == kNoValue || node.schema->of_shapes ? Tensor()
                                                                 : graph.value(input).constant->load());
  const std::vector<Tensor> outputs = evaluate(graph.site(node), inputs);
  for (size_t i = 0; i < outputs.size(); ++i) graph.value(node.outputs[i]).constant = Constant(outputs[i]);
}

/// Values that became constants tell shape rules more than they knew.
void refine_types(Graph& graph, const Node& node) {
  const std::vector<ValueType> types = node.schema->infer(graph.site(node));
  for (size_t i = 0; i < node.outputs.size(); ++i) graph.value(node.outputs[i]).type = types[i];
}

}  // namespace

/// Replaces nodes whose inputs are all plain constants, and those that ask for shapes that are known, by
/// their results. What would take far more memory or work than the model's size suggests stays to be run.
int fold_constants(Graph& graph) {
  int changes = 0;
  Budget budget(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < gone.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (changes > 0) refine_types(graph, node);
    if (!is_foldable(graph, node) || !budget.grant(graph.site(node))) continue;
    fold(graph, node);
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
