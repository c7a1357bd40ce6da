#include "quant/algo/int8_static/static_activations.h"

#include <algorithm>

#include "base/error.h"
#include "graph/static_codes.h"
#include "ops/requantizer.h"
#include "quant/algo/int8_static/integer_plan.h"
#include "quant/algo/int8_static/layer_times.h"
#include "quant/algo/int8_static/observed_ranges.h"

namespace halftone {
namespace {

constexpr const char* kName = "int8-static";
/// A layer is taken for slower only beyond this: timings of one layer are never quite equal.
constexpr double kSlower = 1.05;

/// The scale of each group: the union of its values' ranges.
std::vector<CodeScale> group_scales(const Graph& graph, const IntegerPlan& plan,
                                    const std::map<std::string, ClipRange>& ranges, bool symmetric) {
  std::vector<ClipRange> unions(static_cast<size_t>(plan.groups));
  for (size_t id = 0; id < plan.group.size(); ++id) {
    if (plan.group[id] < 0) continue;
    const auto found = ranges.find(graph.values()[id].name);
    if (found == ranges.end()) continue;  // an alias of a value that is there
    ClipRange& all = unions[static_cast<size_t>(plan.group[id])];
    all.low = std::min(all.low, found->second.low);
    all.high = std::max(all.high, found->second.high);
  }
  std::vector<CodeScale> scales;
  for (const ClipRange& range : unions) scales.push_back(fit_codes(range.low, range.high, symmetric));
  return scales;
}

void set_encodings(Graph& graph, const IntegerPlan& plan, const std::vector<CodeScale>& scales,
                   const StaticActivations& recipe) {
  const auto scale = [&](ValueId id) -> const CodeScale& {
    return scales[static_cast<size_t>(plan.group[static_cast<size_t>(id)])];
  };
  for (Node& node : graph.nodes()) {
    if (!plan.nodes[static_cast<size_t>(&node - graph.nodes().data())].integer) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (plan.reads_codes(graph, node, i)) set_codes_in(node, i, scale(node.inputs[i]));
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (plan.stored[static_cast<size_t>(node.outputs[i])]) set_codes_out(node, i, scale(node.outputs[i]));
    if (recipe.requantization == Requantization::fixed && !moves_numbers(node))
      node.attributes.set("requantization", std::string("fixed"));
  }
}

/// Nodes whose weights are quantized.
std::vector<bool> integer_layers(const Graph& graph, const std::vector<QuantTarget>& targets) {
  std::vector<bool> layers(graph.nodes().size());
  for (const QuantTarget& target : targets)
    for (int node : target.nodes)
      layers[static_cast<size_t>(node)] = graph.value(target.weight).constant->encoding().has_value();
  return layers;
}

/// Gives layers that run faster in floating point their original weights back.
std::vector<LayerNote> keep_slower_layers(Graph& graph, const Graph& original,
                                          const std::vector<QuantTarget>& targets, std::vector<bool>& layers,
                                          const QuantizeOptions& options) {
  std::vector<LayerNote> notes;
  const auto integer = layer_times(graph, options), floating = layer_times(original, options);
  for (const QuantTarget& target : targets) {
    double codes = 0, floats = 0;
    for (int position : target.nodes) {
      const std::string& name = graph.nodes()[static_cast<size_t>(position)].name;
      codes += integer.at(name);
      floats += floating.at(name);
    }
    if (codes <= kSlower * floats) continue;
    graph.value(target.weight).constant = original.value(target.weight).constant;
    for (int position : target.nodes) {
      layers[static_cast<size_t>(position)] = false;
      notes.push_back(
          {graph.nodes()[static_cast<size_t>(position)].name, kName,
           fmt::format("stays floating: measured {:.1f} us in integers, {:.1f} us in floating point",
                       codes * 1e3, floats * 1e3),
           true});
    }
  }
  return notes;
}

void note_decisions(const Graph& graph, const IntegerPlan& plan, const std::vector<CodeScale>& scales,
                    std::vector<LayerNote>& notes) {
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const IntegerNode& made = plan.nodes[n];
    if (!made.integer) {
      if (works_on_codes(graph, node))
        notes.push_back({node.name, kName, "stays floating: " + made.reason, false});
      continue;
    }
    if (node.schema->name != "Concat") continue;
    const CodeScale& scale = scales[static_cast<size_t>(plan.group[static_cast<size_t>(node.inputs[0])])];
    notes.push_back({node.name, kName,
                     fmt::format("its inputs and its output share the scale {:.6g}", scale.scale), false});
  }
}

}  // namespace

std::vector<LayerNote> set_static_activations(Graph& graph, const Graph& original,
                                              const std::vector<QuantTarget>& targets,
                                              const StaticActivations& recipe,
                                              const QuantizeOptions& options) {
  if (!options.data || options.data->samples() == 0)
    throw UsageError("static activations need calibration data (--calib FOLDER)");
  for (ValueId input : original.inputs())
    if (original.value(input).type.dtype == DType::state)
      throw UnsupportedError("{}: static activations of a model with a state ({}); int8-dynamic takes it",
                             original.name, original.value(input).name);
  const std::map<std::string, ClipRange> ranges = observe_ranges(original, recipe.observer, options);
  std::vector<bool> layers = integer_layers(graph, targets);
  const Graph with_weights = graph;

  IntegerPlan plan = plan_integers(graph, layers);
  std::vector<CodeScale> scales = group_scales(graph, plan, ranges, recipe.symmetric);
  set_encodings(graph, plan, scales, recipe);
  std::vector<LayerNote> notes;
  if (recipe.measure) {
    notes = keep_slower_layers(graph, original, targets, layers, options);
    if (!notes.empty()) {
      Graph again = with_weights;
      for (const QuantTarget& target : targets)
        again.value(target.weight).constant = graph.value(target.weight).constant;
      graph = std::move(again);
      plan = plan_integers(graph, layers);
      scales = group_scales(graph, plan, ranges, recipe.symmetric);
      set_encodings(graph, plan, scales, recipe);
    }
  }
  note_decisions(graph, plan, scales, notes);
  return notes;
}

void assume_static_activations(Graph& graph, const std::vector<QuantTarget>& targets,
                               const StaticActivations& recipe) {
  const IntegerPlan plan = plan_integers(graph, integer_layers(graph, targets));
  const std::vector<CodeScale> scales(static_cast<size_t>(plan.groups), fit_codes(-1, 1, recipe.symmetric));
  set_encodings(graph, plan, scales, recipe);
}

}  // namespace halftone
