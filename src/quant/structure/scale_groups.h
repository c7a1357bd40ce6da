#pragma once

#include <span>
#include <string>
#include <vector>

#include "quant/structure/absorb.h"

namespace halftone {

/// Layers that share an input, what can take a factor for each channel of that input in, and where the
/// damage of rounding the layers shows. Found from the structure of the graph alone.
struct ScaleGroup {
  ValueId input = kNoValue;
  std::vector<int> layers;   ///< positions in the graph, ascending
  std::vector<bool> scores;  ///< by layer: its outputs are queries or keys (see feeds_scores())
  std::optional<Absorption> absorption;
  std::string obstacle;  ///< why there is no absorption
  /// Where the loss of the group is taken: the value in which its layers' outputs first meet, seen through
  /// the layer that alone reads it. The layers' own outputs where they meet nowhere, or there is but one.
  std::vector<ValueId> losses;
};

/// All layers of the graph, groups by their first layer (see find_input_groups()).
std::vector<ScaleGroup> find_scale_groups(const Graph& graph);

/// A line a group: for goldens and for --explain.
std::string scale_groups_text(const Graph& graph, std::span<const ScaleGroup> groups);

}  // namespace halftone
