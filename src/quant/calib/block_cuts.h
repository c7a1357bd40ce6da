#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "quant/targets.h"

namespace halftone {

/// Nodes [first, last) of a graph that are quantized together.
struct BlockRange {
  int first = 0;
  int last = 0;
  std::string name;  ///< what the names of its layers have in common ("model.layers.3"), else first and last

  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

/// Cuts a graph where the fewest bytes of values live, so that little must be kept between blocks: at each
/// place with no more live bytes than its neighbours (in a chain where all are equal: before each layer).
/// Pieces that repeat in order (attention, MLP, attention, MLP) make one block each time; pieces without
/// layers join the next. Sizes are those of `sample`, a tensor for each input that is no state. Blocks
/// cover all nodes.
std::vector<BlockRange> cut_blocks(const Graph& graph, const std::map<std::string, Tensor>& sample);

/// Values (no constants, no states) that are there before node `position` and read at or after it, or graph
/// outputs; in order.
std::vector<ValueId> live_values(const Graph& graph, int position);

}  // namespace halftone
