#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "quant/recipe.h"

namespace halftone {

/// What became of one layer.
struct LayerReport {
  std::string layer;
  std::string weight;  ///< name of the constant
  Shape shape;
  std::string encoding;     ///< "int4 g32"; empty when the weights were kept
  std::string kept;         ///< why they were kept; empty when they were not
  std::string activations;  ///< "int8 per-token dynamic"; empty: none on this use
  double bytes_before = 0;  ///< of the weights; 0 both for a layer that shares those of an earlier one
  double bytes_after = 0;
};

struct QuantReport {
  std::string recipe;
  std::vector<LayerReport> layers;     ///< in the graph's order
  std::vector<std::string> unmatched;  ///< patterns of the recipe that match no layer
  double bytes_before = 0;             ///< of all constants of the graph
  double bytes_after = 0;
  double quantized_elements = 0;  ///< elements of quantized weights, and their stored bits on average
  double bits_per_weight = 0;
};

/// Applies a recipe: finds its targets, runs its algorithms, puts activation encodings on the uses, verifies.
/// Throws UsageError when the recipe quantizes nothing at all, and what find_targets() throws.
QuantReport quantize_graph(Graph& graph, const Recipe& recipe);

}  // namespace halftone
