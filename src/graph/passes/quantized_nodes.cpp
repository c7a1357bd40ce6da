#include "graph/passes/quantized_nodes.h"

#include <cmath>

#include "graph/code_operators.h"

namespace halftone {

std::optional<CodeScale> linear_codes(const Graph& graph, const Node& node) {
  const bool quantize = node.schema->name == "QuantizeLinear";
  if ((!quantize && node.schema->name != "DequantizeLinear") || node.attributes.get_int("block_size", 0) != 0)
    return std::nullopt;
  const DType type = graph.value(quantize ? node.outputs[0] : node.inputs[0]).type.dtype;
  const DType numbers = graph.value(quantize ? node.inputs[0] : node.outputs[0]).type.dtype;
  const auto scale = scalar_constant(graph, node.inputs[1]);
  if ((type != DType::u8 && type != DType::i8) || numbers != DType::f32 || !scale || !(*scale > 0) ||
      !std::isfinite(*scale) || graph.value(node.inputs[1]).type.dtype != DType::f32)
    return std::nullopt;
  CodeScale codes{*scale, static_cast<uint8_t>(type == DType::i8 ? 128 : 0)};
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return codes;
  const auto& zero = graph.value(node.inputs[2]).constant;
  if (!zero || zero->shape().checked_elements() != 1) return std::nullopt;
  const Tensor tensor = zero->load();
  codes.zero =
      type == DType::i8 ? static_cast<uint8_t>(tensor.span<int8_t>()[0] + 128) : tensor.span<uint8_t>()[0];
  return codes;
}

std::optional<CodeScale> source_codes(const Graph& graph, const UseMap& uses, ValueId value) {
  while (value != kNoValue && !graph.value(value).constant) {
    const Node* maker = uses.made_by(value);
    if (!maker) return std::nullopt;
    if (maker->schema->name == "DequantizeLinear") return linear_codes(graph, *maker);
    if (!moves_numbers(*maker)) return std::nullopt;
    value = maker->inputs[0];
  }
  return std::nullopt;
}

}  // namespace halftone
