#include "quant/algo/int8_static/even_channels.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "graph/code_operators.h"
#include "graph/passes/pattern.h"
#include "quant/structure/channel_factors.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

using Exponents = std::vector<int64_t>;

constexpr int64_t kMostExponent = 8;
constexpr double kWorthAnew = 8;

/// Whether the node is a LayerNormalization over the last axis that gives Y alone, of a vector Scale and B.
bool is_row_norm(const Graph& graph, const Node& node) {
  if (node.schema->name != "LayerNormalization" || node.outputs.size() != 1) return false;
  const Shape& x = graph.value(node.inputs[0]).type.shape;
  const auto axis = x.normalize_axis(node.attributes.get_int("axis", -1));
  return axis && *axis == x.rank() - 1 && x.back() > 0;
}

std::vector<float> powers_of(const Exponents& exponents, int sign) {
  std::vector<float> powers;
  for (int64_t exponent : exponents) powers.push_back(std::ldexp(1.0f, sign * static_cast<int>(exponent)));
  return powers;
}

/// One rewrite at work; nodes are appended anew, in their order.
class Stream {
 public:
  Stream(Graph& graph, const std::map<std::string, std::vector<float>>& peaks)
      : graph_(graph), peaks_(peaks), sums_(residual_sums(graph)), uses_(graph), nodes_(graph.nodes()) {}

  std::vector<LayerNote> run() {
    graph_.nodes().clear();
    for (size_t n = 0; n < nodes_.size(); ++n) {
      Node node = nodes_[n];
      if (std::ranges::count(sums_, node.outputs[0]) > 0 &&
          peaks_.contains(graph_.value(node.outputs[0]).name))
        sum(std::move(node));
      else if (is_row_norm(graph_, node) && even_.contains(node.inputs[0]))
        norm(std::move(node));
      else
        other(std::move(node));
    }
    for (ValueId output : std::vector<ValueId>(graph_.outputs()))
      if (even_.contains(output)) graph_.replace_uses(output, restored(output));
    return std::move(notes_);
  }

 private:
  struct Even {
    ValueId value;  ///< the sum divided
    Exponents exponents;
  };

  const std::string& name(ValueId value) const { return graph_.value(value).name; }

  ValueId multiply(ValueId x, const std::string& to, const std::vector<float>& factors) {
    const ValueId constant = add_pass_constant(
        graph_, to + "/powers",
        Constant(Tensor::from<float>({std::ssize(factors)}, std::span<const float>(factors))));
    return graph_.add_node(*find_op("Mul"), to, {x, constant}).front();
  }

  /// A sum as it was.
  ValueId restored(ValueId sum) {
    auto [found, fresh] = restored_.try_emplace(sum, kNoValue);
    if (fresh)
      found->second =
          multiply(even_.at(sum).value, name(sum) + "/whole", powers_of(even_.at(sum).exponents, 1));
    return found->second;
  }

  /// Whether rows of layers can be divided for a value that one reader has.
  bool can_divide(ValueId value) const {
    const int maker = uses_.maker(value);
    if (maker < 0 || !uses_.only_feeds_one(value)) return false;
    const Node& node = nodes_[static_cast<size_t>(maker)];
    const Shape& shape = graph_.value(value).type.shape;
    if (node.schema->name == "Reshape")
      return graph_.value(node.inputs[0]).type.shape.back() == shape.back() && can_divide(node.inputs[0]);
    if (node.schema->name == "Add")
      return graph_.value(node.inputs[0]).type == graph_.value(node.inputs[1]).type &&
             can_divide(node.inputs[0]) && can_divide(node.inputs[1]);
    const auto form = layer_form(graph_, node);
    if (node.schema->name != "Gemm" || !form || node.attributes.has("activation") || node.inputs.size() > 3)
      return false;
    for (size_t slot = 1; slot < node.inputs.size(); ++slot) {
      if (node.inputs[slot] == kNoValue) continue;
      const Value& constant = graph_.value(node.inputs[slot]);
      if (!constant.constant || constant.constant->encoding() || !uses_.only_feeds_one(node.inputs[slot]))
        return false;
      if (slot == 2 && constant.type.shape != Shape{form->outputs}) return false;
    }
    return true;
  }

  void divide(ValueId value, const std::vector<float>& factors) {
    const Node& node = nodes_[static_cast<size_t>(uses_.maker(value))];
    if (node.schema->name == "Reshape") return divide(node.inputs[0], factors);
    if (node.schema->name == "Add") {
      divide(node.inputs[0], factors);
      return divide(node.inputs[1], factors);
    }
    const auto form = layer_form(graph_, node);
    for (size_t slot = 1; slot < node.inputs.size(); ++slot) {
      if (node.inputs[slot] == kNoValue) continue;
      Value& constant = graph_.value(node.inputs[slot]);
      constant.constant = scaled_constant(*constant.constant, slot == 1 ? form->output_axis : 0, factors);
      constant.type.dtype = DType::f32;
    }
  }

  void sum(Node node) {
    const ValueId whole = node.outputs[0];
    const std::vector<float>& peaks = peaks_.at(name(whole));
    const auto stream =
        std::ranges::find_if(node.inputs, [&](ValueId input) { return even_.contains(input); });
    const bool first = stream == node.inputs.end();
    Exponents exponents = even_exponents(peaks);
    bool anew = true;
    if (!first) {
      const Exponents& before = even_.at(*stream).exponents;
      anew = exponent_noise(peaks, before) > kWorthAnew * exponent_noise(peaks, exponents);
      if (!anew) exponents = before;
    }
    if (anew && *std::ranges::max_element(exponents) == 0 && first) return other(std::move(node));
    if (anew)
      notes_.push_back({node.name, "int8-static",
                        fmt::format("from here on channels of the stream lie in powers of two, 0 to {}",
                                    *std::ranges::max_element(exponents)),
                        false});
    const std::vector<float> down = powers_of(exponents, -1);
    const bool split = first && !can_divide(node.inputs[0]) && !can_divide(node.inputs[1]);
    if (split) {  // the stream's beginning, whatever it is
      other(std::move(node));
      even_[whole] = {multiply(whole, name(whole) + "/even", down), std::move(exponents)};
      return;
    }
    for (size_t i = 0; i < 2; ++i) {
      ValueId& input = node.inputs[i];
      const std::string part = fmt::format("{}/even{}", node.name, i);
      if (even_.contains(input)) {
        const Even& even = even_.at(input);
        if (even.exponents == exponents) {
          input = even.value;
          continue;
        }
        std::vector<float> change = powers_of(even.exponents, 1);
        for (size_t c = 0; c < change.size(); ++c) change[c] *= down[c];
        input = multiply(even.value, part, change);
      } else if (can_divide(input)) {
        divide(input, down);
      } else {
        input = multiply(input, part, down);
      }
    }
    const ValueId value = graph_.add_node(*node.schema, name(whole) + "/even", node.inputs).front();
    graph_.nodes().back().name = node.name;
    even_[whole] = {value, std::move(exponents)};
  }

  void norm(Node node) {
    const Even& even = even_.at(node.inputs[0]);
    node.inputs[0] = even.value;
    node.schema = find_op("ShiftedLayerNormalization");
    node.attributes = {{"exponents", even.exponents},
                       {"epsilon", node.attributes.get_float("epsilon", 1e-5f)}};
    graph_.nodes().push_back(std::move(node));
  }

  void other(Node node) {
    for (ValueId& input : node.inputs)
      if (input != kNoValue && even_.contains(input)) input = restored(input);
    graph_.nodes().push_back(std::move(node));
  }

  Graph& graph_;
  const std::map<std::string, std::vector<float>>& peaks_;
  const std::vector<ValueId> sums_;
  const UseMap uses_;  ///< of the graph as it was
  const std::vector<Node> nodes_;
  std::map<ValueId, Even> even_;
  std::map<ValueId, ValueId> restored_;
  std::vector<LayerNote> notes_;
};

}  // namespace

std::vector<ValueId> residual_sums(const Graph& graph) {
  std::vector<ValueId> sums;
  const UseMap uses(graph);
  for (const Node& node : graph.nodes()) {
    if (!is_row_norm(graph, node)) continue;
    const ValueId x = node.inputs[0];
    const Node* add = uses.made_by(x, "Add");
    if (!add || std::ranges::count(sums, x) > 0 || graph.value(x).type.dtype != DType::f32) continue;
    const bool whole = std::ranges::all_of(add->inputs, [&](ValueId input) {
      return graph.value(input).type.shape.back() == graph.value(x).type.shape.back();
    });
    if (whole) sums.push_back(x);
  }
  return sums;
}

std::vector<LayerNote> even_channels(Graph& graph, const std::map<std::string, std::vector<float>>& peaks) {
  std::vector<LayerNote> notes = Stream(graph, peaks).run();
  verify(graph);
  return notes;
}

std::vector<int64_t> even_exponents(const std::vector<float>& peaks) {
  const float largest = std::ranges::max(peaks);
  float least = largest;
  for (float peak : peaks)
    if (peak > 0) least = std::min(least, peak);
  least = std::max(least, std::ldexp(largest, -static_cast<int>(kMostExponent)));
  std::vector<int64_t> exponents;
  for (float peak : peaks)
    exponents.push_back(peak <= least ? 0
                                      : std::clamp<int64_t>(std::llround(std::ceil(std::log2(peak / least))),
                                                            0, kMostExponent));
  return exponents;
}

double exponent_noise(const std::vector<float>& peaks, const std::vector<int64_t>& exponents) {
  double step = 0, powers = 0;
  for (size_t c = 0; c < peaks.size(); ++c) {
    step = std::max(step, std::ldexp(double{peaks[c]}, -static_cast<int>(exponents[c])));
    powers += std::ldexp(1.0, 2 * static_cast<int>(exponents[c]));
  }
  return step * step * powers;
}

}  // namespace halftone
