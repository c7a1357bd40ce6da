#include "formats/onnx/linear_operators.h"

#include <algorithm>

#include "base/error.h"

namespace halftone {
namespace {

ValueId input(const ImportedNode& node, size_t i) {
  return node.has_input(i) ? node.inputs[i] : kNoValue;
}

/// The numbers of the codes at input `at`, whose scale and zero point follow.
ValueId numbers(const ImportedNode& node, NodeAppender& graph, size_t at, int64_t axis = 1) {
  return graph.append_before(node, "DequantizeLinear",
                             {input(node, at), input(node, at + 1), input(node, at + 2)}, {{"axis", axis}});
}

/// `node` becomes the QuantizeLinear of `result`, scale and zero point of which are at input `at`.
void quantize(ImportedNode& node, ValueId result, size_t at) {
  node.op = "QuantizeLinear";
  node.inputs = {result, input(node, at), input(node, at + 1)};
  node.attributes = {};
}

void pair(ImportedNode& node, NodeAppender& graph, const char* op) {
  const ValueId a = numbers(node, graph, 0), b = numbers(node, graph, 3);
  quantize(node, graph.append_before(node, op, {a, b}), 6);
}

void map(ImportedNode& node, NodeAppender& graph, const char* op) {
  if (node.attributes.get_int("channels_last", 0) != 0)
    throw UnsupportedError("node \"{}\": {} of channels-last values", node.name, node.op);
  Attributes kept;
  for (const auto& [name, value] : node.attributes)
    if (name != "channels_last" && name != "opset") kept.set(name, value);
  const ValueId x = numbers(node, graph, 0);
  quantize(node, graph.append_before(node, op, {x}, kept), 3);
}

/// Scale and zero of the output come first, then three inputs for each tensor.
void concat(ImportedNode& node, NodeAppender& graph) {
  std::vector<ValueId> parts;
  for (size_t at = 2; at < node.inputs.size(); at += 3) parts.push_back(numbers(node, graph, at));
  quantize(node, graph.append_before(node, "Concat", parts, node.attributes), 0);
}

void gemm(ImportedNode& node, NodeAppender& graph) {
  const int64_t outputs = node.attributes.get_int("transB", 0) != 0 ? 0 : 1;
  std::vector<ValueId> inputs = {numbers(node, graph, 0), numbers(node, graph, 3, outputs)};
  if (node.has_input(6)) {
    const ValueId unit = graph.append_before(node, "Mul", {input(node, 1), input(node, 4)});
    inputs.push_back(
        graph.append_before(node, "DequantizeLinear", {input(node, 6), unit}, {{"axis", int64_t{0}}}));
  }
  const ValueId y = graph.append_before(node, "Gemm", inputs, node.attributes);
  if (!node.has_input(7))
    throw UnsupportedError("node \"{}\": QGemm without a scale of its output", node.name);
  quantize(node, y, 7);
}

struct Rule {
  std::string_view op;
  void (*apply)(ImportedNode& node, NodeAppender& graph);
};
constexpr Rule kRules[] = {
    {"QGemm", gemm},
    {"QLinearAdd", [](ImportedNode& n, NodeAppender& g) { pair(n, g, "Add"); }},
    {"QLinearAveragePool", [](ImportedNode& n, NodeAppender& g) { map(n, g, "AveragePool"); }},
    {"QLinearConcat", concat},
    {"QLinearGlobalAveragePool", [](ImportedNode& n, NodeAppender& g) { map(n, g, "GlobalAveragePool"); }},
    {"QLinearLeakyRelu", [](ImportedNode& n, NodeAppender& g) { map(n, g, "LeakyRelu"); }},
    {"QLinearMul", [](ImportedNode& n, NodeAppender& g) { pair(n, g, "Mul"); }},
    {"QLinearSigmoid", [](ImportedNode& n, NodeAppender& g) { map(n, g, "Sigmoid"); }},
    {"QLinearSoftmax", [](ImportedNode& n, NodeAppender& g) { map(n, g, "Softmax"); }},
};

}  // namespace

bool spell_out_linear_operator(ImportedNode& node, NodeAppender& graph) {
  if (node.op == "QuantizeLinear" || node.op == "DequantizeLinear") return true;  // as ONNX's own
  for (const Rule& rule : kRules) {
    if (rule.op != node.op) continue;
    rule.apply(node, graph);
    return true;
  }
  return false;
}

}  // namespace halftone
