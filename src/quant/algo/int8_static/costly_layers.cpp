#include "quant/algo/int8_static/costly_layers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/concretize.h"

namespace halftone {

std::vector<double> multiply_adds(const Graph& graph, const std::vector<QuantTarget>& targets,
                                  const std::map<std::string, Tensor>& sample) {
  std::vector<Shape> shapes;
  for (ValueId input : graph.inputs()) shapes.push_back(sample.at(graph.value(input).name).shape());
  const ConcreteGraph concrete = concretize_inputs(graph, shapes);
  std::vector<double> result;
  for (const QuantTarget& target : targets) {
    double flops = 0;
    for (int position : target.nodes) {
      const OpSite& site = concrete.sites[static_cast<size_t>(position)];
      if (site.input_shape(0).is_concrete()) flops += site.schema->cost(site).flops;
    }
    result.push_back(flops / 2);
  }
  return result;
}

std::vector<bool> choose_floating(const std::vector<LayerCost>& layers, const StaticActivations& recipe) {
  double work = 0, floating = 0;
  for (const LayerCost& layer : layers) work += layer.multiply_adds;
  std::vector<size_t> order(layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return layers[a].noise > layers[b].noise; });
  const double allowed = std::pow(10.0, -recipe.noise / 10);
  std::vector<bool> chosen(layers.size());
  const auto noise_left = [&] {  // summed anew: what is infinite cannot be taken off again
    double noise = 0;
    for (size_t i = 0; i < layers.size(); ++i) noise += chosen[i] ? 0 : layers[i].noise;
    return noise;
  };
  for (size_t i : order) {
    if (noise_left() <= allowed) break;
    if (floating + layers[i].multiply_adds > recipe.floating_share * work || layers[i].noise == 0) continue;
    chosen[i] = true;
    floating += layers[i].multiply_adds;
  }
  return chosen;
}

}  // namespace halftone
