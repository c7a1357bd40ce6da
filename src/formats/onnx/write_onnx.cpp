#include "formats/onnx/write_onnx.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/proto_reader.h"
#include "formats/onnx/onnx_model.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

constexpr int64_t kOpset = 21;
constexpr uint64_t kIrVersion = 10;  // of operator set 21
constexpr size_t kLargest = (size_t{1} << 31) - 1;

struct Since {
  std::string_view op;
  int64_t opset;
};
/// Operators that came after kOpset.
constexpr Since kLater[] = {
    {"Attention", 23}, {"RMSNormalization", 23}, {"RotaryEmbedding", 23}, {"Swish", 24}};

/// The one attribute of core operators that is a list of strings: names, separated by commas here.
constexpr std::string_view kListed = "activations";

std::string attribute(const std::string& name, const AttributeValue& value) {
  std::string out;
  put_proto_bytes(out, 1, name);
  const auto type = [&](OnnxAttribute::Type t) { put_proto_varint(out, 20, static_cast<uint64_t>(t)); };
  if (name == kListed) {
    const auto& names = std::get<std::string>(value);
    for (size_t begin = 0; begin < names.size();) {
      const size_t end = std::min(names.find(',', begin), names.size());
      put_proto_bytes(out, 9, std::string_view(names).substr(begin, end - begin));
      begin = end + 1;
    }
    type(OnnxAttribute::strings);
    return out;
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    put_proto_varint(out, 3, static_cast<uint64_t>(*integer));
    type(OnnxAttribute::integer);
  } else if (const auto* number = std::get_if<float>(&value)) {
    put_proto_float(out, 2, *number);
    type(OnnxAttribute::number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    put_proto_bytes(out, 4, *text);
    type(OnnxAttribute::string);
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    for (int64_t i : *integers) put_proto_varint(out, 8, static_cast<uint64_t>(i));
    type(OnnxAttribute::integers);
  } else {
    for (float f : std::get<std::vector<float>>(value)) put_proto_float(out, 7, f);
    type(OnnxAttribute::numbers);
  }
  return out;
}

std::string node_message(const Graph& graph, const Node& node) {
  if (!node.schema->domain.empty())
    throw UnsupportedError("{}: {} is no operator of ONNX", node.name, node.schema->name);
  std::string out;
  for (ValueId input : node.inputs)
    put_proto_bytes(out, 1, input == kNoValue ? std::string() : graph.value(input).name);
  for (ValueId output : node.outputs) put_proto_bytes(out, 2, graph.value(output).name);
  put_proto_bytes(out, 3, node.name);
  put_proto_bytes(out, 4, node.schema->name);
  for (const auto& [name, value] : node.attributes) put_proto_bytes(out, 5, attribute(name, value));
  return out;
}

std::string tensor_message(const Value& value) {
  if (value.constant->encoding())
    throw UnsupportedError("{}: encoded as {}, which an ONNX tensor cannot be", value.name,
                           value.constant->encoding()->str());
  const Tensor tensor = value.constant->load();
  std::string out;
  for (int axis = 0; axis < tensor.shape().rank(); ++axis)
    put_proto_varint(out, 1, static_cast<uint64_t>(tensor.shape()[axis]));
  put_proto_varint(out, 2, static_cast<uint64_t>(onnx_from_dtype(tensor.dtype())));
  put_proto_bytes(out, 8, value.name);
  const auto bytes = tensor.view().bytes();
  put_proto_bytes(out, 9, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return out;
}

std::string value_info(const Graph& graph, const std::string& name, const ValueType& type) {
  if (type.dtype == DType::state) throw UnsupportedError("{}: a state that is kept from run to run", name);
  std::string shape, tensor, any, out;
  for (int axis = 0; axis < type.shape.rank(); ++axis) {
    std::string dim;
    const int64_t size = type.shape[axis];
    if (size >= 0)
      put_proto_varint(dim, 1, static_cast<uint64_t>(size));
    else if (size != Shape::kUnknownDim)
      put_proto_bytes(dim, 2, graph.symbols()[static_cast<size_t>(Shape::dim_symbol(size))].name);
    put_proto_bytes(shape, 1, dim);
  }
  put_proto_varint(tensor, 1, static_cast<uint64_t>(onnx_from_dtype(type.dtype)));
  put_proto_bytes(tensor, 2, shape);
  put_proto_bytes(any, 1, tensor);
  put_proto_bytes(out, 1, name);
  put_proto_bytes(out, 2, any);
  return out;
}

std::string graph_message(const Graph& graph, const std::string& file) {
  std::string out;
  for (const Node& node : graph.nodes()) put_proto_bytes(out, 1, node_message(graph, node));
  put_proto_bytes(out, 2, graph.name);
  for (const Value& value : graph.values()) {
    if (!value.constant) continue;
    put_proto_bytes(out, 5, tensor_message(value));
    if (out.size() > kLargest)
      throw UnsupportedError("{}: an ONNX file holds less than 2 GB, and the constants take more", file);
  }
  for (ValueId input : graph.inputs())
    put_proto_bytes(out, 11, value_info(graph, graph.value(input).name, graph.value(input).type));
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    put_proto_bytes(out, 12,
                    value_info(graph, graph.output_names()[i], graph.value(graph.outputs()[i]).type));
  return out;
}

}  // namespace

int64_t onnx_opset(const Graph& graph) {
  int64_t opset = kOpset;
  for (const Node& node : graph.nodes())
    for (const Since& since : kLater)
      if (node.schema->name == since.op) opset = std::max(opset, since.opset);
  return opset;
}

void write_onnx(const Graph& graph, const fs::path& target, const std::string& version) {
  const int64_t opset = onnx_opset(graph);
  std::string head, set;
  put_proto_varint(head, 1, kIrVersion + (opset > kOpset ? 1 : 0));
  put_proto_bytes(head, 2, "halftone");
  put_proto_bytes(head, 3, version);
  put_proto_varint(set, 2, static_cast<uint64_t>(opset));
  put_proto_bytes(head, 8, set);
  const std::string body = graph_message(graph, target.string());
  std::string start;
  put_proto_header(start, 7, body.size());
  AtomicFile file(target);
  file.write(head);
  file.write(start);
  file.write(body);
  file.commit();
}

}  // namespace halftone
