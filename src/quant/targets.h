#pragma once

#include <vector>

#include "graph/graph.h"
#include "quant/recipe.h"

namespace halftone {

/// A constant that a recipe wants in an encoding, and the layers that use it.
struct QuantTarget {
  ValueId weight = kNoValue;
  std::vector<int> nodes;  ///< positions of the layers that multiply with it
  Encoding encoding;       ///< the recipe's, turned to the layer's orientation (see find_targets())
};

/// A layer with constant weights that stays as it is, and why.
struct KeptLayer {
  int node = 0;
  ValueId weight = kNoValue;
  std::string reason;
};

struct QuantTargets {
  std::vector<QuantTarget> quantized;
  std::vector<KeptLayer> kept;
  std::vector<std::string> unmatched;  ///< patterns that no layer's name matches
};

/// What a recipe means for a graph. Weights are found from structure alone: floating constants that are the
/// second operand of Gemm, MatMul (matrices) or Conv. Tables that only Gather reads stay floating; a table
/// that Gather reads and a layer multiplies with gets the recipe's encoding for tied tables.
///
/// Outputs run along the first axis of the weights of Gemm with transB = 1 and of Conv; where they run along
/// the last (MatMul, Gemm without transB) "per channel" means that axis, and groups run along the outputs.
///
/// Throws UnsupportedError for weights that are quantized already or whose shape the encoding does not fit,
/// UsageError when two layers share weights and the recipe wants different encodings of them.
QuantTargets find_targets(const Graph& graph, const Recipe& recipe);

/// Whether the operator of `node` has weights in slot 1.
bool has_weights(const Node& node);

}  // namespace halftone
