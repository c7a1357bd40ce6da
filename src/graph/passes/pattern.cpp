#include "graph/passes/pattern.h"

namespace halftone {

UseMap::UseMap(const Graph& graph)
    : graph_(graph), makers_(graph.values().size(), -1), uses_(graph.values().size(), 0) {
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (ValueId output : graph.nodes()[n].outputs)
      makers_[static_cast<size_t>(output)] = static_cast<int>(n);
    for (ValueId input : graph.nodes()[n].inputs)
      if (input != kNoValue) ++uses_[static_cast<size_t>(input)];
  }
  for (ValueId output : graph.outputs()) ++uses_[static_cast<size_t>(output)];
}

bool UseMap::only_feeds_one(ValueId value) const {
  return uses_[static_cast<size_t>(value)] == 1;
}

bool UseMap::is_made_by(ValueId value, std::string_view op) const {
  return value != kNoValue && maker(value) >= 0 &&
         graph_.nodes()[static_cast<size_t>(maker(value))].schema->name == op;
}

}  // namespace halftone
