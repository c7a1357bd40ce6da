#include "formats/onnx/node_order.h"

#include <functional>
#include <map>
#include <queue>
#include <set>

#include "base/error.h"

namespace halftone {

namespace {

/// Adds what `graph` reads from around it.
void add_captured(const OnnxGraph& graph, std::vector<std::string_view>& names);

/// What a node waits for: its inputs, and what graphs inside it read.
std::vector<std::string_view> read_names(const OnnxNode& node) {
  std::vector<std::string_view> names = node.inputs;
  for (const OnnxAttribute& attribute : node.attributes)
    if (attribute.g) add_captured(*attribute.g, names);
  return names;
}

void add_captured(const OnnxGraph& graph, std::vector<std::string_view>& names) {
  std::set<std::string_view> own;
  for (const OnnxValueInfo& input : graph.inputs) own.insert(input.name);
  for (const OnnxTensor& tensor : graph.initializers) own.insert(tensor.name);
  for (const OnnxNode& node : graph.nodes) own.insert(node.outputs.begin(), node.outputs.end());
  const auto add = [&](std::string_view name) {
    if (own.count(name) == 0) names.push_back(name);
  };
  for (const OnnxNode& node : graph.nodes)
    for (std::string_view name : read_names(node)) add(name);
  for (const OnnxValueInfo& output : graph.outputs) add(output.name);
}

}  // namespace

std::string node_label(const OnnxNode& node) {
  if (!node.name.empty()) return std::string(node.name);
  for (std::string_view output : node.outputs)
    if (!output.empty()) return fmt::format("{} -> {}", node.op, output);
  return std::string(node.op);
}

std::vector<size_t> node_order(const std::vector<VersionedNode>& nodes, const std::string& source) {
  std::map<std::string_view, size_t> makers;
  for (size_t n = 0; n < nodes.size(); ++n)
    for (std::string_view output : nodes[n].node.outputs)
      if (!output.empty() && !makers.emplace(output, n).second)
        throw InputError("{}: node \"{}\": \"{}\" is made twice", source, node_label(nodes[n].node), output);

  std::vector<std::vector<size_t>> readers(nodes.size());
  std::vector<int> waits_for(nodes.size(), 0);
  for (size_t n = 0; n < nodes.size(); ++n)
    for (std::string_view input : read_names(nodes[n].node)) {
      const auto maker = makers.find(input);
      if (maker == makers.end()) continue;
      readers[maker->second].push_back(n);
      ++waits_for[n];
    }

  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t n = 0; n < nodes.size(); ++n)
    if (waits_for[n] == 0) ready.push(n);
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t n = ready.top();
    ready.pop();
    order.push_back(n);
    for (size_t reader : readers[n])
      if (--waits_for[reader] == 0) ready.push(reader);
  }
  for (size_t n = 0; n < nodes.size(); ++n)
    if (waits_for[n] > 0)
      throw InputError("{}: node \"{}\": it waits for its own output: the graph has a cycle", source,
                       node_label(nodes[n].node));
  return order;
}

}  // namespace halftone
