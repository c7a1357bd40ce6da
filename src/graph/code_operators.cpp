#include "graph/code_operators.h"

#include <algorithm>
#include <array>

namespace halftone {
namespace {

constexpr std::array<std::string_view, 15> kMovers = {
    "Concat", "DepthToSpace", "Flatten", "Gather",  "Identity",     "MaxPool",   "Pad",      "Reshape",
    "Resize", "Slice",        "Split",   "Squeeze", "SpaceToDepth", "Transpose", "Unsqueeze"};
constexpr std::array<std::string_view, 13> kMaps = {
    "Relu", "Clip", "LeakyRelu",   "Sigmoid",           "HardSigmoid", "Swish", "HardSwish",
    "Tanh", "Gelu", "AveragePool", "GlobalAveragePool", "Elu",         "Erf"};
constexpr std::array<std::string_view, 2> kPairs = {"Add", "Mul"};

template <size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_float_activation(const Graph& graph, ValueId id) {
  return id != kNoValue && !graph.value(id).constant && is_float(graph.value(id).type.dtype);
}

bool carries_numbers(const Node& node, size_t i) {
  const std::string_view op = node.schema->name;
  return i == 0 || op == "Concat" || (op == "Attention" && i < 3) || among(kPairs, op) ||
         (op == "Conv" && i == 3);  // a residual
}

bool moves_numbers(const Node& node) {
  return among(kMovers, node.schema->name);
}

bool works_on_codes_by_polynomials(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  if (op != "LayerNormalization" && op != "Softmax" && op != "Attention") return false;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (carries_numbers(node, i) && !is_float_activation(graph, node.inputs[i])) return false;
  return true;
}

bool works_on_codes(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  if (op == "Identity" && graph.value(node.inputs[0]).constant)
    return is_float(graph.value(node.inputs[0]).type.dtype);
  if (!among(kMovers, op) && !among(kMaps, op) && !among(kPairs, op)) return false;
  for (ValueId output : node.outputs)
    if (!is_float(graph.value(output).type.dtype)) return false;  // MaxPool's Indices
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (carries_numbers(node, i) && !is_float_activation(graph, node.inputs[i])) return false;
  return true;
}

}  // namespace halftone
