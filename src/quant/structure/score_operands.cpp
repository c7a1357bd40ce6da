#include "quant/structure/score_operands.h"

#include <algorithm>
#include <array>
#include <set>

#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

/// Operators between a projection and the scores, or between the scores and the softmax.
constexpr std::array<std::string_view, 19> kPassing = {"Add",
                                                       "Cast",
                                                       "Concat",
                                                       "Div",
                                                       "Expand",
                                                       "Gather",
                                                       "Identity",
                                                       "Mul",
                                                       "Reshape",
                                                       "RMSNormalization",
                                                       "Slice",
                                                       "Split",
                                                       "Squeeze",
                                                       "Sub",
                                                       "LayerNormalization",
                                                       "Tanh",
                                                       "Transpose",
                                                       "Unsqueeze",
                                                       "RotaryEmbedding"};

bool passes(const Node& node) {
  return std::find(kPassing.begin(), kPassing.end(), node.schema->name) != kPassing.end();
}

/// Whether a Softmax is reached through passing operators alone.
bool softmax_follows(const Graph& graph, const std::vector<std::vector<int>>& users, int product) {
  std::vector<int> pending = {product};
  std::set<int> seen;
  while (!pending.empty()) {
    const int n = pending.back();
    pending.pop_back();
    for (ValueId output : graph.nodes()[static_cast<size_t>(n)].outputs)
      for (int user : users[static_cast<size_t>(output)]) {
        const Node& node = graph.nodes()[static_cast<size_t>(user)];
        if (node.schema->name == "Softmax") return true;
        if ((passes(node) || node.schema->name == "Where") && seen.insert(user).second)
          pending.push_back(user);
      }
  }
  return false;
}

bool is_score_operand(const Graph& graph, const std::vector<std::vector<int>>& users, ValueId value,
                      int reader) {
  const Node& node = graph.nodes()[static_cast<size_t>(reader)];
  if (node.schema->name == "PagedAttention" || node.schema->name == "Attention")
    return node.inputs[0] == value || node.inputs[1] == value;
  return node.schema->name == "MatMul" && !layer_form(graph, node) && softmax_follows(graph, users, reader);
}

}  // namespace

bool feeds_scores(const Graph& graph, const std::vector<std::vector<int>>& users, int layer) {
  std::vector<int> pending = {layer};
  std::set<int> seen;
  while (!pending.empty()) {
    const int n = pending.back();
    pending.pop_back();
    for (ValueId output : graph.nodes()[static_cast<size_t>(n)].outputs) {
      if (graph.value(output).type.dtype == DType::state) continue;
      for (int user : users[static_cast<size_t>(output)]) {
        if (is_score_operand(graph, users, output, user)) return true;
        if (passes(graph.nodes()[static_cast<size_t>(user)]) && seen.insert(user).second)
          pending.push_back(user);
      }
    }
  }
  return false;
}

}  // namespace halftone
