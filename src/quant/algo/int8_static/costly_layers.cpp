#include "quant/algo/int8_static/costly_layers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace halftone {

std::vector<double> multiply_adds(const Graph& graph, const std::vector<QuantTarget>& targets) {
  std::vector<double> result;
  for (const QuantTarget& target : targets) {
    double flops = 0;
    for (int position : target.nodes) {
      const Node& node = graph.nodes()[static_cast<size_t>(position)];
      const OpSite site = graph.site(node);
      if (site.input_shape(0).is_concrete()) flops += node.schema->cost(site).flops;
    }
    result.push_back(flops / 2);
  }
  return result;
}

std::vector<bool> choose_floating(const std::vector<LayerCost>& layers, const StaticActivations& recipe) {
  double noise = 0, work = 0, floating = 0;
  for (const LayerCost& layer : layers) {
    noise += layer.noise;
    work += layer.multiply_adds;
  }
  std::vector<size_t> order(layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return layers[a].noise > layers[b].noise; });
  const double allowed = std::pow(10.0, -recipe.noise / 10);
  std::vector<bool> chosen(layers.size());
  for (size_t i : order) {
    if (noise <= allowed) break;
    if (floating + layers[i].multiply_adds > recipe.floating_share * work || layers[i].noise == 0) continue;
    chosen[i] = true;
    floating += layers[i].multiply_adds;
    noise -= layers[i].noise;
  }
  return chosen;
}

}  // namespace halftone
