#include "formats/onnx/node_order.h"

#include <functional>
#include <map>
#include <queue>

#include "base/error.h"

namespace halftone {

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
    for (std::string_view input : nodes[n].node.inputs) {
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
