#include "quant/cast_weights.h"

#include <map>

#include "base/error.h"
#include "graph/passes/dynamic_activations.h"
#include "graph/passes/pass.h"

namespace halftone {
namespace {

/// Whether input 1 of the node is weights that may have another floating type than the activation.
bool takes_other_types(const Node& node) {
  return (node.schema->name == "Conv" || node.schema->name == "Gemm") && node.inputs[1] != kNoValue;
}

/// By value: read elsewhere than as the weights of such a layer (a table that Gather reads too).
std::vector<bool> read_otherwise(const Graph& graph) {
  std::vector<bool> otherwise(graph.values().size());
  for (const Node& node : graph.nodes())
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && !(i == 1 && takes_other_types(node)))
        otherwise[static_cast<size_t>(node.inputs[i])] = true;
  for (ValueId output : graph.outputs()) otherwise[static_cast<size_t>(output)] = true;
  return otherwise;
}

Tensor rounded(const Constant& constant, DType dtype) {
  const Tensor values = to_f32(constant.load());
  Tensor made = Tensor::allocate(dtype, values.shape());
  store_floats(values.span<float>(), made.mutable_view(), 0);
  return made;
}

}  // namespace

QuantReport cast_weights(Graph& graph, const Recipe& recipe) {
  const DType dtype = *recipe.floating;
  // Products by constants become Gemm: a MatMul's operands are of one type.
  run_passes(graph, standard_passes());
  QuantReport report;
  report.recipe = recipe.name;
  const auto bytes_of = [&] {
    double bytes = 0;
    for (const Value& value : graph.values())
      if (value.constant) bytes += value.constant->stored_bytes();
    return bytes;
  };
  report.bytes_before = bytes_of();
  std::map<ValueId, bool> seen;
  const std::vector<bool> otherwise = read_otherwise(graph);
  std::vector<const Node*> nodes;  // of the layers
  for (const Node& node : graph.nodes()) {
    if (!takes_other_types(node)) continue;
    Value& weight = graph.value(node.inputs[1]);
    if (!weight.constant || !is_float(weight.type.dtype) || otherwise[static_cast<size_t>(node.inputs[1])])
      continue;
    LayerReport layer;
    layer.layer = node.name;
    layer.weight = weight.name;
    layer.shape = weight.type.shape;
    if (weight.constant->encoding())
      throw UnsupportedError("{} is {} already; quantize the floating-point model", weight.name,
                             weight.constant->encoding()->str());
    if (!seen[node.inputs[1]]) {
      seen[node.inputs[1]] = true;
      layer.bytes_before = weight.constant->stored_bytes();
      if (weight.type.dtype != dtype) weight.constant = Constant(rounded(*weight.constant, dtype));
      weight.type.dtype = dtype;
      layer.bytes_after = weight.constant->stored_bytes();
      report.quantized_elements += static_cast<double>(weight.type.shape.elements());
    }
    layer.encoding = dtype_name(dtype);
    report.layers.push_back(std::move(layer));
    nodes.push_back(&node);
  }
  if (report.layers.empty())
    throw UsageError("recipe {} finds nothing in {}: it has no Conv or Gemm with constant weights",
                     recipe.name, graph.name);
  if (dtype == DType::bf16) round_activations(graph);
  for (size_t i = 0; i < nodes.size(); ++i)
    if (!nodes[i]->use_encodings.empty() && nodes[i]->use_encodings[0])
      report.layers[i].activations = nodes[i]->use_encodings[0]->str();
  report.notes.push_back(
      {graph.name, recipe.name,
       dtype == DType::bf16
           ? "inputs of layers are rounded to bf16 too, sums are f32: half the file, and faster where the "
             "processor multiplies bf16 (avx512bf16, amx); --exact keeps inputs as they are"
           : "weights are converted to f32 as they are packed or read, on any processor: half the file; "
             "faster only where weights come from memory",
       false});
  report.bytes_after = bytes_of();
  report.bits_per_weight = 8 * static_cast<double>(dtype_bytes(dtype));
  verify(graph);
  return report;
}

}  // namespace halftone
