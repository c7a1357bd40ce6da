#include "grad/gradient.h"

#include "base/error.h"
#include "grad/gradient_scope.h"

namespace halftone {

#define HALFTONE_GRADIENT(op, rule) void rule(GradientScope& scope);
#include "grad/gradients.inc"
#undef HALFTONE_GRADIENT

GradientRule find_gradient_rule(std::string_view op) {
  struct Entry {
    std::string_view op;
    GradientRule rule;
  };
  static constexpr Entry kRules[] = {
#define HALFTONE_GRADIENT(op, rule) {op, rule},
#include "grad/gradients.inc"
#undef HALFTONE_GRADIENT
  };
  for (const Entry& entry : kRules)
    if (entry.op == op) return entry.rule;
  return nullptr;
}

bool has_gradient(std::string_view op) {
  return find_gradient_rule(op) != nullptr;
}

std::vector<bool> depends_on(const Graph& graph, std::span<const ValueId> wrt) {
  std::vector<bool> depends(graph.values().size());
  for (ValueId value : wrt) depends[static_cast<size_t>(value)] = true;
  for (const Node& node : graph.nodes())
    for (ValueId input : node.inputs)
      if (input != kNoValue && depends[static_cast<size_t>(input)])
        for (ValueId output : node.outputs)
          if (is_float(graph.value(output).type.dtype)) depends[static_cast<size_t>(output)] = true;
  return depends;
}

std::vector<ValueId> add_gradients(Graph& graph, std::span<const ValueGradient> seeds,
                                   std::span<const ValueId> wrt) {
  const std::vector<bool> wanted = depends_on(graph, wrt);
  std::vector<ValueId> gradients(graph.values().size(), kNoValue);
  for (const ValueGradient& seed : seeds) gradients[static_cast<size_t>(seed.value)] = seed.gradient;

  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    bool reached = false, leads = false;
    for (ValueId output : node.outputs) reached |= gradients[static_cast<size_t>(output)] != kNoValue;
    for (ValueId input : node.inputs) leads |= input != kNoValue && wanted[static_cast<size_t>(input)];
    if (!reached || !leads) continue;
    const GradientRule rule = find_gradient_rule(node.schema->name);
    if (!rule)
      throw UnsupportedError("{} ({}): there is no gradient rule for this operator", node.name,
                             node.schema->name);
    GradientScope scope(graph, node, gradients, wanted);
    rule(scope);
    gradients.resize(graph.values().size(), kNoValue);
  }
  std::vector<ValueId> result;
  for (ValueId value : wrt) result.push_back(gradients[static_cast<size_t>(value)]);
  return result;
}

}  // namespace halftone
