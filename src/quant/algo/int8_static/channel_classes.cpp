#include "quant/algo/int8_static/channel_classes.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "graph/code_operators.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

/// One input, one output, channel by channel, and linear in each (positive homogeneous).
constexpr std::array<std::string_view, 9> kByChannel = {
    "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu", "MaxPool", "Neg", "Relu",
    "Resize"};

bool is_own(const Graph& graph, const UseMap& uses, const Node& node, size_t slot) {
  const Value& value = graph.value(node.inputs[slot]);
  return value.constant && !value.constant->encoding() && is_float(value.type.dtype) &&
         uses.only_feeds_one(node.inputs[slot]);
}

bool has(const Node& node, size_t slot) {
  return node.inputs.size() > slot && node.inputs[slot] != kNoValue;
}

bool is_homogeneous(const Node& node) {
  const std::string activation = node.attributes.get_string("activation", "");
  return activation.empty() || activation == "relu" || activation == "leaky_relu";
}

/// Of all values of a graph: beyond, none is taken to have any.
constexpr int64_t kMostChannels = int64_t{1} << 26;

/// By value: how many channels it has.
std::vector<int32_t> channels_of(const Graph& graph) {
  std::vector<int32_t> count(graph.values().size());
  int64_t left = kMostChannels;
  for (size_t id = 0; id < count.size(); ++id) {
    const Value& value = graph.values()[id];
    const Shape& shape = value.type.shape;
    if (value.constant || !is_float(value.type.dtype) || shape.rank() < 2 || shape[1] <= 0) continue;
    if (shape[1] > left) return std::vector<int32_t>(count.size());
    count[id] = static_cast<int32_t>(shape[1]);
    left -= shape[1];
  }
  return count;
}

std::vector<int32_t> starts(const std::vector<int32_t>& count) {
  std::vector<int32_t> first;
  int32_t next = 1;  // channel 0 is that of class 0
  for (const int32_t channels : count) {
    first.push_back(next);
    next += channels;
  }
  return first;
}

}  // namespace

Divides divides_output(const Graph& graph, const UseMap& uses, const Node& node, bool products) {
  if (node.schema->name != "Conv" || !node.use_encodings.empty() || !layer_form(graph, node))
    return Divides::no;
  if (!is_own(graph, uses, node, 1)) return Divides::no;
  if (is_homogeneous(node))
    return !has(node, 2) || is_own(graph, uses, node, 2) ? Divides::weights : Divides::no;
  const std::string activation = node.attributes.get_string("activation", "");
  return products && (activation == "silu" || activation == "hard_swish") ? Divides::product : Divides::no;
}

bool multiplies_input(const Graph& graph, const UseMap& uses, const Node& node) {
  const auto form = layer_form(graph, node);
  if (node.schema->name != "Conv" || !node.use_encodings.empty() || !form) return false;
  return (form->groups == 1 || form->groups == form->channels) && is_own(graph, uses, node, 1);
}

ChannelClasses::ChannelClasses(const Graph& graph, bool products)
    : first_(starts(channels_of(graph))),
      count_(channels_of(graph)),
      ties_(first_.empty() ? 1 : first_.back() + count_.back()) {
  for (ValueId input : graph.inputs()) fix(input);
  for (ValueId output : graph.outputs()) fix(output);
  const UseMap uses(graph);
  for (const Node& node : graph.nodes()) visit(graph, uses, node, products);
}

std::vector<int32_t> ChannelClasses::of(ValueId value) const {
  std::vector<int32_t> classes;
  for (int64_t c = 0; c < count(value); ++c) classes.push_back(ties_.root(at(value, c)));
  return classes;
}

std::vector<ValueId> ChannelClasses::free_values() const {
  std::vector<ValueId> values;
  for (ValueId value = 0; value < std::ssize(count_); ++value)
    if (std::ranges::any_of(of(value), [](int32_t c) { return c != 0; })) values.push_back(value);
  return values;
}

void ChannelClasses::visit(const Graph& graph, const UseMap& uses, const Node& node, bool products) {
  const std::string_view op = node.schema->name;
  if (op == "Conv") return layer(graph, uses, node, products);
  if (op == "Concat") return concat(graph, node);
  if (op == "Gather" && gather(graph, node)) return;
  const bool by_channel = std::find(kByChannel.begin(), kByChannel.end(), op) != kByChannel.end();
  const bool adds =
      op == "Add" && is_float_activation(graph, node.inputs[0]) && is_float_activation(graph, node.inputs[1]);
  const bool same =
      (by_channel || adds) && node.outputs.size() == 1 &&
      std::all_of(node.inputs.begin(), node.inputs.begin() + (adds ? 2 : 1), [&](ValueId in) {
        return has_channels(in) && count(in) == count(node.outputs[0]) &&
               graph.value(in).type.shape.rank() == graph.value(node.outputs[0]).type.shape.rank();
      });
  if (same) {
    tie(node.inputs[0], node.outputs[0]);
    if (adds) tie(node.inputs[1], node.outputs[0]);
    return;
  }
  if (op == "Split" && has_channels(node.inputs[0])) {
    const Shape& shape = graph.value(node.inputs[0]).type.shape;
    int64_t begin = 0;
    if (shape.normalize_axis(node.attributes.get_int("axis", 0)) == 1) {
      for (ValueId output : node.outputs) {
        tie(output, node.inputs[0], begin);
        begin += count(output);
      }
      return;
    }
  }
  for (ValueId input : node.inputs)
    if (input != kNoValue) fix(input);
  for (ValueId output : node.outputs)
    if (output != kNoValue) fix(output);
}

void ChannelClasses::layer(const Graph& graph, const UseMap& uses, const Node& node, bool products) {
  const Divides how = divides_output(graph, uses, node, products);
  if (!multiplies_input(graph, uses, node)) fix(node.inputs[0]);
  fix(node.inputs[1]);  // weights that are computed
  if (how == Divides::no) fix(node.outputs[0]);
  if (!has(node, 3)) return;
  if (how == Divides::weights)
    tie(node.inputs[3], node.outputs[0]);
  else
    fix(node.inputs[3]);
}

void ChannelClasses::concat(const Graph& graph, const Node& node) {
  const ValueId y = node.outputs[0];
  const bool along = graph.value(y).type.shape.normalize_axis(node.attributes.get_int("axis", 1)) == 1;
  int64_t begin = 0;
  const bool known =
      std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) { return has_channels(in); });
  for (ValueId input : node.inputs) {
    if (!known) fix(input);
    if (known) tie(input, y, begin);
    if (along) begin += count(input);
  }
  if (!known) fix(y);
}

/// Some channels by constant indices (a channel shuffle).
bool ChannelClasses::gather(const Graph& graph, const Node& node) {
  const ValueId x = node.inputs[0], y = node.outputs[0];
  const Value& indices = graph.value(node.inputs[1]);
  if (!has_channels(x) || !has_channels(y) || !indices.constant || indices.type.dtype != DType::i64 ||
      indices.type.shape.rank() != 1 ||
      graph.value(x).type.shape.normalize_axis(node.attributes.get_int("axis", 0)) != 1)
    return false;
  const Tensor table = indices.constant->load();
  std::vector<int64_t> from(table.span<int64_t>().begin(), table.span<int64_t>().end());
  for (int64_t& index : from) index += index < 0 ? count(x) : 0;
  if (std::ranges::any_of(from, [&](int64_t index) { return index < 0 || index >= count(x); })) return false;
  for (size_t c = 0; c < from.size(); ++c) ties_.tie(at(y, static_cast<int64_t>(c)), at(x, from[c]));
  return true;
}

void ChannelClasses::tie(ValueId a, ValueId whole, int64_t begin) {
  for (int64_t c = 0; c < count(a); ++c) ties_.tie(at(a, c), at(whole, begin + c));
}

void ChannelClasses::fix(ValueId value) {
  for (int64_t c = 0; c < count(value); ++c) ties_.tie(at(value, c), 0);
}

}  // namespace halftone
