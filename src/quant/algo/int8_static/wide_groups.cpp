#include "quant/algo/int8_static/wide_groups.h"

#include <algorithm>
#include <array>

namespace halftone {
namespace {

bool only_moves(const Node& node) {
  constexpr std::array<std::string_view, 9> kMoves = {"Concat", "Flatten", "Gather",    "Identity", "Reshape",
                                                      "Slice",  "Squeeze", "Transpose", "Unsqueeze"};
  return std::ranges::count(kMoves, node.schema->name) > 0;
}

/// Marks the groups that cannot be wide, until no more are found.
class Narrowing {
 public:
  Narrowing(const Graph& graph, const IntegerPlan& plan)
      : graph_(graph), plan_(plan), wide_(static_cast<size_t>(plan.groups), true), read_(wide_.size()) {}

  std::vector<bool> run() {
    for (ValueId output : graph_.outputs()) narrow(output);
    do {
      changed_ = false;
      for (size_t n = 0; n < graph_.nodes().size(); ++n) look_at(graph_.nodes()[n], plan_.nodes[n].integer);
    } while (changed_);
    for (size_t group = 0; group < wide_.size(); ++group) wide_[group] = wide_[group] && read_[group];
    return std::move(wide_);
  }

 private:
  int group(ValueId value) const { return value == kNoValue ? -1 : plan_.group[static_cast<size_t>(value)]; }
  bool is_wide(ValueId value) const { return group(value) >= 0 && wide_[static_cast<size_t>(group(value))]; }
  void narrow(ValueId value) {
    if (!is_wide(value)) return;
    wide_[static_cast<size_t>(group(value))] = false;
    changed_ = true;
  }

  void look_at(const Node& node, bool integer) {
    const ValueId y = node.outputs[0];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!integer || !plan_.reads_codes(graph_, node, i)) continue;
      const ValueId x = plan_.scale_of(node, i);
      if (reads_wide(node, x))
        read_[static_cast<size_t>(group(x))] = true;
      else
        narrow(x);
      if (x != node.inputs[i] && group(node.inputs[i]) != group(x)) narrow(node.inputs[i]);
    }
    for (ValueId output : node.outputs)
      if (integer && (output != y || !makes_wide(node))) narrow(output);
  }

  bool reads_wide(const Node& node, ValueId x) const {
    const std::string_view op = node.schema->name;
    const ValueId y = node.outputs[0];
    if (op == "Add") return is_wide(y);
    if (only_moves(node)) return group(y) == group(x);
    return op == "LayerNormalization";
  }

  bool makes_wide(const Node& node) const {
    const std::string_view op = node.schema->name;
    if (op == "Add" || only_moves(node)) return true;
    return (op == "Gemm" || op == "MatMul" || (op == "Conv" && node.inputs.size() <= 3)) &&
           !node.attributes.has("activation");
  }

  const Graph& graph_;
  const IntegerPlan& plan_;
  std::vector<bool> wide_, read_;  ///< by group
  bool changed_ = false;
};

}  // namespace

std::vector<bool> wide_groups(const Graph& graph, const IntegerPlan& plan) {
  return Narrowing(graph, plan).run();
}

}  // namespace halftone
