#include "graph/graph.h"

#include <algorithm>

#include "base/error.h"

namespace halftone {

int64_t Graph::symbol(const std::string& symbol_name, int64_t min, int64_t max) {
  for (size_t i = 0; i < symbols_.size(); ++i)
    if (symbols_[i].name == symbol_name) return Shape::symbol_dim(static_cast<int>(i));
  symbols_.push_back({symbol_name, min, max});
  return Shape::symbol_dim(static_cast<int>(symbols_.size()) - 1);
}

ValueId Graph::add_value(std::string value_name, const ValueType& type) {
  values_.push_back({std::move(value_name), type, std::nullopt, {}});
  return static_cast<ValueId>(values_.size()) - 1;
}

ValueId Graph::add_input(std::string input_name, const ValueType& type) {
  inputs_.push_back(add_value(std::move(input_name), type));
  return inputs_.back();
}

ValueId Graph::add_constant(std::string constant_name, Constant constant) {
  const ValueId id = add_value(std::move(constant_name), {constant.dtype(), constant.shape()});
  value(id).constant = std::move(constant);
  return id;
}

std::vector<ValueId> Graph::add_node(const OpSchema& schema, std::string node_name,
                                     std::vector<ValueId> inputs, Attributes attributes, size_t outputs) {
  Node node{&schema, std::move(node_name), std::move(inputs), {}, std::move(attributes), {}};
  const std::vector<ValueType> types = schema.infer(site(node));
  const size_t made =
      std::clamp(outputs, types.size() - std::min(types.size(), schema.optional_outputs), types.size());
  for (size_t i = 0; i < made; ++i)
    node.outputs.push_back(add_value(i == 0 ? node.name : fmt::format("{}.{}", node.name, i), types[i]));
  nodes_.push_back(std::move(node));
  return nodes_.back().outputs;
}

void Graph::add_output(ValueId value, std::string output_name) {
  outputs_.push_back(value);
  output_names_.push_back(std::move(output_name));
}

OpSite Graph::site(const Node& node) const {
  OpSite site;
  site.schema = node.schema;
  site.attributes = &node.attributes;
  site.name = node.name;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    SiteInput input;
    if (node.inputs[i] != kNoValue) {
      const Value& v = value(node.inputs[i]);
      input.present = true;
      input.type = v.type;
      input.storage = v.storage;
      if (v.constant) {
        input.constant = &*v.constant;
        if (v.constant->encoding()) input.encoding = &*v.constant->encoding();
      } else if (i < node.use_encodings.size() && node.use_encodings[i]) {
        input.encoding = &*node.use_encodings[i];
      }
    }
    site.inputs.push_back(input);
  }
  for (ValueId output : node.outputs) {
    site.outputs.push_back(value(output).type);
    site.output_storage.push_back(value(output).storage);
  }
  return site;
}

std::vector<std::vector<int>> Graph::users() const {
  std::vector<std::vector<int>> users(values_.size());
  for (size_t n = 0; n < nodes_.size(); ++n)
    for (ValueId input : nodes_[n].inputs) {
      if (input == kNoValue) continue;
      auto& list = users[static_cast<size_t>(input)];
      if (list.empty() || list.back() != static_cast<int>(n)) list.push_back(static_cast<int>(n));
    }
  return users;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes_) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs_.begin(), outputs_.end(), from, to);
}

void Graph::remove_nodes(const std::vector<bool>& gone) {
  size_t kept = 0;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    if (gone[n]) continue;
    if (kept != n) nodes_[kept] = std::move(nodes_[n]);
    ++kept;
  }
  nodes_.resize(kept);
}

}  // namespace halftone
