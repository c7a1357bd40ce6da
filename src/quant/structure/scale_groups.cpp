#include "quant/structure/scale_groups.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "graph/passes/pattern.h"
#include "quant/structure/post_dominators.h"
#include "quant/structure/score_operands.h"

namespace halftone {
namespace {

const Node& node_at(const Graph& graph, int n) {
  return graph.nodes()[static_cast<size_t>(n)];
}

/// The output of the layer that alone reads a value, as it is or moved about.
std::optional<ValueId> seen_through_a_layer(const Graph& graph, const UseMap& uses,
                                            const std::vector<std::vector<int>>& users, ValueId value) {
  constexpr std::array<std::string_view, 5> kMoving = {"Identity", "Reshape", "Squeeze", "Transpose",
                                                       "Unsqueeze"};
  for (;;) {
    const auto& readers = users[static_cast<size_t>(value)];
    if (!uses.only_feeds_one(value) || readers.size() != 1) return {};
    const Node& reader = node_at(graph, readers[0]);
    if (reader.inputs[0] != value) return {};
    value = reader.outputs[0];
    if (layer_form(graph, reader)) return value;
    if (std::find(kMoving.begin(), kMoving.end(), reader.schema->name) == kMoving.end()) return {};
  }
}

std::vector<ValueId> loss_values(const Graph& graph, const UseMap& uses,
                                 const std::vector<std::vector<int>>& users, const PostDominators& dominators,
                                 const InputGroup& group) {
  std::vector<ValueId> own;
  for (int n : group.layers) own.push_back(node_at(graph, n).outputs[0]);
  const int met = group.layers.size() > 1 ? dominators.nearest_common(group.layers) : -1;
  if (met < 0) return own;
  const ValueId value = node_at(graph, met).outputs[0];
  return {seen_through_a_layer(graph, uses, users, value).value_or(value)};
}

}  // namespace

std::vector<ScaleGroup> find_scale_groups(const Graph& graph) {
  const UseMap uses(graph);
  const auto users = graph.users();
  const PostDominators dominators(graph);
  std::vector<ScaleGroup> groups;
  for (const InputGroup& inputs : find_input_groups(graph)) {
    ScaleGroup group{inputs.input, inputs.layers, {}, {}, {}, {}};
    for (int n : inputs.layers) group.scores.push_back(feeds_scores(graph, users, n));
    group.absorption = find_absorption(graph, inputs, group.obstacle);
    group.losses = loss_values(graph, uses, users, dominators, inputs);
    groups.push_back(std::move(group));
  }
  return groups;
}

std::string scale_groups_text(const Graph& graph, std::span<const ScaleGroup> groups) {
  std::string text;
  for (const ScaleGroup& group : groups) {
    std::vector<std::string> layers, absorbers, losses;
    for (size_t i = 0; i < group.layers.size(); ++i)
      layers.push_back(node_at(graph, group.layers[i]).name + (group.scores[i] ? " (scores)" : ""));
    text += fmt::format("{}: {}\n", graph.value(group.input).name, fmt::join(layers, ", "));
    if (group.absorption) {
      for (const Absorber& absorber : group.absorption->absorbers) {
        const Node& node = node_at(graph, absorber.node);
        absorbers.push_back(fmt::format(
            "{} axis {}", graph.value(node.inputs[static_cast<size_t>(absorber.slot)]).name, absorber.axis));
      }
      const std::set<int32_t> free(group.absorption->tied.begin(), group.absorption->tied.end());
      text += fmt::format("  divides {}, {} factors for {} channels\n", fmt::join(absorbers, ", "),
                          free.size(), group.absorption->tied.size());
    } else {
      text += fmt::format("  fixed: {}\n", group.obstacle);
    }
    for (ValueId loss : group.losses) losses.push_back(graph.value(loss).name);
    text += fmt::format("  loss at {}\n", fmt::join(losses, ", "));
  }
  return text;
}

}  // namespace halftone
