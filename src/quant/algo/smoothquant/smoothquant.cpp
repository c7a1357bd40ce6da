#include "quant/algo/smoothquant/smoothquant.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/structure/channel_factors.h"
#include "quant/structure/group_targets.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"alpha", 0.5, 0, 1, "share of the difficulty that moves from activations to weights"},
    {"search_alpha", 0, 0, 1, "search alpha for each group, of 0, 0.05 .. 1, by the loss of its block"},
    {"through_layers", 0, 0, 1, "smooth also what a layer gives (values to o, up to down), not only norms"},
    {"identity", 1, 0, 1, "leave a group alone where its factors do not lower the loss"}};
constexpr int kAlphas = 21;
constexpr float kLeast = 1e-5f;

const Node& node_at(const CalibrationBlock& block, int n) {
  return block.graph.nodes()[static_cast<size_t>(n)];
}

/// Whether it is a layer, and no norm, that takes the factors in.
bool behind_a_layer(const CalibrationBlock& block, const Absorption& absorption) {
  return std::ranges::any_of(absorption.absorbers, [&](const Absorber& absorber) {
    return layer_form(block.graph, node_at(block, absorber.node)).has_value();
  });
}

/// How far the group's layers, rounded, with their activations encoded as the recipe has it, are from what
/// they should give; the layers after them stay floating.
double loss_of(const CalibrationBlock& block, const ScaleGroup& group, std::span<const float> factors,
               const Activations& wanted) {
  Graph trial = without_activation_encodings(block.graph);
  divide_channels(trial, group, factors);
  for (int layer : group.layers) {
    const QuantTarget* target = target_of(block, layer);
    if (!target) continue;
    trial.value(target->weight).constant->set_encoding(target->encoding);
    trial.nodes()[static_cast<size_t>(layer)].use_encodings = node_at(block, layer).use_encodings;
  }
  return block.compare(trial, block.inputs(Prefix::original), wanted, group.losses).mse();
}

void smooth(CalibrationBlock& block, const ScaleGroup& group, const AlgorithmSettings& settings) {
  const Activations& inputs = block.inputs(Prefix::original);
  const ChannelStatistics seen = observe_channels(block, inputs, group);
  std::vector<float> largest(seen.largest_magnitude.size());
  for (int layer : group.layers) {
    const Node& node = node_at(block, layer);
    include_largest_weights(block.graph.value(node.inputs[1]).constant->load(),
                            layer_form(block.graph, node)->weight_axis, largest);
  }
  const std::vector<float> activation = join_tied(*group.absorption, seen.largest_magnitude);
  const std::vector<float> weight = join_tied(*group.absorption, largest);
  const auto dead = std::count(activation.begin(), activation.end(), 0.0f);
  if (dead > 0)
    block.fallback(first_target(block, group),
                   fmt::format("{} of {} inputs are always 0: their factor is 1", dead, activation.size()));

  std::vector<double> alphas{settings.at("alpha")};
  if (settings.at("search_alpha") != 0) {
    alphas.clear();
    for (int i = 0; i < kAlphas; ++i) alphas.push_back(static_cast<double>(i) / (kAlphas - 1));
  }
  const bool identity = settings.at("identity") != 0;
  std::vector<float> best = smooth_factors(activation, weight, alphas.front());
  if (alphas.size() > 1 || identity) {
    const Activations wanted = block.record(block.original(), inputs, group.losses);
    const double untouched = loss_of(block, group, std::vector<float>(best.size(), 1.0f), wanted);
    double least = std::numeric_limits<double>::infinity(), chosen = alphas.front();
    for (double alpha : alphas) {
      const std::vector<float> factors = smooth_factors(activation, weight, alpha);
      const double loss = loss_of(block, group, factors, wanted);
      if (!(loss < least)) continue;
      least = loss;
      best = factors;
      chosen = alpha;
    }
    if (identity && !(least < untouched)) {
      block.note(first_target(block, group), "not smoothed: the factors do not lower the loss");
      return;
    }
    block.note(first_target(block, group),
               fmt::format("alpha {:.2f} leaves {:.3g} of the loss", chosen, least / untouched));
  }
  divide_channels(block.graph, group, best);
}

}  // namespace

std::vector<float> smooth_factors(std::span<const float> largest_activation,
                                  std::span<const float> largest_weight, double alpha) {
  std::vector<float> factors;
  for (size_t c = 0; c < largest_activation.size(); ++c) {
    const double activation = double{largest_activation[c]}, weight = double{largest_weight[c]};
    const double factor = activation > 0 && weight > 0
                              ? std::pow(activation, alpha) / std::pow(std::max(weight, 1e-5), 1 - alpha)
                              : 1;
    factors.push_back(std::max(static_cast<float>(factor), kLeast));
  }
  return factors;
}

void include_largest_weights(const Tensor& weights, int axis, std::span<float> largest) {
  const Tensor floats = to_f32(weights);
  int64_t inner = 1;
  for (int a = axis + 1; a < weights.shape().rank(); ++a) inner *= weights.shape()[a];
  const auto w = floats.span<float>();
  for (size_t i = 0; i < w.size(); ++i) {
    float& most = largest[i / static_cast<size_t>(inner) % largest.size()];
    most = std::max(most, std::abs(w[i]));
  }
}

std::span<const AlgorithmSetting> SmoothQuant::settings() const {
  return kSettings;
}

void SmoothQuant::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  for (const ScaleGroup& group : target_groups(block)) {
    if (!group.absorption)
      block.note(first_target(block, group), "not smoothed: " + group.obstacle);
    else if (settings.at("through_layers") == 0 && behind_a_layer(block, *group.absorption))
      block.note(first_target(block, group), "not smoothed: a layer gives its input (through_layers)");
    else
      smooth(block, group, settings);
  }
}

}  // namespace halftone
