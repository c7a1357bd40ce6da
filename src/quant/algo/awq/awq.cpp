#include "quant/algo/awq/awq.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "quant/algo/awq/clip_search.h"
#include "quant/algo/awq/factored_rounding.h"
#include "quant/algo/awq/scale_candidates.h"
#include "quant/structure/channel_factors.h"
#include "quant/structure/group_targets.h"
#include "quant/structure/layer_inputs.h"

namespace halftone {
namespace {

/// Rows of activations that every candidate is tried on; where there are more, the best few are tried on all.
constexpr int64_t kFirstRows = 1024;
constexpr size_t kFinalists = 6;

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
  for (int layer : group.layers) {
    const QuantTarget* target = target_of(block, layer);
    if (!target) continue;
    Value& weight = graph.value(target->weight);
    weight.constant = Constant(round_under_factors(*weight.constant, target->encoding,
                                                   layer_form(graph, node_at(block, layer))->weight_axis,
                                                   factors, weight.name, block.threads()));
    weight.type.dtype = DType::f32;
  }
  return graph;
}

/// As many of the first samples as have kFirstRows rows of the group's input; all where that saves little.
int first_samples(const CalibrationBlock& block, const Activations& inputs, const ScaleGroup& group) {
  const Node& first = node_at(block, group.layers.front());
  const int64_t channels = layer_form(block.graph, first)->channels;
  int64_t rows = 0;
  for (int sample = 0; sample < inputs.samples(); ++sample) {
    rows += inputs.get(sample, group.input).shape().elements() / channels;
    if (rows >= kFirstRows) return sample + 1 > inputs.samples() / 2 ? inputs.samples() : sample + 1;
  }
  return inputs.samples();
}

struct FactorChoice {
  std::vector<float> factors;  ///< empty: no loss was finite
  double share = 1;            ///< of the loss without factors
};

/// The candidate with the least loss; candidates.front() is the one without factors. All are tried on the
/// first samples, the best, and that one, on all.
FactorChoice choose_factors(const CalibrationBlock& block, const ScaleGroup& group,
                            std::vector<std::vector<float>> candidates, const Activations& from) {
  const Activations wanted = block.record(without_activation_encodings(block.graph), from, group.losses);
  auto loss_of = [&](const std::vector<float>& factors, const Activations& samples) {
    return block.compare(trial(block, group, factors), samples, wanted, group.losses).mse();
  };
  if (const int few = first_samples(block, from, group); few < from.samples()) {
    const Activations first = from.first(few);
    std::vector<std::pair<double, size_t>> order;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double loss = loss_of(candidates[i], first);
      order.emplace_back(std::isfinite(loss) ? loss : std::numeric_limits<double>::infinity(), i);
    }
    std::ranges::sort(order);
    std::vector<std::vector<float>> finalists{candidates.front()};
    for (const auto& [loss, i] : order)
      if (i != 0 && finalists.size() < kFinalists) finalists.push_back(candidates[i]);
    candidates = std::move(finalists);
  }
  FactorChoice best;
  double least = std::numeric_limits<double>::infinity(), identity = 0;
  for (const std::vector<float>& factors : candidates) {
    const double loss = loss_of(factors, from);
    if (&factors == &candidates.front()) identity = loss;
    if (!(loss < least)) continue;
    least = loss;
    best = {factors, identity > 0 ? least / identity : 1};
  }
  return best;
}

void search_factors(CalibrationBlock& block, const ScaleGroup& group, bool duo) {
  const Activations& inputs = block.inputs(Prefix::original);
  const ChannelStatistics seen = observe_channels(block, inputs, group);
  const std::vector<float> activation = join_tied(*group.absorption, seen.mean_magnitude);
  if (std::all_of(activation.begin(), activation.end(), [](float x) { return x == 0; })) {
    block.fallback(first_target(block, group), "its activations are always 0: no factors");
    return;
  }
  if (const auto dead = std::ranges::count(activation, 0.0f))
    block.fallback(first_target(block, group),
                   fmt::format("{} of {} inputs are always 0: their factor is 1", dead, activation.size()));
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

  const Activations from =
      block.record(without_activation_encodings(block.graph), inputs, std::span(&group.input, 1));
  const FactorChoice best = choose_factors(block, group, awq_candidates(activation, weights), from);
  if (best.factors.empty()) {
    block.fallback(first_target(block, group), "its loss is not finite: no factors");
    return;
  }
  divide_channels(block.graph, group, best.factors);
  block.note(first_target(block, group),
             fmt::format("factors of {} channels leave {:.3g} of the loss", best.factors.size(), best.share));
}

/// What was seen so far before each weight that several layers multiply with.
using GramsOfShared = std::map<ValueId, GroupGrams>;

void search_clips(CalibrationBlock& block, const ScaleGroup& group, GramsOfShared& of_shared) {
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
    const GroupGrams* seen = &grams.at(length);
    if (target.nodes.size() > 1) {
      const auto [all, fresh] = of_shared.try_emplace(target.weight, *seen);
      if (!fresh) all->second.add(*seen);
      seen = &all->second;
    }
    if (!seen->is_finite()) {
      block.fallback(target.nodes.front(), "products of its activations are not finite: no clips");
      continue;
    }
    weight.constant->set_encoded(
        search_clips(weight.constant->load(), target.encoding, *seen, weight.name, block.threads()));
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
  if (settings.at("clip") == 0) return;
  GramsOfShared of_shared;
  for (const ScaleGroup& group : target_groups(block)) search_clips(block, group, of_shared);
}

}  // namespace halftone
