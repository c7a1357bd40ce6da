#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "core/short_floats.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "graph/static_codes.h"

namespace halftone {
namespace {

/// y = x * factor + shift for each channel (axis 1).
struct Affine {
  ValueId x = kNoValue;
  std::vector<float> factor, shift;
};

/// Of a BatchNormalization at inference whose parameters are constants.
std::optional<Affine> normalization_of(const Graph& graph, const Node& node) {
  if (node.attributes.get_int("training_mode", 0) != 0 || node.outputs.size() != 1) return std::nullopt;
  Tensor parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    parameters[i] = float_constant(graph, node.inputs[i + 1]);
    if (parameters[i].empty()) return std::nullopt;
  }
  const double epsilon = static_cast<double>(node.attributes.get_float("epsilon", 1e-5f));
  Affine affine{node.inputs[0], {}, {}};
  for (size_t c = 0; c < static_cast<size_t>(parameters[0].shape()[0]); ++c) {
    auto at = [&](size_t i) { return static_cast<double>(parameters[i].span<float>()[c]); };
    const double factor = at(0) / std::sqrt(at(3) + epsilon);
    affine.factor.push_back(static_cast<float>(factor));
    affine.shift.push_back(static_cast<float>(at(1) - at(2) * factor));
  }
  return affine;
}

/// Of a sum, difference, product or quotient with a constant that is one number, or one a channel.
std::optional<Affine> arithmetic_of(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  if (op != "Mul" && op != "Add" && op != "Sub" && op != "Div") return std::nullopt;
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ValueId x = node.inputs[side], other = node.inputs[1 - side];
    const ValueType& type = graph.value(x).type;
    if (graph.value(x).constant || type.shape.rank() < 3 || type.shape[1] < 0 ||
        !(type == graph.value(node.outputs[0]).type) || (op == "Div" && side == 1))
      continue;
    const auto channels = static_cast<size_t>(type.shape[1]);
    std::vector<float> numbers;
    if (const auto number = scalar_constant(graph, other))
      numbers.assign(channels, *number);
    else if (const Tensor constant = channel_constant(graph, other, type.shape); !constant.empty())
      numbers.assign(constant.span<float>().begin(), constant.span<float>().end());
    else
      continue;
    Affine affine{x, std::vector<float>(channels, 1.0f), std::vector<float>(channels, 0.0f)};
    if (op == "Mul" || op == "Div") {
      for (size_t c = 0; c < channels; ++c) affine.factor[c] = op == "Mul" ? numbers[c] : 1 / numbers[c];
    } else {
      for (size_t c = 0; c < channels; ++c)
        affine.shift[c] = op == "Sub" && side == 0 ? -numbers[c] : numbers[c];
      if (op == "Sub" && side == 1) affine.factor.assign(channels, -1.0f);
    }
    return affine;
  }
  return std::nullopt;
}

std::optional<Affine> affine_of(const Graph& graph, const Node& node) {
  if (!node.use_encodings.empty() || has_static_codes(node)) return std::nullopt;
  auto affine =
      node.schema->name == "BatchNormalization" ? normalization_of(graph, node) : arithmetic_of(graph, node);
  if (affine && (affine->factor.empty() || !is_f32_or_short(graph.value(affine->x).type.dtype)))
    return std::nullopt;
  return affine;
}

/// `outer` behind `inner`.
Affine joined(const Affine& outer, const Affine& inner) {
  Affine both = inner;
  for (size_t c = 0; c < both.factor.size(); ++c) {
    both.shift[c] = outer.factor[c] * inner.shift[c] + outer.shift[c];
    both.factor[c] = outer.factor[c] * inner.factor[c];
  }
  return both;
}

/// Along which its outputs lie in the weights of a layer that may take an affine function up.
int output_axis(const Node& layer) {
  return layer.schema->name == "ConvTranspose" ? 1 : 0;
}

/// A Conv, ConvTranspose or Gemm (rows of B are outputs) whose constants may take the affine function up.
bool takes_affine(const Graph& graph, const Node& node) {
  const bool conv = node.schema->name == "Conv" ||
                    (node.schema->name == "ConvTranspose" && node.attributes.get_int("group", 1) == 1);
  const bool gemm = node.schema->name == "Gemm" && node.attributes.get_int("transB", 0) != 0 &&
                    node.attributes.get_float("alpha", 1) == 1 && node.attributes.get_float("beta", 1) == 1 &&
                    graph.value(node.outputs[0]).type.shape.rank() == 2;
  if ((!conv && !gemm) || !node.use_encodings.empty() || node.attributes.has("activation")) return false;
  for (size_t i = 3; i < node.inputs.size(); ++i)
    if (node.inputs[i] != kNoValue) return false;
  if (!is_f32_or_short(graph.value(node.inputs[1]).type.dtype) ||
      float_constant(graph, node.inputs[1]).empty())
    return false;
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return true;
  const Tensor bias = float_constant(graph, node.inputs[2]);
  return !bias.empty() && bias.shape() == Shape{graph.value(node.inputs[1]).type.shape[output_axis(node)]};
}

void fold_into(Graph& graph, PassConstants& constants, Node& node, const Affine& affine) {
  const Tensor weights = float_constant(graph, node.inputs[1]);
  const size_t outputs = affine.factor.size();
  size_t depth = 1;  // weights of one output that lie side by side
  for (int axis = output_axis(node) + 1; axis < weights.shape().rank(); ++axis)
    depth *= static_cast<size_t>(weights.shape()[axis]);
  Tensor scaled = Tensor::allocate(DType::f32, weights.shape());
  const auto from = weights.span<float>();
  const auto to = scaled.mutable_view().span<float>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = from[i] * affine.factor[i / depth % outputs];
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  const Tensor bias = has_bias ? float_constant(graph, node.inputs[2]) : Tensor();
  Tensor shifted = Tensor::allocate(DType::f32, {static_cast<int64_t>(outputs)});
  for (size_t i = 0; i < outputs; ++i)
    shifted.mutable_view().span<float>()[i] =
        affine.shift[i] + (has_bias ? bias.span<float>()[i] * affine.factor[i] : 0.0f);
  node.inputs.resize(std::max<size_t>(node.inputs.size(), 3), kNoValue);
  node.inputs[1] = constants.add(graph.value(node.inputs[1]).name + ".folded", Constant(scaled));
  node.inputs[2] = constants.add(node.name + ".bias.folded", Constant(shifted));
}

/// Conv(affine(x)) as a Conv of x: weights scaled by the channel they read, and what the shifts add up to in
/// the bias.
void fold_from_behind(Graph& graph, PassConstants& constants, Node& conv, const Affine& affine) {
  const Tensor weights = float_constant(graph, conv.inputs[1]);
  const auto groups = static_cast<size_t>(conv.attributes.get_int("group", 1));
  const auto outputs = static_cast<size_t>(weights.shape()[0]),
             inputs = static_cast<size_t>(weights.shape()[1]);
  const size_t taps = static_cast<size_t>(weights.shape().elements()) / outputs / inputs;
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kNoValue;
  const Tensor bias = has_bias ? float_constant(graph, conv.inputs[2]) : Tensor();
  Tensor scaled = Tensor::allocate(DType::f32, weights.shape());
  Tensor shifted = Tensor::allocate(DType::f32, {static_cast<int64_t>(outputs)});
  const auto from = weights.span<float>();
  const auto to = scaled.mutable_view().span<float>();
  for (size_t m = 0; m < outputs; ++m) {
    double sum = has_bias ? static_cast<double>(bias.span<float>()[m]) : 0.0;
    for (size_t i = 0; i < inputs; ++i) {
      const size_t c = m / (outputs / groups) * inputs + i;
      for (size_t t = 0; t < taps; ++t) {
        const size_t at = (m * inputs + i) * taps + t;
        to[at] = from[at] * affine.factor[c];
        sum += static_cast<double>(from[at]) * static_cast<double>(affine.shift[c]);
      }
    }
    shifted.mutable_view().span<float>()[m] = static_cast<float>(sum);
  }
  conv.inputs.resize(std::max<size_t>(conv.inputs.size(), 3), kNoValue);
  conv.inputs[0] = affine.x;
  conv.inputs[1] = constants.add(graph.value(conv.inputs[1]).name + ".folded", Constant(scaled));
  conv.inputs[2] = constants.add(conv.name + ".bias.folded", Constant(shifted));
}

bool pads(const Node& conv) {
  const std::vector<int64_t> widths = conv.attributes.get_ints("pads", {});
  const std::string mode = conv.attributes.get_string("auto_pad", "NOTSET");
  return mode.starts_with("SAME") ||
         std::any_of(widths.begin(), widths.end(), [](int64_t w) { return w != 0; });
}

/// An affine function on its own -> a 1x1 depthwise Conv.
void make_depthwise(const Graph& graph, PassConstants& constants, Node& node, const Affine& affine) {
  Shape shape{static_cast<int64_t>(affine.factor.size()), 1};
  for (int a = 2; a < graph.value(affine.x).type.shape.rank(); ++a) shape.push_back(1);
  const ValueId weights =
      constants.add(node.name + ".factor", Constant(Tensor::from<float>(shape, affine.factor)));
  const ValueId bias =
      constants.add(node.name + ".shift", Constant(Tensor::from<float>({shape[0]}, affine.shift)));
  node.schema = find_op("Conv");
  node.inputs = {affine.x, weights, bias};
  node.attributes = {{"group", shape[0]}};
}

/// Walks a graph from its inputs on.
class AffineFolding {
 public:
  explicit AffineFolding(Graph& graph)
      : graph_(graph), uses_(graph), constants_(graph), gone_(graph.nodes().size(), false) {}

  int run() {
    for (size_t n = 0; n < gone_.size(); ++n) {
      const std::string_view op = graph_.nodes()[n].schema->name;
      if (op == "Conv")
        take_from_before(n);
      else
        give_to_before(n);
    }
    for (size_t n = 0; n < gone_.size(); ++n)
      if (!gone_[n]) stand_alone(n);
    graph_.remove_nodes(gone_);
    return changes_;
  }

 private:
  Node& node(size_t n) { return graph_.nodes()[n]; }

  /// The node that makes a value now, after what was folded; -1: none.
  int maker(ValueId value) const {
    const auto moved = moved_.find(value);
    return moved == moved_.end() ? uses_.maker(value) : static_cast<int>(moved->second);
  }

  /// affine(Conv, ConvTranspose or Gemm) -> the layer with other constants.
  void give_to_before(size_t n) {
    const auto affine = affine_of(graph_, node(n));
    if (!affine) return;
    const int before = maker(affine->x);
    if (before < 0 || !uses_.only_feeds_one(affine->x)) return;
    Node& layer = node(static_cast<size_t>(before));
    const bool fits = layer.schema->name != "Gemm" || node(n).schema->name == "BatchNormalization";
    if (!fits || !takes_affine(graph_, layer)) return;
    fold_into(graph_, constants_, layer, *affine);
    layer.outputs[0] = node(n).outputs[0];
    moved_[layer.outputs[0]] = static_cast<size_t>(before);
    gone_[n] = true;
    ++changes_;
  }

  /// Conv(affine(x)) -> Conv(x); a shift only where the Conv does not see its padding instead.
  void take_from_before(size_t n) {
    for (;;) {
      Node& conv = node(n);
      const int before = maker(conv.inputs[0]);
      if (before < 0 || gone_[static_cast<size_t>(before)] || !uses_.only_feeds_one(conv.inputs[0])) return;
      const auto affine = affine_of(graph_, node(static_cast<size_t>(before)));
      if (!affine || !takes_affine(graph_, conv)) return;
      const bool shifts =
          std::any_of(affine->shift.begin(), affine->shift.end(), [](float shift) { return shift != 0; });
      if (shifts && pads(conv)) return;
      fold_from_behind(graph_, constants_, conv, *affine);
      gone_[static_cast<size_t>(before)] = true;
      ++changes_;
    }
  }

  /// BatchNormalization, or Add(Mul(x)) in a network of convolutions -> a 1x1 depthwise Conv.
  void stand_alone(size_t n) {
    auto affine = affine_of(graph_, node(n));
    if (!affine || graph_.value(affine->x).type.shape.rank() < 3) return;
    if (node(n).schema->name != "BatchNormalization") {
      const int before = maker(affine->x);
      if (before < 0 || gone_[static_cast<size_t>(before)] || !uses_.only_feeds_one(affine->x)) return;
      const auto inner = affine_of(graph_, node(static_cast<size_t>(before)));
      if (!inner || !comes_from_conv(inner->x)) return;
      affine = joined(*affine, *inner);
      gone_[static_cast<size_t>(before)] = true;
    }
    make_depthwise(graph_, constants_, node(n), *affine);
    ++changes_;
  }

  /// Of a Conv, or of an activation behind one.
  bool comes_from_conv(ValueId value) {
    for (int step = 0; step < 2; ++step) {
      const int before = maker(value);
      if (before < 0) return false;
      const Node& made_by = node(static_cast<size_t>(before));
      if (made_by.schema->name == "Conv") return true;
      if (made_by.inputs.empty() || made_by.inputs[0] == kNoValue) return false;
      value = made_by.inputs[0];
    }
    return false;
  }

  Graph& graph_;
  const UseMap uses_;
  PassConstants constants_;
  std::vector<bool> gone_;
  std::unordered_map<ValueId, size_t> moved_;  ///< values that a layer before their maker makes now
  int changes_ = 0;
};

}  // namespace

/// BatchNormalization, and Add, Sub, Mul, Div by constants of one number a channel, behind or in front of a
/// Conv (behind a ConvTranspose too, BatchNormalization behind a Gemm) -> the Conv with other constants.
/// BatchNormalization elsewhere, and Add(Mul(x)) between convolutions, become a 1x1 depthwise Conv.
int fold_affine(Graph& graph) {
  return AffineFolding(graph).run();
}

}  // namespace halftone
