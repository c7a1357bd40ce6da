#include "graph/passes/layout.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "core/short_floats.h"
#include "graph/passes/pattern.h"

namespace halftone {

namespace {

using Order = Storage::Order;

/// How an operator meets orders.
enum class Taste {
  planar,  ///< reads and writes planar
  last,    ///< is fastest channels-last
  same,    ///< whatever, when all of its values have one
  turns,   ///< reads either, writes planar
};

/// Operators that take each element by itself, or whole channels, so that any one order of all values will
/// do.
constexpr std::array<std::string_view, 46> kSame = {"Add",        "Sub",         "Mul",
                                                    "Div",        "Pow",         "Max",
                                                    "Min",        "Sum",         "Mean",
                                                    "PRelu",      "Relu",        "LeakyRelu",
                                                    "Clip",       "Sigmoid",     "Tanh",
                                                    "HardSwish",  "HardSigmoid", "Swish",
                                                    "Gelu",       "Abs",         "Ceil",
                                                    "Celu",       "Cos",         "Elu",
                                                    "Erf",        "Exp",         "Floor",
                                                    "Log",        "Mish",        "Neg",
                                                    "Reciprocal", "Round",       "Selu",
                                                    "Sign",       "Sin",         "Softplus",
                                                    "Softsign",   "Sqrt",        "ThresholdedRelu",
                                                    "Where",      "Not",         "Concat",
                                                    "Split",      "Slice",       "Gather",
                                                    "Resize"};
constexpr std::array<std::string_view, 6> kLast = {"Conv",        "ConvTranspose",     "MaxPool",
                                                   "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether a Reshape joins or parts spatial axes alone, so that the bytes of both orders stay where they are.
bool keeps_channels(const Graph& graph, const Node& node) {
  const Shape& from = graph.value(node.inputs[0]).type.shape;
  const Shape& to = graph.value(node.outputs[0]).type.shape;
  return from.rank() >= 3 && to.rank() >= 3 && from[0] == to[0] && from[1] == to[1] && from[1] >= 0;
}

/// Constants broadcast over channels-last values only as one number for each channel, or for all.
bool broadcasts_last(const Graph& graph, const Node& node) {
  const int rank = graph.value(node.outputs[0]).type.shape.rank();
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
    if (input == kNoValue || !graph.value(input).constant) return true;
    const Shape& shape = graph.value(input).type.shape;
    for (int a = 0; a < shape.rank(); ++a)
      if (shape[a] != 1 && a + rank - shape.rank() != 1) return false;
    return true;
  });
}

/// Activations of an operator of any order have the rank of its output.
bool has_one_rank(const Graph& graph, const Node& node) {
  const int rank = graph.value(node.outputs[0]).type.shape.rank();
  return rank >= 3 && std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
           return input == kNoValue || graph.value(input).constant ||
                  graph.value(input).type.shape.rank() == rank;
         });
}

/// Reductions keep the order with the dimensions; without them the output is planar, and its bytes the same
/// where channels or all places go.
Taste taste_of_reduction(const Graph& graph, const Node& node) {
  const int rank = graph.value(node.inputs[0]).type.shape.rank();
  const ValueId axes = node.inputs.size() > 1 ? node.inputs[1] : kNoValue;
  if (rank < 3 || (axes != kNoValue && !graph.value(axes).constant)) return Taste::planar;
  if (node.attributes.get_int("keepdims", 1) != 0) return Taste::same;
  if (axes == kNoValue) return Taste::turns;
  std::array<bool, Shape::kMaxRank> goes{};
  const Tensor given = graph.value(axes).constant->load();
  if (given.dtype() != DType::i64) return Taste::planar;
  for (int64_t axis : given.span<int64_t>()) goes[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  const bool places_go = std::all_of(goes.begin() + 2, goes.begin() + rank, [](bool gone) { return gone; });
  return goes[1] || places_go ? Taste::turns : Taste::planar;
}

Taste taste_of(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  const ValueId x = node.inputs.empty() ? kNoValue : node.inputs[0];
  if (x == kNoValue || node.outputs.empty()) return Taste::planar;
  const Shape& shape = graph.value(x).type.shape;
  if (op == "Transpose") return shape.rank() >= 3 ? Taste::turns : Taste::planar;
  if (op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze")
    return keeps_channels(graph, node) ? Taste::same : Taste::planar;
  if (contains(kLast, op))
    return shape.rank() >= 3 && shape.rank() <= 4 && is_f32_or_short(graph.value(x).type.dtype) &&
                   node.outputs.size() == 1
               ? Taste::last
               : Taste::planar;
  if (op == "Concat" || op == "Split" || op == "Slice" || op == "Gather" || op == "Resize" || op == "Pad" ||
      op == "DepthToSpace" || op == "SpaceToDepth")
    return has_one_rank(graph, node) ? Taste::same : Taste::planar;
  if (op == "GroupNormalization" || op == "InstanceNormalization" || op == "BatchNormalization")
    return node.outputs.size() == 1 && has_one_rank(graph, node) ? Taste::same : Taste::planar;
  if (op.starts_with("Reduce")) return taste_of_reduction(graph, node);
  if (contains(kSame, op))
    return has_one_rank(graph, node) && broadcasts_last(graph, node) ? Taste::same : Taste::planar;
  return Taste::planar;
}

/// A convolution of few input channels reads a planar image as it is.
bool reads_planar(const Graph& graph, const Node& node) {
  return node.schema->name == "Conv" && node.use_encodings.empty() &&
         node.attributes.get_int("group", 1) == 1 && graph.value(node.inputs[0]).type.shape[1] >= 0 &&
         graph.value(node.inputs[0]).type.shape[1] <= 4;
}

class Layout {
 public:
  explicit Layout(Graph& graph) : graph_(graph) {}

  int run() {
    std::vector<Node> before = std::move(graph_.nodes());
    graph_.nodes().clear();
    for (Node& node : before) place(std::move(node));
    turn_outputs();
    return changes_;
  }

 private:
  Order order(ValueId value) const { return graph_.value(value).storage.order; }
  bool is_activation(ValueId value) const { return value != kNoValue && !graph_.value(value).constant; }

  void place(Node node) {
    const Taste taste = taste_of(graph_, node);
    Order in = Order::planar, out = Order::planar;
    if (taste == Taste::last) in = out = Order::channels_last;
    if (taste == Taste::same && std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
          return is_activation(input) && order(input) == Order::channels_last;
        }))
      in = out = Order::channels_last;
    if (taste == Taste::turns) in = order(node.inputs[0]);
    const bool planar_image =
        taste == Taste::last && order(node.inputs[0]) == Order::planar && reads_planar(graph_, node);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (is_activation(node.inputs[i]) && !(planar_image && i == 0))
        node.inputs[i] = in_order(node.inputs[i], in);
    for (ValueId output : node.outputs) {
      graph_.value(output).storage.order = out;
      changes_ += out == Order::channels_last;
    }
    graph_.nodes().push_back(std::move(node));
  }

  /// The value, or a copy of it in that order, made where it is first asked for.
  ValueId in_order(ValueId value, Order wanted) {
    if (order(value) == wanted || graph_.value(value).type.shape.rank() < 3) return value;
    if (graph_.value(value).type.dtype == DType::state) return value;
    auto [copy, fresh] = copies_.try_emplace(value, kNoValue);
    if (fresh) copy->second = add_copy(value, wanted);
    return copy->second;
  }

  ValueId add_copy(ValueId value, Order wanted) {
    const bool last = wanted == Order::channels_last;
    const std::string name = graph_.value(value).name + (last ? ".channels_last" : ".planar");
    const ValueId copy = graph_.add_value(name, ValueType(graph_.value(value).type));
    graph_.value(copy).storage = graph_.value(value).storage;
    graph_.value(copy).storage.order = wanted;
    graph_.nodes().push_back({find_op("Identity"), name, {value}, {copy}, {}, {}});
    return copy;
  }

  /// Graph outputs are planar: another value takes over what is stored channels-last, the output is its copy.
  void turn_outputs() {
    Replacements inner_of(graph_);
    std::vector<Node> copies;
    for (ValueId output : graph_.outputs()) {
      if (order(output) == Order::planar) continue;
      const std::string name = graph_.value(output).name + ".channels_last";
      const ValueId inner = graph_.add_value(name, ValueType(graph_.value(output).type));
      graph_.value(inner).storage = graph_.value(output).storage;
      graph_.value(output).storage.order = Order::planar;
      inner_of.add(output, inner);
      copies.push_back({find_op("Identity"), graph_.value(output).name, {inner}, {output}, {}, {}});
    }
    inner_of.rename(graph_.nodes());
    std::ranges::move(copies, std::back_inserter(graph_.nodes()));
  }

  Graph& graph_;
  std::map<ValueId, ValueId> copies_;
  int changes_ = 0;
};

}  // namespace

int assign_layout(Graph& graph) {
  return Layout(graph).run();
}

std::span<const Pass> backend_passes(bool channels_last) {
  static constexpr Pass kPasses[] = {{"fuse_gemm_activation", fuse_gemm_activation},
                                     {"assign_layout", assign_layout}};
  return std::span(kPasses).first(channels_last ? 2 : 1);
}

}  // namespace halftone
