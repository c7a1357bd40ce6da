#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A layer as y = x W^T: a Gemm, MatMul or Conv with constant weights in slot 1.
struct LayerForm {
  int input_axis = 0;   ///< of the activation in slot 0: where the channels lie that the weights multiply
  int weight_axis = 0;  ///< of the weights: the same channels
  int output_axis = 0;  ///< of the weights: output channels
  int64_t channels = 0;
  int64_t outputs = 0;
  int64_t groups = 1;  ///< of a convolution; channels of one group only are then along weight_axis
};

/// Nothing for other nodes, for weights that are no matrix (MatMul) and for Gemm with transA.
std::optional<LayerForm> layer_form(const Graph& graph, const Node& node);

/// Layers that multiply one value: q, k and v, or gate and up, or a layer alone.
struct InputGroup {
  ValueId input = kNoValue;
  std::vector<int> layers;  ///< positions in the graph, ascending
};

/// Every layer of the graph in exactly one group, groups by their first layer. In this order each group's
/// input depends on layers of earlier groups only, which is the order of true sequential quantization.
std::vector<InputGroup> find_input_groups(const Graph& graph);

}  // namespace halftone
