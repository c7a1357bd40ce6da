#include "quant/algo/int8_static/integer_plan.h"

#include <algorithm>
#include <numeric>

#include "quant/algo/int8_static/wide_groups.h"

namespace halftone {
namespace {

/// Sets of values, joined as they are found to share a scale.
class Sets {
 public:
  explicit Sets(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t root(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(ValueId a, ValueId b) { parent_[root(static_cast<size_t>(a))] = root(static_cast<size_t>(b)); }

 private:
  std::vector<size_t> parent_;
};

/// The first value among those that the node would read or make as codes that has no scale.
ValueId value_without_scale(const Graph& graph, const Node& node, const IntegerWishes& wishes) {
  if (wishes.unscalable.empty()) return kNoValue;
  const auto lacks = [&](ValueId id) {
    return id != kNoValue && !wishes.unscalable[static_cast<size_t>(id)].empty();
  };
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (carries_numbers(node, i) && is_float_activation(graph, node.inputs[i]) && lacks(node.inputs[i]))
      return node.inputs[i];
  const auto made = std::ranges::find_if(node.outputs, lacks);
  return made == node.outputs.end() ? kNoValue : *made;
}

/// Whether the operator's integer arithmetic can end in floating numbers.
bool gives_numbers(const Node& node) {
  const std::string_view op = node.schema->name;
  return op == "Conv" || op == "Gemm" || op == "MatMul" || op == "Attention" || op == "Softmax";
}

}  // namespace

ValueId IntegerPlan::scale_of(const Node& node, size_t i) const {
  return node.schema->name == "Concat" ? node.outputs[0] : node.inputs[i];
}

bool IntegerPlan::reads_codes(const Graph& graph, const Node& node, size_t i) const {
  const auto position = static_cast<size_t>(&node - graph.nodes().data());
  return nodes[position].integer && carries_numbers(node, i) && is_float_activation(graph, node.inputs[i]);
}

IntegerPlan plan_integers(const Graph& graph, const std::vector<bool>& layers, const IntegerWishes& wishes) {
  const auto index = [](ValueId id) { return static_cast<size_t>(id); };
  const size_t count = graph.nodes().size();
  IntegerPlan plan;
  plan.nodes.resize(count);
  std::vector<bool> read(graph.values().size());  // by an integer node
  for (ValueId output : graph.outputs())
    if (wishes.all && is_float_activation(graph, output)) read[index(output)] = true;
  for (size_t n = count; n-- > 0;) {
    const Node& node = graph.nodes()[n];
    IntegerNode& made = plan.nodes[n];
    const bool polynomials = wishes.all || (wishes.attention && node.schema->name == "Attention");
    const bool able =
        works_on_codes(graph, node) || (polynomials && works_on_codes_by_polynomials(graph, node));
    const bool reaches =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return read[index(id)]; });
    const ValueId without_scale = layers[n] || !able ? kNoValue : value_without_scale(graph, node, wishes);
    made.integer = layers[n] || (able && reaches && without_scale == kNoValue);
    if (!made.integer) {
      made.reason = !able ? "no integer arithmetic for this operator"
                    : without_scale != kNoValue
                        ? fmt::format("no scale covers {}, which {}", graph.value(without_scale).name,
                                      wishes.unscalable[index(without_scale)])
                        : "what it makes reaches no integer layer";
      continue;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (carries_numbers(node, i) && is_float_activation(graph, node.inputs[i]))
        read[index(node.inputs[i])] = true;
  }

  std::vector<int> readers(graph.values().size());  // on codes
  for (size_t n = 0; n < count; ++n)
    for (size_t i = 0; plan.nodes[n].integer && i < graph.nodes()[n].inputs.size(); ++i)
      if (plan.reads_codes(graph, graph.nodes()[n], i)) ++readers[index(graph.nodes()[n].inputs[i])];
  const auto has_own_scale = [&](const Node& node, size_t i) {
    return node.schema->name == "Concat" && readers[index(node.inputs[i])] > 1;
  };

  // Outputs of the graph need no codes where exact sums become numbers.
  std::vector<bool> ends(graph.values().size());
  for (const Node& node : graph.nodes())
    for (ValueId output : node.outputs)
      if (output != kNoValue)
        ends[index(output)] = gives_numbers(node) && readers[index(output)] == 0 &&
                              std::count(graph.outputs().begin(), graph.outputs().end(), output) > 0;

  Sets sets(graph.values().size());
  std::vector<bool> coded = read;
  for (size_t i = 0; i < coded.size(); ++i) coded[i] = coded[i] && !ends[i];
  plan.stored.resize(graph.values().size());
  for (size_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes()[n];
    if (!plan.nodes[n].integer) continue;
    // Split copies codes to all of its outputs, whoever reads them.
    const bool all = node.schema->name == "Split";
    for (ValueId output : node.outputs) {
      if ((!all && !read[index(output)]) || ends[index(output)]) continue;
      plan.stored[index(output)] = true;
      coded[index(output)] = true;
    }
    if (!moves_numbers(node)) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (carries_numbers(node, i) && !has_own_scale(node, i))
        sets.join(node.inputs[i], plan.scale_of(node, i));
    for (ValueId output : node.outputs)
      if (plan.stored[index(output)]) sets.join(output, plan.scale_of(node, 0));
  }
  plan.group.assign(graph.values().size(), -1);
  std::vector<int> number(graph.values().size(), -1);
  for (size_t i = 0; i < coded.size(); ++i) {
    if (!coded[i]) continue;
    int& group = number[sets.root(i)];
    if (group < 0) group = plan.groups++;
    plan.group[i] = group;
  }
  plan.wide = wishes.all ? wide_groups(graph, plan) : std::vector<bool>(static_cast<size_t>(plan.groups));
  return plan;
}

std::vector<std::string> floating_nodes(const Graph& graph, const IntegerPlan& plan) {
  std::vector<std::string> names;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId input) { return is_float_activation(graph, input); });
    if (reads && !plan.nodes[n].integer && !node.schema->of_shapes)
      names.push_back(fmt::format("{} ({})", node.name, node.schema->name));
  }
  return names;
}

}  // namespace halftone
