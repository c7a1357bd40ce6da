#include "tune/sweep.h"

#include <algorithm>
#include <map>

#include "cost/graph_cost.h"
#include "quant/algorithm.h"
#include "quant/targets.h"

namespace halftone {
namespace {

std::string scales_text(const Encoding& encoding) {
  switch (encoding.granularity.kind) {
    case Granularity::Kind::per_tensor:
      return "per tensor";
    case Granularity::Kind::per_axis:
      return "per channel";
    case Granularity::Kind::per_group:
      return "per block";
    case Granularity::Kind::per_token:
      return "per token";
  }
  return {};
}

std::string most_common(const std::map<std::string, double>& weights) {
  auto most = std::max_element(weights.begin(), weights.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == weights.end() ? "" : most->first;
}

/// How the layers of a plan are written and run: encodings by the number of weights that have them.
void describe_layers(const Plan& plan, SweepRow& row) {
  std::map<std::string, double> weights, activations;
  const Encoding *any_weights = nullptr, *any_activations = nullptr;  // of the largest kind, for the words
  const Graph& graph = plan.graph();
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const OpSite site = graph.site(node);
    if (!has_weights(node) || !site.inputs[1].constant) continue;
    const double elements = static_cast<double>(site.input_shape(1).elements());
    weights[site.inputs[1].encoding ? site.inputs[1].encoding->str()
                                    : std::string(dtype_name(site.inputs[1].type.dtype))] += elements;
    activations[site.inputs[0].encoding ? site.inputs[0].encoding->str()
                                        : std::string(dtype_name(site.inputs[0].type.dtype))] += elements;
    if (site.inputs[1].encoding && most_common(weights) == site.inputs[1].encoding->str())
      any_weights = site.inputs[1].encoding;
    if (site.inputs[0].encoding && most_common(activations) == site.inputs[0].encoding->str())
      any_activations = site.inputs[0].encoding;
    ++row.layers;
    row.fast_layers += plan.steps()[n].prepared != nullptr;
  }
  row.weights = most_common(weights);
  row.activations = most_common(activations);
  if (any_weights) row.weight_scales = scales_text(*any_weights);
  if (any_weights) row.block = any_weights->granularity.group;
  if (any_activations) row.activation_scales = scales_text(*any_activations);
  if (any_activations) row.dynamic = any_activations->timing == Timing::dynamic;
}

bool has_activations(const Recipe& recipe) {
  return std::any_of(recipe.rules.begin(), recipe.rules.end(),
                     [](const RecipeRule& rule) { return rule.activations.has_value(); });
}

SweepRow measure(const std::string& scheme, Engine& reference, Engine& engine, const SweepOptions& options) {
  auto tell = [&](const char* stage) {
    if (options.progress) options.progress(scheme, stage);
  };
  SweepRow row;
  row.scheme = scheme;
  describe_layers(engine.plan(), row);
  const WeightSize size = weight_size(engine.plan().graph());
  row.bytes = size.bytes;
  row.bits_per_weight = size.bytes * 8 / size.elements;

  tell("perplexity and divergence");
  WindowScorer reference_scorer(reference), scorer(engine);
  const Divergence divergence = measure_divergence(reference_scorer, scorer, options.windows);
  row.perplexity = divergence.model.perplexity;
  row.loss_percent = (divergence.model.perplexity / divergence.reference.perplexity - 1) * 100;
  row.kld = divergence.kld_mean;
  row.top1_agreement = divergence.top1_agreement;

  if (!options.speed) return row;
  tell("speed");
  row.prefill_tokens_per_s =
      measure_speed(engine, {SpeedTest::Phase::prefill, options.prompt_tokens, 0}, options.repetitions)
          .median();
  row.decode_tokens_per_s =
      measure_speed(engine, {SpeedTest::Phase::decode, options.generated_tokens, 0}, options.repetitions)
          .median();
  return row;
}

}  // namespace

bool needs_calibration(const Recipe& recipe) {
  return recipe.static_activations || needs_of(make_chain(recipe.algorithms)).any();
}

std::vector<SweepRow> sweep(const std::function<Graph()>& make_graph, std::span<const SweepVariant> variants,
                            const SweepOptions& options, ThreadPool& threads) {
  EngineOptions engine_options = options.engine;
  engine_options.sequences = 2;  // scoring and timing each hold one
  Engine reference(make_graph(), engine_options, threads);
  std::vector<SweepRow> rows;
  {
    Engine original(make_graph(), engine_options, threads);
    rows.push_back(measure("original", reference, original, options));
  }
  for (const SweepVariant& variant : variants) {
    const std::string label = variant.label.empty() ? variant.recipe.name : variant.label;
    if (options.progress) options.progress(label, "quantizing");
    Graph graph = make_graph();
    const QuantReport report = quantize_graph(graph, variant.recipe, options.quantize);
    EngineOptions settings = engine_options;
    if (variant.as_written) settings.exact = !has_activations(variant.recipe);
    Engine engine(std::move(graph), settings, threads);
    rows.push_back(measure(label, reference, engine, options));
    for (const LayerNote& note : report.notes)
      if (note.fallback)
        rows.back().fallbacks.push_back(note.layer + ": " + note.algorithm + ": " + note.text);
  }
  return rows;
}

}  // namespace halftone
