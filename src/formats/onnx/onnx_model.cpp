#include "formats/onnx/onnx_model.h"

#include "base/error.h"
#include "base/proto_reader.h"

namespace halftone {
namespace {

// The numbers in `case` are those of the fields in onnx.proto (ONNX 1.22).

std::pair<std::string_view, std::string_view> parse_entry(ProtoReader field) {
  std::pair<std::string_view, std::string_view> entry;
  while (field.next()) {
    if (field.number() == 1) entry.first = field.bytes();
    if (field.number() == 2) entry.second = field.bytes();
  }
  return entry;
}

OnnxTensor parse_tensor(ProtoReader field) {
  OnnxTensor tensor;
  while (field.next()) {
    switch (field.number()) {
      case 1:
        field.append_to(tensor.dims);
        break;
      case 2:
        tensor.data_type = field.integer();
        break;
      case 4:
        field.append_to(tensor.floats);
        break;
      case 5:   // int32_data
      case 7:   // int64_data
      case 11:  // uint64_data
        field.append_to(tensor.ints);
        break;
      case 8:
        tensor.name = field.bytes();
        break;
      case 9:
        tensor.raw = field.bytes();
        break;
      case 10:
        field.append_to(tensor.doubles);
        break;
      case 13:
        tensor.external.push_back(parse_entry(field.message()));
        break;
      case 14:
        tensor.is_external = field.varint() == 1;
        break;
      default:
        break;
    }
  }
  return tensor;
}

/// Graphs inside graphs, at most so deep.
constexpr int kDeepestGraph = 16;

OnnxGraph parse_graph(ProtoReader field, const std::string& source, int depth);

OnnxAttribute parse_attribute(ProtoReader field, const std::string& source, int depth) {
  OnnxAttribute attribute;
  while (field.next()) {
    switch (field.number()) {
      case 1:
        attribute.name = field.bytes();
        break;
      case 2:
        attribute.f = field.number32();
        break;
      case 3:
        attribute.i = field.integer();
        break;
      case 4:
        attribute.s = field.bytes();
        break;
      case 5:
        attribute.t = parse_tensor(field.message());
        break;
      case 6:
        attribute.g = std::make_shared<OnnxGraph>(parse_graph(field.message(), source, depth + 1));
        break;
      case 7:
        field.append_to(attribute.floats);
        break;
      case 8:
        field.append_to(attribute.ints);
        break;
      case 9:
        attribute.texts.push_back(field.bytes());
        break;
      case 20:
        attribute.type = field.integer();
        break;
      case 21:
        attribute.refers_to = field.bytes();
        break;
      default:
        break;
    }
  }
  return attribute;
}

OnnxNode parse_node(ProtoReader field, const std::string& source, int depth) {
  OnnxNode node;
  while (field.next()) {
    switch (field.number()) {
      case 1:
        node.inputs.push_back(field.bytes());
        break;
      case 2:
        node.outputs.push_back(field.bytes());
        break;
      case 3:
        node.name = field.bytes();
        break;
      case 4:
        node.op = field.bytes();
        break;
      case 5:
        node.attributes.push_back(parse_attribute(field.message(), source, depth));
        break;
      case 7:
        node.domain = field.bytes();
        break;
      default:
        break;
    }
  }
  return node;
}

OnnxDim parse_dim(ProtoReader field) {
  OnnxDim dim;
  while (field.next()) {
    if (field.number() == 1) dim.size = field.integer();
    if (field.number() == 2) dim.name = field.bytes();
  }
  return dim;
}

void parse_tensor_type(ProtoReader field, OnnxValueInfo& info) {
  info.is_tensor = true;
  while (field.next()) {
    if (field.number() == 1) info.data_type = field.integer();
    if (field.number() != 2) continue;
    info.shape.emplace();
    for (ProtoReader dim = field.message(); dim.next();)
      if (dim.number() == 1) info.shape->push_back(parse_dim(dim.message()));
  }
}

OnnxValueInfo parse_value_info(ProtoReader field) {
  OnnxValueInfo info;
  while (field.next()) {
    if (field.number() == 1) info.name = field.bytes();
    if (field.number() != 2) continue;
    for (ProtoReader type = field.message(); type.next();)
      if (type.number() == 1) parse_tensor_type(type.message(), info);
  }
  return info;
}

OnnxGraph parse_graph(ProtoReader field, const std::string& source, int depth) {
  if (depth > kDeepestGraph)
    throw InputError("{}: graphs inside graphs, more than {} deep", source, kDeepestGraph);
  OnnxGraph graph;
  while (field.next()) {
    switch (field.number()) {
      case 1:
        graph.nodes.push_back(parse_node(field.message(), source, depth));
        break;
      case 2:
        graph.name = field.bytes();
        break;
      case 5:
        graph.initializers.push_back(parse_tensor(field.message()));
        break;
      case 11:
        graph.inputs.push_back(parse_value_info(field.message()));
        break;
      case 12:
        graph.outputs.push_back(parse_value_info(field.message()));
        break;
      case 15:
        throw UnsupportedError("{}: sparse initialisers", source);
      default:
        break;
    }
  }
  return graph;
}

OnnxOpset parse_opset(ProtoReader field) {
  OnnxOpset opset;
  while (field.next()) {
    if (field.number() == 1) opset.domain = field.bytes();
    if (field.number() == 2) opset.version = field.integer();
  }
  return opset;
}

OnnxFunction parse_function(ProtoReader field, const std::string& source) {
  OnnxFunction function;
  while (field.next()) {
    switch (field.number()) {
      case 1:
        function.name = field.bytes();
        break;
      case 4:
        function.inputs.push_back(field.bytes());
        break;
      case 5:
        function.outputs.push_back(field.bytes());
        break;
      case 7:
        function.nodes.push_back(parse_node(field.message(), source, 0));
        break;
      case 9:
        function.opsets.push_back(parse_opset(field.message()));
        break;
      case 10:
        function.domain = field.bytes();
        break;
      case 11:
        function.defaults.push_back(parse_attribute(field.message(), source, 0));
        break;
      default:
        break;
    }
  }
  return function;
}

}  // namespace

OnnxModel parse_onnx(std::string_view bytes, const std::string& source) {
  if (bytes.empty()) throw InputError("{}: expected an ONNX model, found an empty file", source);
  OnnxModel model;
  bool has_graph = false;
  const std::string where = source + ": not an ONNX model";
  for (ProtoReader field(bytes, where); field.next();) {
    switch (field.number()) {
      case 7:
        if (has_graph) throw InputError("{}: the model has two graphs", source);
        has_graph = true;
        model.graph = parse_graph(field.message(), source, 0);
        break;
      case 8:
        model.opsets.push_back(parse_opset(field.message()));
        break;
      case 25:
        model.functions.push_back(parse_function(field.message(), source));
        break;
      default:
        break;
    }
  }
  if (!has_graph) throw InputError("{}: not an ONNX model: it holds no graph", source);
  return model;
}

OnnxTensor parse_onnx_tensor(std::string_view bytes, const std::string& source) {
  return parse_tensor(ProtoReader(bytes, source));
}

}  // namespace halftone
