#include "cost/graph_cost.h"

#include "base/error.h"
#include "graph/concretize.h"

namespace halftone {

GraphCost graph_cost(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes) {
  std::vector<int64_t> sizes;
  for (const Symbol& symbol : graph.symbols()) {
    auto found = symbol_sizes.find(symbol.name);
    if (found == symbol_sizes.end()) throw UsageError("the size of \"{}\" is not given", symbol.name);
    sizes.push_back(found->second);
  }
  GraphCost cost;
  for (const OpSite& site : concretize(graph, sizes).sites) {
    const Cost node = site.schema->alias ? Cost{} : site.schema->cost(site);
    cost.nodes.push_back(node);
    cost.total.flops += node.flops;
    cost.total.weight_bytes += node.weight_bytes;
    cost.total.activation_bytes += node.activation_bytes;
    cost.total.state_bytes += node.state_bytes;
  }
  return cost;
}

std::map<std::string, ConstantBytes> constant_bytes(const Graph& graph) {
  std::map<std::string, ConstantBytes> bytes;
  for (const Value& value : graph.values()) {
    if (!value.constant) continue;
    const Constant& constant = *value.constant;
    ConstantBytes& entry =
        bytes[constant.encoding() ? constant.encoding()->str() : std::string(dtype_name(constant.dtype()))];
    entry.bytes += constant.stored_bytes();
    entry.elements += static_cast<double>(constant.shape().elements());
  }
  return bytes;
}

}  // namespace halftone
