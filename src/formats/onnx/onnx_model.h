#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace halftone {

// An ONNX file as it is written: onnx.proto's messages, as far as inference needs them. Names and raw bytes
// look into the file.

/// TensorProto. Elements lie in `raw` (little-endian), in the list of their kind, or in another file.
struct OnnxTensor {
  std::string_view name;
  std::vector<int64_t> dims;
  int64_t data_type = 0;
  std::optional<std::string_view> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> ints;  ///< int32_data, int64_data, uint64_data
  bool is_external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external;  ///< "location", "offset", "length"
};

struct OnnxGraph;

/// AttributeProto. `type` says which member holds the value.
struct OnnxAttribute {
  enum Type {
    undefined,
    number,
    integer,
    string,
    tensor,
    graph,
    numbers,
    integers,
    strings,
    tensors,
    graphs
  };
  std::string_view name;
  int64_t type = undefined;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  OnnxTensor t;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> texts;
  std::shared_ptr<const OnnxGraph> g;
  std::string_view refers_to;  ///< inside a function: the attribute of the call that gives the value
};

struct OnnxNode {
  std::string_view name, op, domain;
  std::vector<std::string_view> inputs, outputs;  ///< empty names: absent
  std::vector<OnnxAttribute> attributes;
};

/// One axis of a declared shape: a size, a name, or neither.
struct OnnxDim {
  std::optional<int64_t> size;
  std::string_view name;
};

/// ValueInfoProto of a tensor.
struct OnnxValueInfo {
  std::string_view name;
  bool is_tensor = false;
  int64_t data_type = 0;
  std::optional<std::vector<OnnxDim>> shape;
};

struct OnnxGraph {
  std::string_view name;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValueInfo> inputs, outputs;
};

struct OnnxOpset {
  std::string_view domain;
  int64_t version = 0;
};

/// FunctionProto: a node's operator spelled out in others.
struct OnnxFunction {
  std::string_view name, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<OnnxAttribute> defaults;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxOpset> opsets;
};

struct OnnxModel {
  OnnxGraph graph;
  std::vector<OnnxOpset> opsets;
  std::vector<OnnxFunction> functions;
};

/// Reads the file's structure. Throws InputError naming `source` and the byte where it is broken,
/// UnsupportedError for sparse initialisers.
OnnxModel parse_onnx(std::string_view bytes, const std::string& source);

/// A TensorProto alone, as test data comes in.
OnnxTensor parse_onnx_tensor(std::string_view bytes, const std::string& source);

}  // namespace halftone
