#include "quant/structure/channel_factors.h"

#include <algorithm>
#include <cassert>
#include <fmt/ranges.h>

namespace halftone {
namespace {

class Scaled final : public ConstantSource {
 public:
  Scaled(Constant constant, int axis, std::vector<float> factors, DType dtype)
      : constant_(std::move(constant)), axis_(axis), factors_(std::move(factors)), dtype_(dtype) {}

  Tensor load() const override {
    const Tensor original = constant_.load();
    const Shape& shape = original.shape();
    Tensor result = Tensor::allocate(dtype_, shape);
    int64_t inner = 1;
    for (int axis = axis_ + 1; axis < shape.rank(); ++axis) inner *= shape[axis];
    std::vector<float> run(static_cast<size_t>(inner));
    const int64_t runs = shape.elements() / std::max<int64_t>(inner, 1);
    for (int64_t r = 0; r < runs; ++r) {
      const float factor = factors_[static_cast<size_t>(r) % factors_.size()];
      load_floats(original.view(), r * inner, run);
      for (float& x : run) x *= factor;
      store_floats(run, result.mutable_view(), r * inner);
    }
    return result;
  }
  std::optional<std::string> told_by() const override {
    const auto told = constant_.told_by();
    return told ? std::optional(fmt::format("{} axis {} times {}", *told, axis_, fmt::join(factors_, " ")))
                : std::nullopt;
  }

 private:
  Constant constant_;
  int axis_;
  std::vector<float> factors_;
  DType dtype_;
};

/// f32 wherever the activations are, so that factors cost no precision; else the type that the operators
/// demand.
DType scaled_dtype(const Graph& graph, const ScaleGroup& group, const Value& constant) {
  return graph.value(group.input).type.dtype == DType::f32 ? DType::f32 : constant.type.dtype;
}

void replace(Value& value, Constant constant) {
  value.type.dtype = constant.dtype();
  value.constant = std::move(constant);
}

}  // namespace

Constant scaled_constant(const Constant& constant, int axis, std::vector<float> factors, DType dtype) {
  const Shape shape = constant.shape();
  assert(static_cast<int64_t>(factors.size()) == shape[axis]);
  return Constant(dtype, shape, std::make_shared<Scaled>(constant, axis, std::move(factors), dtype));
}

std::vector<float> join_tied(const Absorption& absorption, std::span<const float> by_channel) {
  std::vector<float> joined(by_channel.begin(), by_channel.end());
  for (size_t c = 0; c < joined.size(); ++c) {
    float& root = joined[static_cast<size_t>(absorption.tied[c])];
    root = std::max(root, by_channel[c]);
  }
  for (size_t c = 0; c < joined.size(); ++c) joined[c] = joined[static_cast<size_t>(absorption.tied[c])];
  return joined;
}

Constant multiply_channels(const Graph& graph, int layer, std::span<const float> factors) {
  const Node& node = graph.nodes()[static_cast<size_t>(layer)];
  return scaled_constant(*graph.value(node.inputs[1]).constant, layer_form(graph, node)->weight_axis,
                         {factors.begin(), factors.end()});
}

void divide_channels(Graph& graph, const ScaleGroup& group, std::span<const float> factors) {
  assert(group.absorption && std::all_of(factors.begin(), factors.end(), [](float f) { return f > 0; }));
  for (const Absorber& absorber : group.absorption->absorbers) {
    const Node& node = graph.nodes()[static_cast<size_t>(absorber.node)];
    Value& value = graph.value(node.inputs[static_cast<size_t>(absorber.slot)]);
    std::vector<float> inverse;
    for (int32_t channel : absorber.channels)
      inverse.push_back(channel == kNoChannel ? 1 : 1 / factors[static_cast<size_t>(channel)]);
    replace(value, scaled_constant(*value.constant, absorber.axis, std::move(inverse),
                                   scaled_dtype(graph, group, value)));
  }
  for (int layer : group.layers) {
    const Node& node = graph.nodes()[static_cast<size_t>(layer)];
    Value& value = graph.value(node.inputs[1]);
    replace(value, scaled_constant(*value.constant, layer_form(graph, node)->weight_axis,
                                   {factors.begin(), factors.end()}, scaled_dtype(graph, group, value)));
  }
}

}  // namespace halftone
