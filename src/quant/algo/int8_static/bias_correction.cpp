#include "quant/algo/int8_static/bias_correction.h"

#include <map>

#include "graph/static_codes.h"
#include "quant/algo/int8_static/sample_choice.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

constexpr int kSamples = 16;
constexpr size_t kBias = 2, kResidual = 3;

/// Sums over calibration data of a value's channels, as they are and as their codes hold them.
struct ChannelSums {
  CodeScale codes;
  int axis = 0;  ///< of the channels
  std::vector<double> floating, coded;
  double count = 0;  ///< of numbers in each channel

  void see(const TensorView& tensor) {
    const Shape& shape = tensor.shape;
    const auto channels = static_cast<size_t>(shape[axis]);
    floating.resize(channels);
    coded.resize(channels);
    size_t inner = 1;
    for (int a = axis + 1; a < shape.rank(); ++a) inner *= static_cast<size_t>(shape[a]);
    const auto values = tensor.span<float>();
    for (size_t run = 0; run * inner < values.size(); ++run) {
      double plain = 0, rounded = 0;
      for (const float x : values.subspan(run * inner, inner)) {
        plain += double{x};
        rounded += double{decode_activation(encode_activation(x, codes), codes)};
      }
      floating[run % channels] += plain;
      coded[run % channels] += rounded;
    }
    count += static_cast<double>(values.size()) / static_cast<double>(channels);
  }
};
using Sums = std::map<std::string, ChannelSums>;  // by value

/// Which values the integer layers read.
Sums wanted_sums(const Graph& graph, const std::vector<QuantTarget>& targets) {
  Sums sums;
  for (const QuantTarget& target : targets)
    for (int position : target.nodes) {
      const Node& node = graph.nodes()[static_cast<size_t>(position)];
      const auto form = layer_form(graph, node);
      if (!form) continue;
      for (const size_t slot : {size_t{0}, kResidual}) {
        if (slot >= node.inputs.size() || node.inputs[slot] == kNoValue) continue;
        if (const auto codes = codes_in(node, slot))
          sums.try_emplace(graph.value(node.inputs[slot]).name,
                           ChannelSums{*codes, form->input_axis, {}, {}, 0});
      }
    }
  return sums;
}

void see_samples(Sums& sums, const Graph& floating, const QuantizeOptions& options) {
  CompileOptions how;
  how.backend = options.backend;
  how.exact = true;
  Session session(compile(floating, how, *options.threads), *options.threads);
  const auto see = [&](const std::string& name, const TensorView& tensor) {
    if (const auto found = sums.find(name); found != sums.end()) found->second.see(tensor);
  };
  session.observe([&](const Value& value, const TensorView& tensor) { see(value.name, tensor); });
  run_samples(session, choose_samples(*options.data, kSamples), *options.data, see);
}

/// What a layer's rounding adds to the mean of each output.
std::vector<double> mean_shift(const Tensor& before, const Tensor& after, const LayerForm& form,
                               const ChannelSums& x) {
  const Shape& shape = before.shape();
  const auto old_weights = before.span<float>(), new_weights = after.span<float>();
  std::vector<double> shift(static_cast<size_t>(form.outputs));
  int64_t taps = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) taps *= shape[axis];
  const int64_t group_outputs = form.outputs / form.groups, group_inputs = form.channels / form.groups;
  for (int64_t o = 0; o < form.outputs; ++o)
    for (int64_t c = 0; c < group_inputs; ++c) {
      const int64_t row = form.output_axis == 0 ? o * group_inputs + c : c * form.outputs + o;
      const auto channel = static_cast<size_t>(o / group_outputs * group_inputs + c);
      double old_sum = 0, new_sum = 0;
      for (int64_t t = row * taps; t < (row + 1) * taps; ++t) {
        old_sum += double{old_weights[static_cast<size_t>(t)]};
        new_sum += double{new_weights[static_cast<size_t>(t)]};
      }
      shift[static_cast<size_t>(o)] += (new_sum * x.coded[channel] - old_sum * x.floating[channel]) / x.count;
    }
  return shift;
}

/// Gives the layer a bias of its own, `shift` less than what it had.
void subtract_from_bias(Graph& graph, Node& node, const std::vector<double>& shift) {
  std::vector<float> bias(shift.size());
  if (node.inputs.size() <= kBias) node.inputs.resize(kBias + 1, kNoValue);
  if (const ValueId old = node.inputs[kBias]; old != kNoValue) {
    const Tensor values = to_f32(graph.value(old).constant->load());
    const auto from = values.span<float>();
    for (size_t i = 0; i < bias.size(); ++i) bias[i] = from[from.size() == 1 ? 0 : i];
  }
  Tensor corrected = Tensor::allocate(DType::f32, {static_cast<int64_t>(bias.size())});
  for (size_t i = 0; i < bias.size(); ++i)
    corrected.mutable_view().span<float>()[i] = static_cast<float>(double{bias[i]} - shift[i]);
  node.inputs[kBias] = graph.add_constant(node.name + "/corrected_bias", Constant(std::move(corrected)));
}

bool can_take_bias(const Graph& graph, const Node& node) {
  if (node.schema->inputs.size() <= kBias) return false;
  if (node.attributes.get_float("alpha", 1) != 1 || node.attributes.get_float("beta", 1) != 1) return false;
  if (node.inputs.size() <= kBias || node.inputs[kBias] == kNoValue) return true;
  const Value& bias = graph.value(node.inputs[kBias]);
  return bias.constant &&
         (bias.type.shape.elements() == 1 || bias.type.shape.elements() == layer_form(graph, node)->outputs);
}

}  // namespace

void correct_biases(Graph& graph, const Graph& floating, const std::vector<QuantTarget>& targets,
                    const QuantizeOptions& options) {
  Sums sums = wanted_sums(graph, targets);
  if (sums.empty()) return;
  see_samples(sums, floating, options);
  for (const QuantTarget& target : targets) {
    std::optional<Tensor> before, after;
    for (int position : target.nodes) {
      Node& node = graph.nodes()[static_cast<size_t>(position)];
      const auto form = layer_form(graph, node);
      if (!form || !codes_in(node, 0) || !can_take_bias(graph, node)) continue;
      const ChannelSums& x = sums.at(graph.value(node.inputs[0]).name);
      if (x.count == 0) continue;  // inside what a pass of the backend fused
      if (!before) {
        before = to_f32(floating.value(target.weight).constant->load());
        after = graph.value(target.weight).constant->load_encoded(graph.value(target.weight).name)->decode();
      }
      std::vector<double> shift = mean_shift(*before, *after, *form, x);
      if (node.inputs.size() > kResidual && codes_in(node, kResidual)) {
        const ChannelSums& added = sums.at(graph.value(node.inputs[kResidual]).name);
        for (size_t o = 0; o < shift.size() && added.count > 0; ++o)
          shift[o] += (added.coded[o] - added.floating[o]) / added.count;
      }
      subtract_from_bias(graph, node, shift);
    }
  }
}

}  // namespace halftone
