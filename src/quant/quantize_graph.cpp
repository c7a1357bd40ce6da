#include "quant/quantize_graph.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/passes/pass.h"
#include "graph/static_codes.h"
#include "quant/algo/int8_static/even_channels.h"
#include "quant/algo/int8_static/prepare_graph.h"
#include "quant/algo/int8_static/static_activations.h"
#include "quant/algorithm.h"
#include "quant/calib/block_context.h"
#include "quant/calib/finite_samples.h"
#include "quant/calib/quantize_blocks.h"
#include "quant/cast_weights.h"
#include "quant/targets.h"
#include "quant/widened_graph.h"

namespace halftone {
namespace {

double constant_bytes(const Graph& graph) {
  double bytes = 0;
  for (const Value& value : graph.values())
    if (value.constant) bytes += value.constant->stored_bytes();
  return bytes;
}

const RecipeRule& rule_of(const Recipe& recipe, const std::string& layer) {
  return *std::find_if(recipe.rules.begin(), recipe.rules.end(),
                       [&](const RecipeRule& rule) { return rule.matches(layer); });
}

[[noreturn]] void refuse_nothing(const Graph& graph, const Recipe& recipe, const QuantTargets& targets) {
  if (targets.kept.empty())
    throw UsageError("recipe {} quantizes nothing in {}: it has no layers with constant weights", recipe.name,
                     graph.name);
  const KeptLayer& first = targets.kept.front();
  throw UsageError("recipe {} quantizes nothing in {}: layer {}: {}", recipe.name, graph.name,
                   graph.nodes()[static_cast<size_t>(first.node)].name, first.reason);
}

bool groups_weights(const Recipe& recipe) {
  return std::ranges::any_of(recipe.rules, [](const RecipeRule& rule) {
    return rule.weights && rule.weights->granularity.kind == Granularity::Kind::per_group;
  });
}

/// Gemm takes an encoding on the use of its activation, and so does Conv of one group, a scale for each
/// picture (a depthwise one multiplies too little to pay for it).
std::string set_activations(const Recipe& recipe, Node& node) {
  const std::optional<Encoding>& wanted = rule_of(recipe, node.name).activations;
  const bool conv = node.schema->name == "Conv" && node.attributes.get_int("group", 1) == 1;
  if (!wanted || (node.schema->name != "Gemm" && !conv)) return "";
  if (conv && wanted->granularity.kind != Granularity::Kind::per_token) return "";
  if (node.use_encodings.empty()) node.use_encodings.resize(1);
  node.use_encodings[0] = wanted;
  return wanted->str();
}

/// What algorithms left (factors that moved between layers, too), before rounding.
Graph with_floating_weights(const Graph& graph, const std::vector<QuantTarget>& targets) {
  Graph floating = graph;
  for (const QuantTarget& target : targets) {
    Value& weight = floating.value(target.weight);
    weight.constant = Constant(weight.constant->load());
  }
  return floating;
}

/// The whole graph as one block, without activations.
std::vector<LayerNote> quantize_at_once(Graph& graph, const AlgorithmChain& chain,
                                        const std::vector<QuantTarget>& targets,
                                        const QuantizeOptions& options) {
  const CalibrationMachine machine{.threads = options.threads};
  BlockContext context{machine, graph.name, options.seed, graph, targets};
  CalibrationBlock block(context);
  block.graph = std::move(graph);
  for (const auto& [algorithm, settings] : chain) {
    context.algorithm = algorithm->name();
    algorithm->apply(block, settings);
  }
  graph = std::move(block.graph);
  return std::move(context.notes);
}

std::vector<LayerNote> run_algorithms(Graph& graph, const Recipe& recipe,
                                      const std::vector<QuantTarget>& targets,
                                      const QuantizeOptions& options) {
  const AlgorithmChain chain = make_chain(options.encodings_only ? Recipe().algorithms : recipe.algorithms);
  if (!needs_of(chain).any()) return quantize_at_once(graph, chain, targets, options);
  if (!options.data)
    throw UsageError(
        "recipe {} needs calibration data: halftone quantize --calib PATH of texts or pictures, or "
        "--input-list FILE of tensors",
        recipe.name);
  return quantize_blocks(graph, chain, targets, options);
}

}  // namespace

QuantReport quantize_graph(Graph& graph, const Recipe& recipe, const QuantizeOptions& given) {
  if (recipe.floating) return cast_weights(graph, recipe);
  const double bytes_given = constant_bytes(graph);
  const std::map<std::string, double> widened = compute_in_f32(graph);
  const auto bytes_of = [&](const Value& weight) {
    const auto found = widened.find(weight.name);
    return found == widened.end() ? weight.constant->stored_bytes() : found->second;
  };
  QuantizeOptions options = given;
  std::optional<FiniteSamples> samples;
  if (recipe.static_activations && given.data && !given.encodings_only)
    options.data = &samples.emplace(*given.data, graph);
  // Static codes lie between whatever is left when layers are folded and fused.
  const bool convolves = std::any_of(graph.nodes().begin(), graph.nodes().end(),
                                     [](const Node& node) { return node.schema->name == "Conv"; });
  const bool dynamic = std::any_of(recipe.rules.begin(), recipe.rules.end(),
                                   [](const RecipeRule& rule) { return rule.activations.has_value(); });
  // Layers with encodings are not fused any more.
  if (!recipe.static_activations && convolves && dynamic) run_passes(graph, standard_passes());
  std::vector<LayerNote> prepared;
  if (recipe.static_activations) {
    run_passes(graph, standard_passes());
    if (recipe.static_activations->integer_only && options.data && !options.encodings_only)
      prepared = part_outliers(graph, options, recipe.minimum_elements);
    const bool products = !recipe.static_activations->integer_only &&
                          recipe.static_activations->requantization == Requantization::floating;
    if (options.even_factors) {
      even_out_channels(graph, products, *options.even_factors);
    } else if (recipe.static_activations->even_channels && options.data && !options.encodings_only) {
      const std::vector<LayerNote> evened = even_out_channels(graph, products, options);
      prepared.insert(prepared.end(), evened.begin(), evened.end());
    }
    prepare_static_graph(graph, *recipe.static_activations);
  } else if (groups_weights(recipe)) {
    linear_to_gemm(graph);
  }
  const QuantTargets targets = find_targets(graph, recipe);
  if (targets.quantized.empty()) refuse_nothing(graph, recipe, targets);
  QuantReport report;
  report.recipe = recipe.name;
  report.unmatched = targets.unmatched;
  report.bytes_before = widened.empty() ? constant_bytes(graph) : bytes_given;

  std::vector<std::pair<int, LayerReport>> layers;  // by position in the graph
  for (const KeptLayer& kept : targets.kept) {
    const Value& weight = graph.value(kept.weight);
    const double bytes = weight.constant->stored_bytes();
    layers.push_back({kept.node,
                      {.layer = graph.nodes()[static_cast<size_t>(kept.node)].name,
                       .weight = weight.name,
                       .shape = weight.type.shape,
                       .encoding = {},
                       .kept = kept.reason,
                       .activations = {},
                       .bytes_before = bytes,
                       .bytes_after = bytes}});
  }
  std::vector<double> before;
  for (const QuantTarget& target : targets.quantized) before.push_back(bytes_of(graph.value(target.weight)));
  // Names and activation encodings first: algorithms may add nodes, and see what the uses will be given.
  std::vector<std::vector<LayerReport>> quantized_layers(targets.quantized.size());
  for (size_t i = 0; i < targets.quantized.size(); ++i)
    for (int position : targets.quantized[i].nodes) {
      Node& node = graph.nodes()[static_cast<size_t>(position)];
      LayerReport layer;
      layer.layer = node.name;
      layer.activations = set_activations(recipe, node);
      quantized_layers[i].push_back(std::move(layer));
    }
  report.notes = run_algorithms(graph, recipe, targets.quantized, options);
  report.notes.insert(report.notes.begin(), prepared.begin(), prepared.end());
  if (samples && !samples->remark().empty())
    report.notes.push_back({graph.name, "calibration", samples->remark(), true});
  if (recipe.static_activations && options.encodings_only)
    assume_static_activations(graph, targets.quantized, *recipe.static_activations, options.without_scales);
  else if (recipe.static_activations)
    for (LayerNote& note : set_static_activations(graph, with_floating_weights(graph, targets.quantized),
                                                  targets.quantized, *recipe.static_activations, options))
      report.notes.push_back(std::move(note));

  double bits = 0;
  for (size_t i = 0; i < targets.quantized.size(); ++i) {
    const QuantTarget& target = targets.quantized[i];
    const Value& weight = graph.value(target.weight);
    const double after = weight.constant->stored_bytes();
    report.quantized_elements += static_cast<double>(weight.type.shape.elements());
    bits += 8 * after;
    for (size_t n = 0; n < target.nodes.size(); ++n) {
      LayerReport& layer = quantized_layers[i][n];
      layer.weight = weight.name;
      layer.shape = weight.type.shape;
      layer.encoding = weight.constant->encoding() ? weight.constant->encoding()->str() : "";
      layer.kept = weight.constant->encoding() ? ""
                   : options.blocks            ? "outside the blocks asked for"
                                               : "better or faster in floating point: see the notes";
      if (const auto codes = codes_in(graph.nodes()[static_cast<size_t>(target.nodes[n])], 0);
          codes && recipe.static_activations)
        layer.activations = fmt::format("u8 static, {:.6g} * (code - {})", codes->scale, codes->zero);
      layer.bytes_before = n == 0 ? before[i] : 0;
      layer.bytes_after = n == 0 ? after : 0;
      layers.push_back({target.nodes[n], std::move(layer)});
    }
  }
  std::sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [position, layer] : layers) report.layers.push_back(std::move(layer));
  report.bytes_after = constant_bytes(graph);
  report.bits_per_weight = bits / report.quantized_elements;
  if (recipe.static_activations) fold_idle_products(graph);
  verify(graph);
  return report;
}

void encode_target(Graph& graph, const Recipe& recipe, const QuantTarget& target) {
  graph.value(target.weight).constant->set_encoding(target.encoding);
  for (int node : target.nodes) set_activations(recipe, graph.nodes()[static_cast<size_t>(node)]);
}

}  // namespace halftone
