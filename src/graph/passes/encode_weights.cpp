#include <algorithm>
#include <cmath>
#include <map>

#include "graph/evaluate.h"
#include "graph/passes/pass.h"
#include "graph/passes/quantized_nodes.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// The tensor of a constant, or of a QuantizeLinear of constants.
Tensor known_codes(const Graph& graph, const UseMap& uses, ValueId value) {
  if (const auto& constant = graph.value(value).constant)
    return constant->encoding() ? Tensor() : constant->load();
  const Node* node = uses.made_by(value, "QuantizeLinear");
  if (!node) return {};
  std::vector<Tensor> inputs;
  for (ValueId input : node->inputs) {
    if (input != kNoValue && (!graph.value(input).constant || graph.value(input).constant->encoding()))
      return {};
    inputs.push_back(input == kNoValue ? Tensor() : graph.value(input).constant->load());
  }
  return evaluate(graph.site(*node), inputs).front();
}

/// Whether every zero point is the middle of the codes.
bool is_symmetric(const Graph& graph, const Node& node, DType type) {
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return type == DType::i8;
  const auto& zero = graph.value(node.inputs[2]).constant;
  if (!zero) return false;
  const Tensor tensor = zero->load();
  if (type == DType::i8) return std::ranges::all_of(tensor.span<int8_t>(), [](int8_t z) { return z == 0; });
  return std::ranges::all_of(tensor.span<uint8_t>(), [](uint8_t z) { return z == 128; });
}

/// The constant that a DequantizeLinear of symmetric 8-bit codes makes, with one scale for all or one an
/// index of the first or, of a matrix, the last axis.
std::optional<Constant> encoded(const Graph& graph, const UseMap& uses, const Node& node) {
  if (node.attributes.get_int("block_size", 0) != 0 || graph.value(node.outputs[0]).type.dtype != DType::f32)
    return std::nullopt;
  const Tensor codes = known_codes(graph, uses, node.inputs[0]),
               scales = float_constant(graph, node.inputs[1]);
  if (codes.empty() || scales.empty() || (codes.dtype() != DType::i8 && codes.dtype() != DType::u8) ||
      codes.shape().rank() < 2 || codes.shape().elements() == 0 || scales.shape().rank() > 1 ||
      !is_symmetric(graph, node, codes.dtype()) ||
      !std::ranges::all_of(scales.span<float>(), [](float scale) { return std::isfinite(scale); }))
    return std::nullopt;

  QuantizedTensor::Parts parts;
  parts.encoding.format = find_number_format("int8");
  parts.encoding.scale_dtype = DType::f32;
  parts.shape = codes.shape();
  const bool single = scales.shape().elements() == 1;
  const auto axis = codes.shape().normalize_axis(node.attributes.get_int("axis", 1));
  if (!single) {
    if (!axis || (*axis != 0 && !(*axis == 1 && codes.shape().rank() == 2))) return std::nullopt;
    parts.encoding.granularity = Granularity::per_axis(*axis);
  }
  const ScaleGrid grid = scale_grid(parts.encoding.granularity, parts.shape);
  if (grid.size() != scales.shape().elements()) return std::nullopt;
  parts.scales = Tensor::from<float>({grid.rows, grid.groups}, scales.span<float>());
  const MatrixExtent extent = matrix_extent(parts.shape);
  parts.codes = Tensor::allocate(DType::u8, {extent.rows, extent.columns});
  const auto to = parts.codes.mutable_view().span<uint8_t>();
  if (codes.dtype() == DType::u8)
    std::ranges::copy(codes.span<uint8_t>(), to.begin());
  else
    std::ranges::transform(codes.span<int8_t>(), to.begin(),
                           [](int8_t code) { return static_cast<uint8_t>(code + 128); });
  return Constant(std::make_shared<QuantizedTensor>(std::move(parts), graph.value(node.outputs[0]).name));
}

}  // namespace

/// Conv, Gemm or MatMul of an input that comes from codes and weights that DequantizeLinear makes of
/// constants -> the same layer of weights under an encoding.
int encode_weights(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  std::map<ValueId, ValueId> made;
  int changes = 0;
  for (Node& layer : graph.nodes()) {
    const std::string_view op = layer.schema->name;
    if (op != "Conv" && op != "Gemm" && op != "MatMul") continue;
    const Node* node = uses.made_by(layer.inputs[1], "DequantizeLinear");
    if (!node || !source_codes(graph, uses, layer.inputs[0])) continue;
    if (made.count(layer.inputs[1]) == 0) {
      auto constant = encoded(graph, uses, *node);
      if (!constant) continue;
      made[layer.inputs[1]] =
          constants.add(graph.value(layer.inputs[1]).name + ".codes", std::move(*constant));
    }
    layer.inputs[1] = made[layer.inputs[1]];
    ++changes;
  }
  return changes;
}

}  // namespace halftone
