#include "quant/algo/awq/awq.h"

#include <algorithm>
#include <limits>
#include <map>

#include "quant/algo/awq/clip_search.h"
#include "quant/algo/awq/scale_candidates.h"
#include "quant/structure/channel_factors.h"
#include "quant/structure/group_targets.h"
#include "quant/structure/layer_inputs.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"scales", 1, 0, 1, "search factors of input channels"},
    {"duo", 1, 0, 1, "try factors from weights and activations too, as AutoAWQ does"},
    {"clip", 1, 0, 1, "search clips and choose the codes; off when another algorithm chooses them"}};

const Node& node_at(const CalibrationBlock& block, int n) {
  return block.graph.nodes()[static_cast<size_t>(n)];
}

/// Channels that share a scale, where scales run along the inputs; all of them elsewhere.
int64_t scale_channels(const Encoding& encoding, const LayerForm& form) {
  return encoding.granularity.kind == Granularity::Kind::per_group && form.output_axis == 0
             ? encoding.granularity.group
             : form.channels;
}

/// A copy of the graph with the group's targets as they come back from their codes under these factors.
Graph trial(const CalibrationBlock& block, const ScaleGroup& group, const std::vector<float>& factors) {
  Graph graph = without_activation_encodings(block.graph);
  std::vector<float> inverse;
  for (float factor : factors) inverse.push_back(1 / factor);
  for (int layer : group.layers) {
    const QuantTarget* target = target_of(block, layer);
    if (!target) continue;
    Value& weight = graph.value(target->weight);
    const Tensor scaled = multiply_channels(graph, layer, factors).load();
    const QuantizedTensor codes = quantize(scaled.view(), target->encoding, weight.name, &block.threads());
    const Tensor rounded = scaled_constant(Constant(codes.decode()),
                                           layer_form(graph, node_at(block, layer))->weight_axis, inverse)
                               .load();
    weight.type.dtype = DType::f32;
    weight.constant = Constant(rounded);
  }
  return graph;
}

void search_factors(CalibrationBlock& block, const ScaleGroup& group, bool duo) {
  const Activations& inputs = block.inputs(Prefix::original);
  const ChannelStatistics seen = observe_channels(block, inputs, group);
  const std::vector<float> activation = join_tied(*group.absorption, seen.mean_magnitude);
  if (std::all_of(activation.begin(), activation.end(), [](float x) { return x == 0; })) {
    block.fallback(first_target(block, group), "its activations are always 0: no factors");
    return;
  }
  std::vector<float> weights;
  if (duo) {
    WeightMagnitudes magnitudes(static_cast<int64_t>(activation.size()));
    for (int layer : group.layers) {
      const Node& node = node_at(block, layer);
      const LayerForm form = *layer_form(block.graph, node);
      const QuantTarget* target = target_of(block, layer);
      if (node.schema->name == "Conv" || !target) continue;
      magnitudes.add_weights(block.graph.value(node.inputs[1]).constant->load(), form.output_axis == 1,
                             scale_channels(target->encoding, form));
    }
    weights = join_tied(*group.absorption, magnitudes.means());
    if (node_at(block, group.layers.front()).schema->name == "Conv") weights.clear();
  }

  const Graph plain = without_activation_encodings(block.graph);
  const Activations from = block.record(plain, inputs, std::span(&group.input, 1));
  const Activations wanted = block.record(plain, from, group.losses);
  double least = std::numeric_limits<double>::infinity(), identity = 0;
  std::vector<float> best;
  for (const std::vector<float>& factors : awq_candidates(activation, weights)) {
    const double error = block.compare(trial(block, group, factors), from, wanted, group.losses).mse();
    if (best.empty()) identity = error;
    if (!(error < least)) continue;
    least = error;
    best = factors;
  }
  if (best.empty()) {
    block.fallback(first_target(block, group), "its loss is not finite: no factors");
    return;
  }
  divide_channels(block.graph, group, best);
  block.note(first_target(block, group), fmt::format("factors of {} channels leave {:.3g} of the loss",
                                                     best.size(), identity > 0 ? least / identity : 1.0));
}

void search_clips(CalibrationBlock& block, const ScaleGroup& group) {
  std::map<int64_t, GroupGrams> grams;  // by group length; of Gemm and MatMul, whose rows are the same
  std::vector<int> layers;
  for (size_t i = 0; i < group.layers.size(); ++i) {
    const Node& node = node_at(block, group.layers[i]);
    const LayerForm form = *layer_form(block.graph, node);
    const QuantTarget* target = target_of(block, group.layers[i]);
    const bool along_inputs = form.output_axis == 0 && target &&
                              target->encoding.granularity.kind != Granularity::Kind::per_tensor &&
                              !target->encoding.double_quant_block &&
                              !target->encoding.format->has_tensor_codebook();
    if (!along_inputs || group.scores[i] || node.schema->name == "Conv") continue;
    layers.push_back(group.layers[i]);
    const int64_t length = scale_channels(target->encoding, form);
    grams.try_emplace(length, form.channels, length);
  }
  if (layers.empty()) return;
  const Graph plain = without_activation_encodings(block.graph);
  block.run(plain, block.inputs(Prefix::original), std::span(&group.input, 1),
            [&](int, ValueId, const TensorView& tensor) {
              visit_layer_inputs(block.graph, node_at(block, layers.front()), tensor, 0,
                                 [&](MatrixView rows) {
                                   for (auto& [length, each] : grams) each.add(rows, block.threads());
                                 });
            });
  for (int layer : layers) {
    const QuantTarget& target = *target_of(block, layer);
    Value& weight = block.graph.value(target.weight);
    const int64_t length = scale_channels(target.encoding, *layer_form(block.graph, node_at(block, layer)));
    weight.constant->set_encoded(search_clips(weight.constant->load(), target.encoding, grams.at(length),
                                              weight.name, block.threads()));
  }
}

}  // namespace

std::span<const AlgorithmSetting> Awq::settings() const {
  return kSettings;
}

void Awq::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  for (const ScaleGroup& group : target_groups(block)) {
    if (settings.at("scales") == 0) break;
    if (group.absorption)
      search_factors(block, group, settings.at("duo") != 0);
    else
      block.note(first_target(block, group), "no factors: " + group.obstacle);
  }
  if (settings.at("clip") != 0)
    for (const ScaleGroup& group : target_groups(block)) search_clips(block, group);
}

}  // namespace halftone
