#include "quant/algo/gptq/gptq.h"

#include <cmath>
#include <map>

#include "quant/algo/gptq/rounding.h"
#include "quant/structure/group_targets.h"
#include "quant/structure/layer_inputs.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"damping", 0.01, 1e-6, 1, "share of the Hessian's mean diagonal that is added to it"},
    {"act_order", 0, 0, 1, "columns with the largest activations first, with static groups"},
    {"static_groups", 0, 0, 1, "scales of groups from the weights before any is rounded"},
    {"search_scales", 1, 0, 1, "clip scales where that lowers the weighted error"}};

/// Layers that multiply the same rows, and the Gram matrices of these, one for each part of the input.
struct SharedInputs {
  std::vector<int> layers;
  std::vector<Gram> grams;
};

/// The targets of a group: all its Gemms and MatMuls see the same rows, each Conv windows of its own.
std::vector<SharedInputs> share_inputs(const CalibrationBlock& block, const ScaleGroup& group) {
  std::vector<SharedInputs> sets;
  for (int layer : group.layers) {
    if (!target_of(block, layer)) continue;
    const Node& node = block.graph.nodes()[static_cast<size_t>(layer)];
    const bool has_windows = node.schema->name == "Conv";
    if (!has_windows && !sets.empty()) {  // the activation is a matrix, so no layer of the group is a Conv
      sets.back().layers.push_back(layer);
      continue;
    }
    const LayerForm form = *layer_form(block.graph, node);
    const int64_t inputs = block.graph.value(node.inputs[1]).type.shape.elements() / form.outputs;
    sets.push_back({{layer}, {}});
    for (int64_t part = 0; part < input_parts(node); ++part) sets.back().grams.emplace_back(inputs);
  }
  return sets;
}

std::vector<SharedInputs> observe_inputs(const CalibrationBlock& block, const ScaleGroup& group) {
  std::vector<SharedInputs> sets = share_inputs(block, group);
  block.run(block.graph, block.inputs(Prefix::quantized), std::span(&group.input, 1),
            [&](int, ValueId, const TensorView& tensor) {
              for (SharedInputs& set : sets) {
                const Node& node = block.graph.nodes()[static_cast<size_t>(set.layers.front())];
                for (size_t part = 0; part < set.grams.size(); ++part)
                  visit_layer_inputs(block.graph, node, tensor, static_cast<int64_t>(part),
                                     [&](MatrixView rows) { set.grams[part].add(rows, block.threads()); });
              }
            });
  return sets;
}

/// Rounds one layer; `grams` has one matrix for each part of its input.
void round_layer(CalibrationBlock& block, int layer, const QuantTarget& target, const GptqOptions& options,
                 std::span<const Gram> grams) {
  const Node& node = block.graph.nodes()[static_cast<size_t>(layer)];
  Value& weight = block.graph.value(target.weight);
  const bool outputs_last = layer_form(block.graph, node)->output_axis == 1;
  GptqRounding rounding(weight.constant->load(), outputs_last, target.encoding, options, weight.name);
  const auto parts = static_cast<int64_t>(grams.size());
  const int64_t outputs = rounding.outputs() / parts;
  bool finite = true;
  for (int64_t part = 0; part < parts; ++part) {
    const GptqOutcome outcome = rounding.round(part * outputs, (part + 1) * outputs,
                                               grams[static_cast<size_t>(part)], block.threads());
    finite &= std::isfinite(outcome.loss);
    if (outcome.failed)
      block.fallback(target.nodes.front(), "its activations have no usable Hessian: rounded to nearest");
    else if (outcome.damping > options.damping)
      block.fallback(target.nodes.front(),
                     fmt::format("its Hessian needed a damping of {:.3g}", outcome.damping));
    if (outcome.dead > 0 && !outcome.failed)
      block.fallback(target.nodes.front(),
                     fmt::format("{} of {} inputs are always 0: their weights are rounded to nearest",
                                 outcome.dead, rounding.inputs()));
  }
  if (finite) return weight.constant->set_encoded(rounding.finish());
  weight.constant->set_encoding(target.encoding);
  block.fallback(target.nodes.front(), "its weights overflow as errors are passed on: rounded to nearest");
}

}  // namespace

std::span<const AlgorithmSetting> Gptq::settings() const {
  return kSettings;
}

void Gptq::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  GptqOptions options;
  options.damping = settings.at("damping");
  options.act_order = settings.at("act_order") != 0;
  options.static_groups = settings.at("static_groups") != 0;
  options.search_scales = settings.at("search_scales") != 0;

  std::map<ValueId, std::vector<Gram>> seen;  // by weight that several layers multiply with
  for (const ScaleGroup& group : target_groups(block))
    for (const SharedInputs& shared : observe_inputs(block, group))
      for (int layer : shared.layers) {
        const QuantTarget& target = *target_of(block, layer);
        const std::vector<Gram>* grams = &shared.grams;
        if (target.nodes.size() > 1) {
          const auto [all, fresh] = seen.try_emplace(target.weight, shared.grams);
          for (size_t part = 0; !fresh && part < shared.grams.size(); ++part)
            all->second[part].add(shared.grams[part]);
          grams = &all->second;
        }
        round_layer(block, layer, target, options, *grams);
      }
}

}  // namespace halftone
