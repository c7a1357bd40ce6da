#include "runtime/value_layout.h"

#include <cassert>
#include <numeric>

#include "runtime/memory_plan.h"

namespace halftone {

ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete) {
  const auto index = [](ValueId id) { return static_cast<size_t>(id); };
  const size_t count = graph.values().size();
  const int steps = static_cast<int>(graph.nodes().size());
  ValueLayout layout;
  layout.root.resize(count);
  std::iota(layout.root.begin(), layout.root.end(), ValueId{0});
  layout.offsets.assign(count, 0);

  std::vector<int> first(count, -1), last(count, -1);
  for (int n = 0; n < steps; ++n) {
    const Node& node = graph.nodes()[static_cast<size_t>(n)];
    for (ValueId input : node.inputs)
      if (input != kNoValue) last[index(layout.root[index(input)])] = n;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const size_t id = index(node.outputs[i]);
      if (i == 0 && concrete.sites[static_cast<size_t>(n)].is_alias())
        layout.root[id] = layout.root[index(node.inputs[0])];
      else
        first[id] = last[id] = n;
    }
  }
  for (ValueId output : graph.outputs()) last[index(layout.root[index(output)])] = steps;

  std::vector<Lifetime> lifetimes;
  std::vector<size_t> owners;
  for (size_t id = 0; id < count; ++id) {
    const ValueType& type = concrete.types[id];
    if (first[id] < 0 || type.dtype == DType::state) continue;
    const auto elements = type.shape.checked_elements();
    assert(elements);
    const DType stored = stored_dtype(type.dtype, graph.values()[id].storage);
    lifetimes.push_back({static_cast<size_t>(*elements) * dtype_bytes(stored), first[id], last[id]});
    owners.push_back(id);
  }
  const MemoryPlan memory = plan_memory(lifetimes);
  for (size_t i = 0; i < owners.size(); ++i) layout.offsets[owners[i]] = memory.offsets[i];
  layout.arena_bytes = memory.arena_bytes;
  return layout;
}

}  // namespace halftone
