#include "quant/algo/int8_static/even_channels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "graph/code_operators.h"
#include "graph/static_codes.h"
#include "quant/algo/int8_static/channel_classes.h"
#include "quant/algo/int8_static/even_factors.h"
#include "quant/structure/channel_factors.h"

namespace halftone {
namespace {

/// The factors of a value's channels; empty where all are 1.
std::vector<float> factors_of(const ChannelClasses& classes, const std::map<int32_t, float>& factors,
                              ValueId value) {
  std::vector<float> own;
  for (const int32_t c : classes.of(value)) {
    const auto found = factors.find(c);
    own.push_back(found == factors.end() ? 1 : found->second);
  }
  if (std::all_of(own.begin(), own.end(), [](float f) { return f == 1; })) own.clear();
  return own;
}

void scale(Value& value, int axis, std::vector<float> factors) {
  value.type.dtype = DType::f32;
  value.constant = scaled_constant(*value.constant, axis, std::move(factors));
}

std::vector<float> inverse(std::vector<float> factors) {
  for (float& f : factors) f = 1 / f;
  return factors;
}

/// A Mul behind a node: readers of its value X get the product, which is named X/even.
Node product_behind(Graph& graph, PassConstants& constants, Node& node, const std::vector<float>& factors) {
  const ValueId y = node.outputs[0];
  const Value value = graph.value(y);
  Shape shape(std::vector<int64_t>(static_cast<size_t>(value.type.shape.rank()), 1));
  shape[1] = std::ssize(factors);
  const ValueId uneven = graph.add_value(value.name + "/even", value.type);
  std::swap(graph.value(uneven).name, graph.value(y).name);
  const ValueId by = constants.add(value.name + "/evened_by", Constant(Tensor::from<float>(shape, factors)));
  node.outputs[0] = uneven;
  return {find_op("Mul"), node.name + "/even", {uneven, by}, {y}, {}, {}};
}

/// Multiplies the channels that a convolution reads in its weights.
void multiply_read_channels(Graph& graph, const Node& node, std::vector<float> factors) {
  Value& weights = graph.value(node.inputs[1]);
  if (node.attributes.get_int("group", 1) == 1) return scale(weights, 1, std::move(factors));
  std::vector<float> by_output;
  const auto outputs = static_cast<size_t>(weights.type.shape[0]);
  for (size_t o = 0; o < outputs; ++o) by_output.push_back(factors[o * factors.size() / outputs]);
  scale(weights, 0, std::move(by_output));
}

/// Divides each value by the factors of its channels' classes.
std::vector<LayerNote> divide(Graph& graph, const ChannelClasses& classes, bool products,
                              const std::map<int32_t, float>& factors) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  std::vector<LayerNote> notes;
  std::vector<Divides> how;
  std::vector<bool> multiplies;
  for (const Node& node : graph.nodes()) {
    how.push_back(divides_output(graph, uses, node, products));
    multiplies.push_back(multiplies_input(graph, uses, node));
  }
  std::vector<Node> nodes = std::exchange(graph.nodes(), {});
  for (size_t n = 0; n < nodes.size(); ++n) {
    Node& node = nodes[n];
    if (multiplies[n])
      if (std::vector<float> in = factors_of(classes, factors, node.inputs[0]); !in.empty())
        multiply_read_channels(graph, node, std::move(in));
    const std::vector<float> out =
        how[n] == Divides::no ? std::vector<float>() : factors_of(classes, factors, node.outputs[0]);
    if (out.empty()) {
      graph.nodes().push_back(std::move(node));
      continue;
    }
    const auto [least, most] = std::minmax_element(out.begin(), out.end());
    notes.push_back(
        {node.name, "int8-static",
         fmt::format("channels of its output evened out {}, the smallest by {:.3g} times the largest",
                     how[n] == Divides::weights ? "in its weights" : "by a product", *most / *least),
         false});
    node.attributes.set("even_channels", out);
    std::optional<Node> product;
    if (how[n] == Divides::product) {
      product = product_behind(graph, constants, node, inverse(out));
    } else {
      scale(graph.value(node.inputs[1]), 0, inverse(out));
      if (node.inputs.size() > 2 && node.inputs[2] != kNoValue)
        scale(graph.value(node.inputs[2]), 0, inverse(out));
    }
    graph.nodes().push_back(std::move(node));
    if (product) graph.nodes().push_back(std::move(*product));
  }
  if (!notes.empty()) verify(graph);
  return notes;
}

}  // namespace

std::vector<LayerNote> even_out_channels(Graph& graph, bool products, const QuantizeOptions& options) {
  const ChannelClasses classes(graph, products);
  const std::vector<ValueId> values = classes.free_values();
  if (values.empty()) return {};
  return divide(graph, classes, products,
                choose_even_factors(graph, classes, observe_channels(graph, values, options)));
}

void even_out_channels(Graph& graph, bool products, const EvenFactors& known) {
  const ChannelClasses classes(graph, products);
  std::map<int32_t, float> factors;
  std::map<std::string_view, ValueId> made;
  for (const Node& node : graph.nodes()) made[node.name] = node.outputs[0];
  for (const auto& [layer, own] : known) {
    const auto found = made.find(layer);
    if (found == made.end()) throw InputError("even_channels: the model has no layer \"{}\"", layer);
    const std::vector<int32_t> channels = classes.of(found->second);
    if (own.size() != channels.size())
      throw InputError("even_channels: {} factors for the {} channels of \"{}\"", own.size(), channels.size(),
                       layer);
    for (size_t c = 0; c < own.size(); ++c) {
      const bool divides = own[c] > 0 && std::isfinite(own[c]) && std::isfinite(1 / own[c]);
      const bool fits = channels[c] != 0 ? divides : own[c] == 1;
      if (!fits || factors.try_emplace(channels[c], own[c]).first->second != own[c])
        throw InputError("even_channels: channel {} of \"{}\" cannot be divided by {}", c, layer, own[c]);
    }
  }
  divide(graph, classes, products, factors);
}

EvenFactors even_factors(const Graph& graph) {
  EvenFactors factors;
  for (const Node& node : graph.nodes())
    for (const auto& [key, value] : node.attributes)
      if (const auto* own = std::get_if<std::vector<float>>(&value); own && key == "even_channels")
        factors[node.name] = *own;
  return factors;
}

int fold_idle_products(Graph& graph) {
  const UseMap uses(graph);
  const std::vector<std::vector<int>> users = graph.users();
  std::vector<bool> gone(graph.nodes().size());
  for (size_t n = 0; n < gone.size(); ++n) {
    const Node& product = graph.nodes()[n];
    if (product.schema->name != "Mul" || !is_float_activation(graph, product.inputs[0])) continue;
    const ValueId x = product.inputs[0], y = product.outputs[0];
    if (users[static_cast<size_t>(y)].empty() || uses.is_output(y)) continue;
    const Tensor by = channel_constant(graph, product.inputs[1], graph.value(x).type.shape);
    if (by.empty()) continue;
    const std::vector<float> factors(by.span<float>().begin(), by.span<float>().end());
    const std::vector<int>& readers = users[static_cast<size_t>(y)];
    const auto reader = [&](int position) -> Node& { return graph.nodes()[static_cast<size_t>(position)]; };
    if (!std::all_of(readers.begin(), readers.end(), [&](int position) {
          const Node& node = reader(position);
          return node.inputs[0] == y && multiplies_input(graph, uses, node) && !has_static_codes(node);
        }))
      continue;
    for (const int position : readers) {
      multiply_read_channels(graph, reader(position), factors);
      reader(position).inputs[0] = x;
    }
    gone[n] = true;
  }
  graph.remove_nodes(gone);
  return static_cast<int>(std::count(gone.begin(), gone.end(), true));
}

}  // namespace halftone
