#include "quant/structure/group_targets.h"

#include <algorithm>
#include <cmath>

namespace halftone {

const QuantTarget* target_of(const CalibrationBlock& block, int layer) {
  const ValueId weight = block.graph.nodes()[static_cast<size_t>(layer)].inputs[1];
  for (const QuantTarget& target : block.targets())
    if (target.weight == weight) return &target;
  return nullptr;
}

int first_target(const CalibrationBlock& block, const ScaleGroup& group) {
  for (int layer : group.layers)
    if (const QuantTarget* target = target_of(block, layer)) return target->nodes.front();
  return 0;  // target_groups() has none without
}

std::vector<ScaleGroup> target_groups(const CalibrationBlock& block) {
  std::vector<ScaleGroup> groups;
  for (ScaleGroup& group : find_scale_groups(block.graph)) {
    const bool wanted = std::any_of(group.layers.begin(), group.layers.end(),
                                    [&](int layer) { return target_of(block, layer) != nullptr; });
    if (!wanted) continue;
    auto is_shared = [&](int node, int slot) {
      return block.shared(block.graph.nodes()[static_cast<size_t>(node)].inputs[static_cast<size_t>(slot)]);
    };
    bool shares =
        std::any_of(group.layers.begin(), group.layers.end(), [&](int n) { return is_shared(n, 1); });
    if (group.absorption)
      for (const Absorber& absorber : group.absorption->absorbers)
        shares |= is_shared(absorber.node, absorber.slot);
    if (shares && group.absorption) {
      group.absorption.reset();
      group.obstacle = "other blocks read its constants";
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Graph without_activation_encodings(const Graph& graph) {
  Graph plain = graph;
  for (Node& node : plain.nodes()) node.use_encodings.clear();
  return plain;
}

ChannelStatistics observe_channels(const CalibrationBlock& block, const Activations& from,
                                   const ScaleGroup& group) {
  const Node& first = block.graph.nodes()[static_cast<size_t>(group.layers.front())];
  const LayerForm form = *layer_form(block.graph, first);
  std::vector<double> sums(static_cast<size_t>(form.channels));
  ChannelStatistics statistics{{}, std::vector<float>(sums.size())};
  double count = 0;
  const Graph plain = without_activation_encodings(block.graph);
  block.run(plain, from, std::span(&group.input, 1), [&](int, ValueId, const TensorView& tensor) {
    int64_t inner = 1;
    for (int axis = form.input_axis + 1; axis < tensor.shape.rank(); ++axis) inner *= tensor.shape[axis];
    const auto values = tensor.span<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t channel = i / static_cast<size_t>(inner) % sums.size();
      const float magnitude = std::abs(values[i]);
      sums[channel] += static_cast<double>(magnitude);
      statistics.largest_magnitude[channel] = std::max(statistics.largest_magnitude[channel], magnitude);
    }
    count += static_cast<double>(values.size()) / static_cast<double>(sums.size());
  });
  for (double sum : sums) statistics.mean_magnitude.push_back(static_cast<float>(sum / std::max(count, 1.0)));
  return statistics;
}

}  // namespace halftone
