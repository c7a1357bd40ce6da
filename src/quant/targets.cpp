#include "quant/targets.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"

namespace halftone {
namespace {

constexpr std::array<std::string_view, 3> kLayerOps = {"Gemm", "MatMul", "Conv"};

/// Whether the outputs of a layer run along the last axis of its weights.
bool outputs_last(const Node& node) {
  if (node.schema->name == "Gemm") return node.attributes.get_int("transB", 0) == 0;
  return node.schema->name == "MatMul";
}

Encoding oriented(Encoding encoding, const Node& node, const Shape& shape) {
  if (encoding.granularity.kind == Granularity::Kind::per_axis && outputs_last(node))
    encoding.granularity.axis = shape.rank() - 1;
  return encoding;
}

const RecipeRule* find_rule(const Recipe& recipe, const std::string& layer) {
  for (const RecipeRule& rule : recipe.rules)
    if (rule.matches(layer)) return &rule;
  return nullptr;
}

/// What the recipe wants of one layer's weights: an encoding, or the reason why they stay.
struct Wish {
  std::optional<Encoding> encoding;
  std::string reason;
};

Wish wish_for(const Recipe& recipe, const Node& node, const Value& weight, bool tied) {
  const RecipeRule* rule = find_rule(recipe, node.name);
  if (!rule) return {{}, "no rule matches"};
  if (!rule->weights) return {{}, "the recipe keeps it"};
  if (!is_float(weight.type.dtype)) return {{}, "not floating point"};
  if (node.schema->name == "MatMul" && weight.type.shape.rank() != 2) return {{}, "not a matrix"};
  if (weight.type.shape.elements() < recipe.minimum_elements)
    return {{}, fmt::format("fewer than {} elements", recipe.minimum_elements)};
  if (tied && !recipe.tied) return {{}, "the recipe keeps tied tables"};
  return {oriented(tied ? *recipe.tied : *rule->weights, node, weight.type.shape), {}};
}

/// Patterns that no layer matches, whatever rule decides there.
std::vector<std::string> unmatched_patterns(const Graph& graph, const Recipe& recipe) {
  std::vector<std::string> unmatched;
  for (const RecipeRule& rule : recipe.rules)
    for (const std::string& pattern : rule.match) {
      const RecipeRule alone{.match = {pattern}, .weights = {}, .activations = {}};
      const bool found = std::any_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
        return has_weights(node) && alone.matches(node.name);
      });
      if (!found) unmatched.push_back(pattern);
    }
  return unmatched;
}

void check_encodable(const Value& weight, const Encoding& encoding) {
  if (weight.constant->encoding() && *weight.constant->encoding() != encoding)
    throw UnsupportedError("{} is {} already; quantize the floating-point model", weight.name,
                           weight.constant->encoding()->str());
  try {
    scale_grid(encoding.granularity, weight.type.shape);
  } catch (const UnsupportedError& error) {
    throw UnsupportedError("{} as {}: {}", weight.name, encoding.str(), error.what());
  }
}

}  // namespace

bool has_weights(const Node& node) {
  return std::find(kLayerOps.begin(), kLayerOps.end(), node.schema->name) != kLayerOps.end();
}

QuantTargets find_targets(const Graph& graph, const Recipe& recipe) {
  QuantTargets targets;
  targets.unmatched = unmatched_patterns(graph, recipe);
  std::vector<bool> embeddings(graph.values().size());
  for (const Node& node : graph.nodes())
    if (node.schema->name == "Gather") embeddings[static_cast<size_t>(node.inputs[0])] = true;

  std::map<ValueId, size_t> place;  // of each weight among targets.quantized
  std::map<ValueId, int> keepers;   // first layer that keeps a weight
  for (int position = 0; position < static_cast<int>(graph.nodes().size()); ++position) {
    const Node& node = graph.nodes()[static_cast<size_t>(position)];
    if (!has_weights(node) || node.inputs.size() < 2 || node.inputs[1] == kNoValue) continue;
    const ValueId id = node.inputs[1];
    const Value& weight = graph.value(id);
    if (!weight.constant) continue;

    const Wish wish = wish_for(recipe, node, weight, embeddings[static_cast<size_t>(id)]);
    const auto found = place.find(id);
    const auto keeper = keepers.find(id);
    const bool disagree = wish.encoding ? keeper != keepers.end() ||
                                              (found != place.end() &&
                                               targets.quantized[found->second].encoding != *wish.encoding)
                                        : found != place.end();
    if (disagree) {
      const int other = keeper != keepers.end() ? keeper->second : targets.quantized[found->second].nodes[0];
      throw UsageError("recipe {}: layers {} and {} share {} but their rules want different encodings of it",
                       recipe.name, graph.nodes()[static_cast<size_t>(other)].name, node.name, weight.name);
    }
    if (!wish.encoding) {
      keepers.emplace(id, position);
      targets.kept.push_back({position, id, wish.reason});
    } else if (found != place.end()) {
      targets.quantized[found->second].nodes.push_back(position);
    } else {
      check_encodable(weight, *wish.encoding);
      place.emplace(id, targets.quantized.size());
      targets.quantized.push_back({id, {position}, *wish.encoding});
    }
  }
  return targets;
}

}  // namespace halftone
