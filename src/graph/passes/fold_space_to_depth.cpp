#include <array>
#include <optional>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

std::vector<int64_t> ints(const Graph& graph, ValueId value) {
  if (value == kNoValue || !graph.value(value).constant) return {};
  const Tensor tensor = graph.value(value).constant->load();
  if (tensor.dtype() == DType::i64) return {tensor.span<int64_t>().begin(), tensor.span<int64_t>().end()};
  if (tensor.dtype() == DType::i32) return {tensor.span<int32_t>().begin(), tensor.span<int32_t>().end()};
  return {};
}

struct Start {
  int64_t y, x;
};

/// Where a Slice [:, :, y::2, x::2] of an image of even sides begins.
std::optional<Start> every_second(const Graph& graph, const Node& slice) {
  if (slice.inputs.size() != 5) return std::nullopt;
  const Shape& image = graph.value(slice.inputs[0]).type.shape;
  const std::vector<int64_t> starts = ints(graph, slice.inputs[1]), ends = ints(graph, slice.inputs[2]),
                             axes = ints(graph, slice.inputs[3]), steps = ints(graph, slice.inputs[4]);
  if (image.rank() != 4 || starts.size() != 2 || ends.size() != 2 || axes.size() != 2 ||
      steps != std::vector<int64_t>{2, 2})
    return std::nullopt;
  Start start{-1, -1};
  for (size_t i = 0; i < 2; ++i) {
    const auto axis = image.normalize_axis(axes[i]);
    if (!axis || *axis < 2 || image[*axis] < 0 || image[*axis] % 2 != 0 || ends[i] < image[*axis] ||
        starts[i] < 0 || starts[i] > 1)
      return std::nullopt;
    (*axis == 2 ? start.y : start.x) = starts[i];
  }
  return start.y >= 0 && start.x >= 0 ? std::optional(start) : std::nullopt;
}

/// The four quarters of one image side by side, in any order.
struct Focus {
  ValueId image;
  std::array<Start, 4> quarters;
};

std::optional<Focus> focus_of(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* concat = uses.made_by(value, "Concat");
  if (!concat || concat->inputs.size() != 4 || concat->attributes.get_int("axis", 0) != 1)
    return std::nullopt;
  Focus focus{kNoValue, {}};
  for (size_t i = 0; i < 4; ++i) {
    const Node* slice = uses.made_by(concat->inputs[i], "Slice");
    const auto start = slice ? every_second(graph, *slice) : std::nullopt;
    if (!start || (i > 0 && slice->inputs[0] != focus.image)) return std::nullopt;
    focus.image = slice->inputs[0];
    focus.quarters[i] = *start;
  }
  return focus;
}

bool takes_focus(const Graph& graph, const Node& conv) {
  const std::vector<int64_t> ones{1, 1};
  return conv.schema->name == "Conv" && conv.use_encodings.empty() &&
         conv.attributes.get_int("group", 1) == 1 && conv.attributes.get_ints("strides", ones) == ones &&
         conv.attributes.get_ints("dilations", ones) == ones &&
         conv.attributes.get_string("auto_pad", "NOTSET") == "NOTSET";
}

/// W[m, q C + c, y, x] -> W'[m, c, 2 y + quarter q's y, 2 x + its x].
Tensor spread(const Tensor& weights, const Focus& focus) {
  const Shape& shape = weights.shape();
  const int64_t channels = shape[1] / 4;
  const Shape wide{shape[0], channels, 2 * shape[2], 2 * shape[3]};
  Tensor made = Tensor::zeros(DType::f32, wide);
  const auto to = made.mutable_view().span<float>();
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t x = i % shape[3], y = i / shape[3] % shape[2], c = i / (shape[3] * shape[2]) % shape[1],
                  m = i / (shape[3] * shape[2] * shape[1]);
    const Start& start = focus.quarters[static_cast<size_t>(c / channels)];
    const int64_t row = (m * channels + c % channels) * wide[2] + 2 * y + start.y;
    to[static_cast<size_t>(row * wide[3] + 2 * x + start.x)] = weights.span<float>()[static_cast<size_t>(i)];
  }
  return made;
}

}  // namespace

/// Conv over the four quarters of an image (Slice by two, Concat: the "focus" of YOLOX and YOLOv5) -> a Conv
/// of twice the size and stride over the image itself.
int fold_space_to_depth(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (!takes_focus(graph, node)) continue;
    const auto focus = focus_of(graph, uses, node.inputs[0]);
    if (!focus) continue;
    const std::string name = graph.value(node.inputs[1]).name + ".spread";
    const Tensor weights = float_constant(graph, node.inputs[1]);
    if (weights.empty()) continue;
    std::vector<int64_t> pads = node.attributes.get_ints("pads", {0, 0, 0, 0});
    for (int64_t& pad : pads) pad *= 2;
    node.inputs[0] = focus->image;
    node.inputs[1] = constants.add(name, Constant(spread(weights, *focus)));
    node.attributes.set("pads", pads);
    node.attributes.set("strides", std::vector<int64_t>{2, 2});
    node.attributes.set("kernel_shape", std::vector<int64_t>{2 * weights.shape()[2], 2 * weights.shape()[3]});
    ++changes;
  }
  return changes;
}

}  // namespace halftone
