#include <fmt/format.h>

#include "graph/graph.h"
#include "graph/shape_text.h"

namespace halftone {
namespace {

std::string type_text(const Graph& graph, const ValueType& type) {
  std::string text(dtype_name(type.dtype));
  if (type.dtype != DType::state) text += shape_text(graph, type.shape);
  return text;
}

std::string operand_text(const Graph& graph, const Node& node, size_t i) {
  if (node.inputs[i] == kNoValue) return "-";
  std::string text = "%" + graph.value(node.inputs[i]).name;
  if (i < node.use_encodings.size() && node.use_encodings[i])
    text += "{" + node.use_encodings[i]->str() + "}";
  return text;
}

std::string node_text(const Graph& graph, const Node& node) {
  std::string text;
  for (ValueId output : node.outputs) {
    if (!text.empty()) text += ", ";
    text += fmt::format("%{}: {}", graph.value(output).name, type_text(graph, graph.value(output).type));
    if (const Storage& storage = graph.value(output).storage; !storage.plain())
      text += fmt::format(" ({})", storage.str());
  }
  text += fmt::format(" = {}(", node.schema->name);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i > 0) text += ", ";
    text += operand_text(graph, node, i);
  }
  text += ")";
  for (const auto& [name, value] : node.attributes)
    text += fmt::format(" {}={}", name, attribute_text(value));
  return text;
}

}  // namespace

std::string shape_text(const Graph& graph, const Shape& shape) {
  std::string text = "[";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const int64_t dim = shape[axis];
    if (axis > 0) text += ", ";
    if (dim >= 0)
      text += std::to_string(dim);
    else if (dim == Shape::kUnknownDim)
      text += "?";
    else
      text += graph.symbols()[static_cast<size_t>(Shape::dim_symbol(dim))].name;
  }
  return text + "]";
}

std::string graph_text(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name);
  for (const Symbol& symbol : graph.symbols())
    text += fmt::format("symbol {} {}..{}\n", symbol.name, symbol.min, symbol.max);
  for (ValueId input : graph.inputs())
    text +=
        fmt::format("input %{}: {}\n", graph.value(input).name, type_text(graph, graph.value(input).type));
  for (const Value& value : graph.values()) {
    if (!value.constant) continue;
    text += fmt::format("constant %{}: {}", value.name, type_text(graph, value.type));
    if (value.constant->encoding()) text += fmt::format(" as {}", value.constant->encoding()->str());
    text += "\n";
  }
  for (const Node& node : graph.nodes()) text += node_text(graph, node) + "\n";
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    text += fmt::format("output {} = %{}\n", graph.output_names()[i], graph.value(graph.outputs()[i]).name);
  return text;
}

}  // namespace halftone
