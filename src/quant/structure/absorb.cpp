#include "quant/structure/absorb.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Walks back from a value to constants. One walk finds one set of absorbers, or fails with a reason.
class Walk {
 public:
  Walk(const Graph& graph, int64_t channels)
      : graph_(graph), uses_(graph), users_(graph.users()), ties_(channels) {}

  /// `value`, made for readers that all belong to us, to be divided as `map` says.
  bool divide_made(ValueId value, const ChannelMap& map);

  std::vector<Absorber> absorbers;
  std::string why;
  const ChannelTies& ties() const { return ties_; }

 private:
  using Step = bool (Walk::*)(int node, ValueId value, const ChannelMap& map);
  static Step step_for(std::string_view op);

  bool fail(std::string reason) {
    if (why.empty()) why = std::move(reason);
    return false;
  }
  const Node& node(int n) const { return graph_.nodes()[static_cast<size_t>(n)]; }
  const Shape& shape(ValueId value) const { return graph_.value(value).type.shape; }

  /// Input `slot` of node `n`, which nobody else may read.
  bool divide_input(int n, size_t slot, const ChannelMap& map);
  /// The constant in `slot`, seen along its broadcast to `to`.
  bool divide_constant(int n, size_t slot, const ChannelMap& map, const Shape& to);
  bool absorb(int n, size_t slot, int axis, std::vector<int32_t> channels);

  bool norm(int n, ValueId value, const ChannelMap& map);
  bool batch_norm(int n, ValueId value, const ChannelMap& map);
  bool layer(int n, ValueId value, const ChannelMap& map);
  bool mat_mul(int n, ValueId value, const ChannelMap& map);
  bool product(int n, ValueId value, const ChannelMap& map);
  bool quotient(int n, ValueId value, const ChannelMap& map);
  bool sum(int n, ValueId value, const ChannelMap& map);
  bool same_channels(int n, ValueId value, const ChannelMap& map) { return divide_input(n, 0, map); }
  bool reshape(int n, ValueId value, const ChannelMap& map);
  bool transpose(int n, ValueId value, const ChannelMap& map);
  bool expand(int n, ValueId value, const ChannelMap& map);
  bool split(int n, ValueId value, const ChannelMap& map);
  bool gather(int n, ValueId value, const ChannelMap& map);
  bool paged_attention(int n, ValueId value, const ChannelMap& map);
  bool attention(int n, ValueId value, const ChannelMap& map);
  bool divide_heads(int n, const ChannelMap& map, int axis, int64_t heads, int64_t kv_heads, int64_t dim);

  const Graph& graph_;
  UseMap uses_;
  std::vector<std::vector<int>> users_;
  ChannelTies ties_;
};

Walk::Step Walk::step_for(std::string_view op) {
  static const std::map<std::string_view, Step> steps = {
      {"RMSNormalization", &Walk::norm},
      {"SkipRMSNormalization", &Walk::norm},
      {"LayerNormalization", &Walk::norm},
      {"BatchNormalization", &Walk::batch_norm},
      {"Gemm", &Walk::layer},
      {"Conv", &Walk::layer},
      {"MatMul", &Walk::mat_mul},
      {"Mul", &Walk::product},
      {"GatedActivation", &Walk::product},
      {"Div", &Walk::quotient},
      {"Add", &Walk::sum},
      {"Sub", &Walk::sum},
      {"Identity", &Walk::same_channels},
      {"Neg", &Walk::same_channels},
      {"Relu", &Walk::same_channels},
      {"LeakyRelu", &Walk::same_channels},
      {"MaxPool", &Walk::same_channels},
      {"AveragePool", &Walk::same_channels},
      {"GlobalAveragePool", &Walk::same_channels},
      {"GlobalMaxPool", &Walk::same_channels},
      {"Reshape", &Walk::reshape},
      {"Flatten", &Walk::reshape},
      {"Squeeze", &Walk::reshape},
      {"Unsqueeze", &Walk::reshape},
      {"Transpose", &Walk::transpose},
      {"Expand", &Walk::expand},
      {"Split", &Walk::split},
      {"Gather", &Walk::gather},
      {"PagedAttention", &Walk::paged_attention},
      {"Attention", &Walk::attention},
  };
  const auto found = steps.find(op);
  return found == steps.end() ? nullptr : found->second;
}

bool Walk::divide_made(ValueId value, const ChannelMap& map) {
  const int maker = uses_.maker(value);
  if (maker < 0) return fail(fmt::format("{} comes from outside", graph_.value(value).name));
  const Step step = step_for(node(maker).schema->name);
  if (!step)
    return fail(
        fmt::format("{} ({}) is not linear in its channels", node(maker).name, node(maker).schema->name));
  return (this->*step)(maker, value, map);
}

bool Walk::divide_input(int n, size_t slot, const ChannelMap& map) {
  const ValueId value = node(n).inputs[slot];
  if (graph_.value(value).constant) return divide_constant(n, slot, map, shape(value));
  if (!uses_.only_feeds_one(value))
    return fail(fmt::format("{} has other readers than {}", graph_.value(value).name, node(n).name));
  return divide_made(value, map);
}

bool Walk::divide_constant(int n, size_t slot, const ChannelMap& map, const Shape& to) {
  const Value& constant = graph_.value(node(n).inputs[slot]);
  if (!is_float(constant.type.dtype) || constant.constant->encoding())
    return fail(fmt::format("{} is not floating point", constant.name));
  const Shape& from = constant.type.shape;
  const int shift = to.rank() - from.rank();
  if (map.axes.size() != 1 || map.axes[0] < shift || from[map.axes[0] - shift] != to[map.axes[0]])
    return fail(fmt::format("{} has no element for each channel", constant.name));
  return absorb(n, slot, map.axes[0] - shift, map.channels);
}

bool Walk::absorb(int n, size_t slot, int axis, std::vector<int32_t> channels) {
  const ValueId constant = node(n).inputs[slot];
  if (!uses_.only_feeds_one(constant))
    return fail(fmt::format("{} has other readers than {}", graph_.value(constant).name, node(n).name));
  absorbers.push_back({n, static_cast<int>(slot), axis, std::move(channels)});
  return true;
}

/// Weights and bias of a norm over the last axis.
bool Walk::norm(int n, ValueId value, const ChannelMap& map) {
  const bool skips = node(n).schema->name == "SkipRMSNormalization";
  if (skips && value != node(n).outputs[0]) return fail(node(n).name + " adds");
  const auto channels = channels_along(map, shape(value).rank() - 1);
  if (!channels) return fail(node(n).name + " normalises other axes");
  for (size_t slot = skips ? 2 : 1; slot < node(n).inputs.size(); ++slot)
    if (node(n).inputs[slot] != kNoValue && !divide_constant(n, slot, map, shape(value))) return false;
  return true;
}

bool Walk::batch_norm(int n, ValueId, const ChannelMap& map) {
  const auto channels = channels_along(map, 1);
  if (!channels) return fail(node(n).name + " has its channels on another axis");
  return absorb(n, 1, 0, *channels) && absorb(n, 2, 0, *channels);
}

bool Walk::layer(int n, ValueId value, const ChannelMap& map) {
  const auto form = layer_form(graph_, node(n));
  if (!form) return fail(node(n).name + " has no constant weights");
  const std::string activation = node(n).attributes.get_string("activation", "");
  if (!activation.empty() && activation != "relu" && activation != "leaky_relu")
    return fail(fmt::format("{} ends in {}, which is not linear in its channels", node(n).name, activation));
  if (node(n).inputs.size() > 3 && node(n).inputs[3] != kNoValue)
    return fail(node(n).name + " adds a residual");
  const auto channels = channels_along(map, node(n).schema->name == "Conv" ? 1 : shape(value).rank() - 1);
  if (!channels) return fail(node(n).name + " has its channels on another axis");
  const ValueId weights = node(n).inputs[1];
  if (graph_.value(weights).constant->encoding())
    return fail(fmt::format("{} is quantized", graph_.value(weights).name));
  if (!absorb(n, 1, form->output_axis, *channels)) return false;
  if (node(n).inputs.size() < 3 || node(n).inputs[2] == kNoValue) return true;
  const ValueId bias = node(n).inputs[2];
  if (!graph_.value(bias).constant) return fail(node(n).name + " adds a bias that is not constant");
  if (shape(bias).rank() == 0 || shape(bias).back() != form->outputs)
    return fail(node(n).name + " adds one bias to several channels");
  return absorb(n, 2, shape(bias).rank() - 1, *channels);
}

bool Walk::mat_mul(int n, ValueId value, const ChannelMap& map) {
  const int last = shape(value).rank() - 1;
  if (layer_form(graph_, node(n))) {
    const auto channels = channels_along(map, last);
    if (!channels) return fail(node(n).name + " has its channels on another axis");
    return absorb(n, 1, 1, *channels);
  }
  // Rows of the first operand times columns of the second: whose axis does not matter can pass.
  const bool rows_matter = std::find(map.axes.begin(), map.axes.end(), last - 1) != map.axes.end();
  const bool columns_matter = std::find(map.axes.begin(), map.axes.end(), last) != map.axes.end();
  if (rows_matter && columns_matter) return fail(node(n).name + " mixes the channels");
  const size_t slot = columns_matter ? 1 : 0;
  Shape operand = shape(value);  // as the operand broadcasts over the batch axes
  operand[columns_matter ? last - 1 : last] = 1;
  Shape from = shape(node(n).inputs[slot]);
  from[from.rank() - (columns_matter ? 2 : 1)] = 1;
  return divide_input(n, slot, before_broadcast(map, from, operand, ties_));
}

/// One of the factors is enough: a constant with an element a channel, else whichever can.
bool Walk::product(int n, ValueId value, const ChannelMap& map) {
  const auto& inputs = node(n).inputs;
  const bool gated = node(n).schema->name == "GatedActivation";
  for (size_t slot : {size_t{1}, size_t{0}})
    if (graph_.value(inputs[slot]).constant && divide_constant(n, slot, map, shape(value))) return true;
  for (size_t slot : {size_t{1}, size_t{0}}) {
    if (graph_.value(inputs[slot]).constant || (gated && slot == 0)) continue;
    const auto saved_absorbers = absorbers;
    const auto saved_ties = ties_;
    if (divide_input(n, slot, before_broadcast(map, shape(inputs[slot]), shape(value), ties_))) return true;
    absorbers = saved_absorbers;
    ties_ = saved_ties;
  }
  return false;
}

bool Walk::quotient(int n, ValueId value, const ChannelMap& map) {
  return divide_input(n, 0, before_broadcast(map, shape(node(n).inputs[0]), shape(value), ties_));
}

bool Walk::sum(int n, ValueId value, const ChannelMap& map) {
  for (size_t slot : {size_t{0}, size_t{1}}) {
    const ValueId term = node(n).inputs[slot];
    const bool done = graph_.value(term).constant
                          ? divide_constant(n, slot, map, shape(value))
                          : divide_input(n, slot, before_broadcast(map, shape(term), shape(value), ties_));
    if (!done) return false;
  }
  return true;
}

bool Walk::reshape(int n, ValueId value, const ChannelMap& map) {
  const auto before = before_reshape(map, shape(node(n).inputs[0]), shape(value));
  if (!before) return fail(node(n).name + " mixes channels with an axis of unknown size");
  return divide_input(n, 0, *before);
}

bool Walk::transpose(int n, ValueId value, const ChannelMap& map) {
  std::vector<int64_t> order(static_cast<size_t>(shape(value).rank()));
  std::iota(order.rbegin(), order.rend(), 0);
  return divide_input(n, 0, before_transpose(map, shape(value), node(n).attributes.get_ints("perm", order)));
}

bool Walk::expand(int n, ValueId value, const ChannelMap& map) {
  return divide_input(n, 0, before_broadcast(map, shape(node(n).inputs[0]), shape(value), ties_));
}

bool Walk::split(int n, ValueId value, const ChannelMap& map) {
  const Shape& whole = shape(node(n).inputs[0]);
  const auto axis = whole.normalize_axis(node(n).attributes.get_int("axis", 0));
  int64_t begin = 0;
  for (ValueId output : node(n).outputs) {
    if (output == value) break;
    begin += shape(output)[*axis];
  }
  return divide_input(n, 0, before_cut(map, shape(value), *axis, begin, whole[*axis]));
}

/// One index of an axis (the third of a stacked q, k, v); the others are read by nodes of the same kind.
bool Walk::gather(int n, ValueId value, const ChannelMap& map) {
  const ValueId whole = node(n).inputs[0];
  const auto axis = shape(whole).normalize_axis(node(n).attributes.get_int("axis", 0));
  auto index_of = [&](int reader) -> std::optional<int64_t> {
    const Node& other = node(reader);
    if (other.schema->name != "Gather" || other.inputs[0] != whole) return {};
    if (shape(whole).normalize_axis(other.attributes.get_int("axis", 0)) != axis) return {};
    const Value& index = graph_.value(other.inputs[1]);
    if (!index.constant || index.type.shape.rank() != 0 || index.type.dtype != DType::i64) return {};
    const int64_t i = index.constant->load().span<int64_t>()[0];
    return i < 0 ? i + shape(whole)[*axis] : i;
  };
  const auto index = index_of(n);
  const auto& readers = users_[static_cast<size_t>(whole)];
  const bool alone = std::all_of(readers.begin(), readers.end(), [&](int reader) {
    return reader == n || (index_of(reader) && index_of(reader) != index);
  });
  if (!index || !alone || uses_.maker(whole) < 0)
    return fail(node(n).name + " is not the only reader of its part");
  Shape part = shape(whole);
  part[*axis] = 1;
  ChannelMap kept = map;  // over the axes of `part`
  for (int& a : kept.axes) a += a >= *axis ? 1 : 0;
  return divide_made(whole, before_cut(kept, part, *axis, *index, shape(whole)[*axis]));
}

/// Values [.., kv_heads * dim] (or heads and dim on axes of their own): queries' heads that share one tie.
bool Walk::divide_heads(int n, const ChannelMap& map, int axis, int64_t heads, int64_t kv_heads,
                        int64_t dim) {
  const auto channels = channels_along(map, axis);
  if (!channels || heads % kv_heads != 0) return fail(node(n).name + " has its channels on another axis");
  ChannelMap values{{axis}, std::vector<int32_t>(static_cast<size_t>(kv_heads * dim), kNoChannel)};
  for (int64_t c = 0; c < heads * dim; ++c) {
    const int32_t channel = (*channels)[static_cast<size_t>(c)];
    int32_t& known = values.channels[static_cast<size_t>(c / dim / (heads / kv_heads) * dim + c % dim)];
    if (known != kNoChannel && channel != kNoChannel)
      ties_.tie(known, channel);
    else if (known == kNoChannel)
      known = channel;
  }
  return divide_input(n, 2, values);
}

bool Walk::paged_attention(int n, ValueId value, const ChannelMap& map) {
  if (value != node(n).outputs[0]) return fail(node(n).name + " keeps a state");
  const int64_t heads = node(n).attributes.get_int("num_heads", 1);
  return divide_heads(n, map, 1, heads, node(n).attributes.get_int("kv_heads", heads),
                      shape(value).back() / heads);
}

bool Walk::attention(int n, ValueId value, const ChannelMap& map) {
  const auto& inputs = node(n).inputs;
  if (value != node(n).outputs[0] || (inputs.size() > 5 && inputs[5] != kNoValue))
    return fail(node(n).name + " has a past");
  for (ValueId present : node(n).outputs)
    if (present != value && present != kNoValue && uses_.uses(present) > 0)
      return fail(node(n).name + " hands out its keys or values");
  const Shape& values = shape(inputs[2]);
  if (values.rank() == 3) {
    const int64_t heads = node(n).attributes.get_int("q_num_heads", 1);
    return divide_heads(n, map, 2, heads, node(n).attributes.get_int("kv_num_heads", heads),
                        shape(value).back() / heads);
  }
  if (values[1] != shape(value)[1]) return fail(node(n).name + " shares heads of values");
  return divide_input(n, 2, map);
}

}  // namespace

std::optional<Absorption> find_absorption(const Graph& graph, const InputGroup& group, std::string& why) {
  const UseMap uses(graph);
  const std::vector<int> readers = graph.users()[static_cast<size_t>(group.input)];
  if (readers != group.layers || uses.uses(group.input) != static_cast<int>(group.layers.size())) {
    why = fmt::format("{} has other readers than the layers", graph.value(group.input).name);
    return std::nullopt;
  }
  const LayerForm first = *layer_form(graph, graph.nodes()[static_cast<size_t>(group.layers.front())]);
  for (int n : group.layers) {
    const Node& node = graph.nodes()[static_cast<size_t>(n)];
    const LayerForm form = *layer_form(graph, node);
    if (form.groups != 1 || form.input_axis != first.input_axis || form.channels != first.channels) {
      why = fmt::format("{} reads the channels in groups, or on another axis", node.name);
      return std::nullopt;
    }
    if (!uses.only_feeds_one(node.inputs[1])) {
      why = fmt::format("{} has other readers than {}", graph.value(node.inputs[1]).name, node.name);
      return std::nullopt;
    }
  }
  Walk walk(graph, first.channels);
  if (!walk.divide_made(group.input, ChannelMap::along(first.input_axis, first.channels))) {
    why = walk.why;
    return std::nullopt;
  }
  Absorption found{std::move(walk.absorbers), {}};
  for (int32_t channel = 0; channel < first.channels; ++channel)
    found.tied.push_back(walk.ties().root(channel));
  return found;
}

}  // namespace halftone
