#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "quant/recipe.h"
#include "quant/targets.h"

namespace halftone {

/// A layer (the layers that share a weight) by what it costs.
struct LayerCost {
  double noise = 0;          ///< of it alone on codes, at the ends of the model, relative to the signal there
  double multiply_adds = 0;  ///< of one run
};

/// Multiply-adds of each target's layers in a run on `sample`, a tensor for each input.
std::vector<double> multiply_adds(const Graph& graph, const std::vector<QuantTarget>& targets,
                                  const std::map<std::string, Tensor>& sample);

/// Which layers stay floating: the noisiest first, each if it fits into recipe.floating_share of all
/// multiply-adds, until the noises of the others add up to what recipe.noise allows.
std::vector<bool> choose_floating(const std::vector<LayerCost>& layers, const StaticActivations& recipe);

}  // namespace halftone
