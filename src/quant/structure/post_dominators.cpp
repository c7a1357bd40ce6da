#include "quant/structure/post_dominators.h"

namespace halftone {
namespace {

constexpr int kUnset = -2;

}  // namespace

PostDominators::PostDominators(const Graph& graph)
    : end_(static_cast<int>(graph.nodes().size())),
      next_(graph.nodes().size() + 1, kUnset),
      depth_(graph.nodes().size() + 1, 0) {
  next_.back() = end_;
  const std::vector<std::vector<int>> users = graph.users();
  std::vector<bool> leaves(graph.values().size());
  for (ValueId output : graph.outputs()) leaves[static_cast<size_t>(output)] = true;
  for (int n = end_ - 1; n >= 0; --n) {
    int& next = next_[static_cast<size_t>(n)];
    auto reaches = [&](int node) { next = next == kUnset ? node : common(next, node); };
    for (ValueId output : graph.nodes()[static_cast<size_t>(n)].outputs) {
      if (graph.value(output).type.dtype == DType::state) continue;
      if (leaves[static_cast<size_t>(output)]) reaches(end_);
      for (int user : users[static_cast<size_t>(output)]) reaches(user);
    }
    if (next == kUnset) next = end_;  // nobody reads it
    depth_[static_cast<size_t>(n)] = depth_[static_cast<size_t>(next)] + 1;
  }
}

int PostDominators::common(int a, int b) const {
  while (a != b) {
    int& deeper = depth_[static_cast<size_t>(a)] >= depth_[static_cast<size_t>(b)] ? a : b;
    deeper = next_[static_cast<size_t>(deeper)];
  }
  return a;
}

int PostDominators::nearest_common(std::span<const int> nodes) const {
  int met = nodes.front();
  for (int node : nodes.subspan(1)) met = common(met, node);
  return met == end_ ? -1 : met;
}

}  // namespace halftone
