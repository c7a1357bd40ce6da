#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/proto_reader.h"

namespace halftone {

/// ONNX messages written by hand, for tests. Each function returns a message's bytes.
struct TestOnnx {
  using Names = std::vector<std::string>;
  using Messages = std::vector<std::string>;

  static constexpr int64_t kFloat = 1, kInt64 = 7, kBool = 9;

  static std::string dim(int64_t size) {
    std::string out;
    put_proto_varint(out, 1, static_cast<uint64_t>(size));
    return out;
  }
  static std::string dim(std::string_view name) {
    std::string out;
    put_proto_bytes(out, 2, name);
    return out;
  }

  static std::string value(std::string_view name, const Messages& dims, int64_t type = kFloat) {
    std::string shape, tensor, any, out;
    for (const std::string& d : dims) put_proto_bytes(shape, 1, d);
    put_proto_varint(tensor, 1, static_cast<uint64_t>(type));
    put_proto_bytes(tensor, 2, shape);
    put_proto_bytes(any, 1, tensor);
    put_proto_bytes(out, 1, name);
    put_proto_bytes(out, 2, any);
    return out;
  }

  template <class T>
  static std::string tensor(std::string_view name, const std::vector<int64_t>& dims,
                            const std::vector<T>& values, int64_t type) {
    std::string out, raw(values.size() * sizeof(T), '\0');
    if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
    for (int64_t d : dims) put_proto_varint(out, 1, static_cast<uint64_t>(d));
    put_proto_varint(out, 2, static_cast<uint64_t>(type));
    put_proto_bytes(out, 8, name);
    put_proto_bytes(out, 9, raw);
    return out;
  }
  static std::string ints(std::string_view name, const std::vector<int64_t>& values) {
    return tensor<int64_t>(name, {static_cast<int64_t>(values.size())}, values, kInt64);
  }
  static std::string external(std::string_view name, const std::vector<int64_t>& dims,
                              std::string_view location, std::string_view offset,
                              std::string_view length = "") {
    std::string out;
    for (int64_t d : dims) put_proto_varint(out, 1, static_cast<uint64_t>(d));
    put_proto_varint(out, 2, kFloat);
    put_proto_bytes(out, 8, name);
    for (const auto& [key, text] : {std::pair<std::string_view, std::string_view>{"location", location},
                                    {"offset", offset},
                                    {"length", length}}) {
      std::string entry;
      put_proto_bytes(entry, 1, key);
      put_proto_bytes(entry, 2, text);
      if (!text.empty()) put_proto_bytes(out, 13, entry);
    }
    put_proto_varint(out, 14, 1);
    return out;
  }

  static std::string attribute(std::string_view name, int64_t value) {
    std::string out;
    put_proto_bytes(out, 1, name);
    put_proto_varint(out, 3, static_cast<uint64_t>(value));
    put_proto_varint(out, 20, 2);
    return out;
  }
  static std::string attribute(std::string_view name, const std::vector<int64_t>& values) {
    std::string out;
    put_proto_bytes(out, 1, name);
    for (int64_t value : values) put_proto_varint(out, 8, static_cast<uint64_t>(value));
    put_proto_varint(out, 20, 7);
    return out;
  }
  static std::string attribute(std::string_view name, float value) {
    std::string out;
    put_proto_bytes(out, 1, name);
    put_proto_float(out, 2, value);
    put_proto_varint(out, 20, 1);
    return out;
  }
  static std::string attribute(std::string_view name, const Names& values) {
    std::string out;
    put_proto_bytes(out, 1, name);
    for (const std::string& value : values) put_proto_bytes(out, 9, value);
    put_proto_varint(out, 20, 8);
    return out;
  }
  /// A graph inside a node.
  static std::string branch(std::string_view name, const Messages& nodes, const Names& outputs,
                            const Messages& initializers = {}) {
    std::string graph, out;
    for (const std::string& n : nodes) put_proto_bytes(graph, 1, n);
    for (const std::string& t : initializers) put_proto_bytes(graph, 5, t);
    for (const std::string& output : outputs) put_proto_bytes(graph, 12, value(output, {}));
    put_proto_bytes(out, 1, name);
    put_proto_bytes(out, 6, graph);
    put_proto_varint(out, 20, 5);
    return out;
  }
  static std::string reference(std::string_view name, std::string_view refers_to) {
    std::string out;
    put_proto_bytes(out, 1, name);
    put_proto_bytes(out, 21, refers_to);
    put_proto_varint(out, 20, 2);
    return out;
  }

  static std::string node(std::string_view op, const Names& inputs, const Names& outputs,
                          const Messages& attributes = {}, std::string_view domain = "") {
    std::string out;
    for (const std::string& input : inputs) put_proto_bytes(out, 1, input);
    for (const std::string& output : outputs) put_proto_bytes(out, 2, output);
    put_proto_bytes(out, 4, op);
    for (const std::string& a : attributes) put_proto_bytes(out, 5, a);
    if (!domain.empty()) put_proto_bytes(out, 7, domain);
    return out;
  }

  static std::string function(std::string_view name, std::string_view domain, const Names& inputs,
                              const Names& outputs, const Messages& nodes) {
    std::string out;
    put_proto_bytes(out, 1, name);
    for (const std::string& input : inputs) put_proto_bytes(out, 4, input);
    for (const std::string& output : outputs) put_proto_bytes(out, 5, output);
    for (const std::string& n : nodes) put_proto_bytes(out, 7, n);
    put_proto_bytes(out, 9, opset("", 17));
    put_proto_bytes(out, 9, opset(domain, 1));
    put_proto_bytes(out, 10, domain);
    return out;
  }

  static std::string opset(std::string_view domain, int64_t version) {
    std::string out;
    put_proto_bytes(out, 1, domain);
    put_proto_varint(out, 2, static_cast<uint64_t>(version));
    return out;
  }

  // A model, part by part.
  Messages inputs, outputs, nodes, initializers, functions;
  int64_t version = 17;

  std::string bytes() const {
    std::string graph, out;
    for (const std::string& n : nodes) put_proto_bytes(graph, 1, n);
    put_proto_bytes(graph, 2, "test");
    for (const std::string& t : initializers) put_proto_bytes(graph, 5, t);
    for (const std::string& v : inputs) put_proto_bytes(graph, 11, v);
    for (const std::string& v : outputs) put_proto_bytes(graph, 12, v);
    put_proto_varint(out, 1, 8);
    put_proto_bytes(out, 7, graph);
    put_proto_bytes(out, 8, opset("", version));
    for (const std::string& f : functions) put_proto_bytes(out, 25, f);
    return out;
  }
};

}  // namespace halftone
