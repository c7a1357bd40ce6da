#include <cmath>

#include "core/short_floats.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// y = x * factor + shift for each channel.
struct Affine {
  std::vector<float> factor, shift;
};

/// Of a BatchNormalization at inference whose parameters are constants; empty otherwise.
Affine affine_of(const Graph& graph, const Node& node) {
  if (node.attributes.get_int("training_mode", 0) != 0) return {};
  Tensor parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    parameters[i] = float_constant(graph, node.inputs[i + 1]);
    if (parameters[i].empty()) return {};
  }
  const double epsilon = static_cast<double>(node.attributes.get_float("epsilon", 1e-5f));
  Affine affine;
  for (size_t c = 0; c < static_cast<size_t>(parameters[0].shape()[0]); ++c) {
    auto at = [&](size_t i) { return static_cast<double>(parameters[i].span<float>()[c]); };
    const double factor = at(0) / std::sqrt(at(3) + epsilon);
    affine.factor.push_back(static_cast<float>(factor));
    affine.shift.push_back(static_cast<float>(at(1) - at(2) * factor));
  }
  return affine;
}

/// A Conv or Gemm (rows of B are outputs) whose constants may take the affine function up.
bool takes_affine(const Graph& graph, const Node& node) {
  const bool conv = node.schema->name == "Conv";
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
  return !bias.empty() && bias.shape() == Shape{graph.value(node.inputs[1]).type.shape[0]};
}

void fold_into(Graph& graph, PassConstants& constants, Node& node, const Affine& affine) {
  const Tensor weights = float_constant(graph, node.inputs[1]);
  const size_t outputs = affine.factor.size();
  const size_t depth = static_cast<size_t>(weights.shape().elements()) / outputs;
  Tensor scaled = Tensor::allocate(DType::f32, weights.shape());
  const auto from = weights.span<float>();
  const auto to = scaled.mutable_view().span<float>();
  for (size_t i = 0; i < outputs * depth; ++i) to[i] = from[i] * affine.factor[i / depth];
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

/// BatchNormalization on its own -> a 1x1 depthwise Conv.
void make_depthwise(const Graph& graph, PassConstants& constants, Node& node, const Affine& affine) {
  Shape shape{static_cast<int64_t>(affine.factor.size()), 1};
  for (int a = 2; a < graph.value(node.inputs[0]).type.shape.rank(); ++a) shape.push_back(1);
  const ValueId weights =
      constants.add(node.name + ".factor", Constant(Tensor::from<float>(shape, affine.factor)));
  const ValueId bias =
      constants.add(node.name + ".shift", Constant(Tensor::from<float>({shape[0]}, affine.shift)));
  node.schema = find_op("Conv");
  node.inputs = {node.inputs[0], weights, bias};
  node.attributes = {{"group", shape[0]}};
}

}  // namespace

/// BatchNormalization(Conv or Gemm) -> the Conv or Gemm with other constants; one that stands elsewhere
/// becomes a 1x1 depthwise Conv.
int fold_batch_normalization(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    Node& node = graph.nodes()[n];
    if (node.schema->name != "BatchNormalization" || !node.use_encodings.empty() || node.outputs.size() != 1)
      continue;
    const ValueId x = node.inputs[0];
    const ValueType type = graph.value(x).type;
    const Affine affine = affine_of(graph, node);
    if (affine.factor.empty() || !is_f32_or_short(type.dtype)) continue;
    const int maker = uses.maker(x);
    if (maker >= 0 && uses.only_feeds_one(x) &&
        takes_affine(graph, graph.nodes()[static_cast<size_t>(maker)])) {
      Node& layer = graph.nodes()[static_cast<size_t>(maker)];
      fold_into(graph, constants, layer, affine);
      layer.outputs[0] = node.outputs[0];
      gone[n] = true;
      ++changes;
    } else if (type.shape.rank() >= 3) {
      make_depthwise(graph, constants, node, affine);
      ++changes;
    }
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
