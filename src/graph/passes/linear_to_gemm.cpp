#include <algorithm>
#include <cstring>
#include <map>

#include "core/short_floats.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// A constant matrix of f32, f16 or bf16, turned when it is asked for.
class TurnedSource : public ConstantSource {
 public:
  explicit TurnedSource(Constant original) : original_(std::move(original)) {}

  Tensor load() const override {
    const Tensor from = original_.load();
    Tensor to = Tensor::allocate(from.dtype(), {from.shape()[1], from.shape()[0]});
    if (dtype_bytes(from.dtype()) == 2)
      turn<2>(from, to);
    else
      turn<4>(from, to);
    return to;
  }
  std::optional<std::string> told_by() const override { return original_.told_by(); }

 private:
  template <int64_t kBytes>
  static void turn(const Tensor& from, Tensor& to) {
    const int64_t rows = from.shape()[0], columns = from.shape()[1];
    const std::byte* source = from.view().data;
    std::byte* target = to.mutable_view().data;
    constexpr int64_t kBlock = 32;
    for (int64_t r = 0; r < rows; r += kBlock)
      for (int64_t c = 0; c < columns; c += kBlock)
        for (int64_t i = r; i < std::min(r + kBlock, rows); ++i)
          for (int64_t j = c; j < std::min(c + kBlock, columns); ++j)
            std::memcpy(target + (j * rows + i) * kBytes, source + (i * columns + j) * kBytes, kBytes);
  }

  Constant original_;
};

/// Codes [in, out] with a scale for each output or for all, as [out, in].
std::shared_ptr<const QuantizedTensor> turned_codes(const QuantizedTensor& from, const std::string& name) {
  QuantizedTensor::Parts parts;
  parts.encoding = from.encoding();
  if (parts.encoding.granularity.kind == Granularity::Kind::per_axis)
    parts.encoding.granularity = Granularity::per_axis(0);
  const auto rows = static_cast<size_t>(from.rows()), columns = static_cast<size_t>(from.columns());
  parts.shape = {from.columns(), from.rows()};
  std::vector<uint8_t> turned(rows * columns), row(columns);
  for (size_t r = 0; r < rows; ++r) {
    from.row_codes(static_cast<int64_t>(r), row);
    for (size_t c = 0; c < columns; ++c) turned[c * rows + r] = row[c];
  }
  const int bits = parts.encoding.format->bits();
  const size_t bytes = (rows * static_cast<size_t>(bits) + 7) / 8;
  parts.codes = Tensor::allocate(DType::u8, {from.columns(), static_cast<int64_t>(bytes)});
  const auto to = parts.codes.mutable_view().bytes();
  for (size_t c = 0; c < columns; ++c)
    pack_bits({turned.data() + c * rows, rows}, bits, to.subspan(c * bytes, bytes));
  const Shape grid{from.grid().groups, 1};
  parts.scales = from.parts().scales.reshaped(grid);
  if (!from.parts().zeros.empty()) parts.zeros = from.parts().zeros.reshaped(grid);
  if (!from.parts().minima.empty()) parts.minima = from.parts().minima.reshaped(grid);
  parts.codebook = from.parts().codebook;
  return std::make_shared<QuantizedTensor>(std::move(parts), name);
}

/// Whether a MatMul has weights in codes that can be turned: a scale for each output or for all.
bool has_codes(const Graph& graph, const Node& node) {
  const auto& constant = graph.value(node.inputs[1]).constant;
  if (!constant || !constant->encoding() || constant->shape().rank() != 2) return false;
  const Granularity& granularity = constant->encoding()->granularity;
  return constant->encoding()->double_quant_block == 0 &&
         (granularity == Granularity::per_axis(1) || granularity == Granularity::per_tensor());
}

/// A linear layer's weights [in, out].
bool is_weight(const Graph& graph, ValueId value) {
  const auto& constant = graph.value(value).constant;
  return constant && !constant->encoding() && is_f32_or_short(constant->dtype()) &&
         constant->shape().rank() == 2 && constant->shape().elements() > 0;
}

/// The constant of weights [in, out] as [out, in].
Constant turned_weights(const Value& weights) {
  const Constant& constant = *weights.constant;
  if (constant.encoding()) return Constant(turned_codes(*constant.load_encoded(weights.name), weights.name));
  const Shape& shape = weights.type.shape;
  return Constant(constant.dtype(), {shape[1], shape[0]}, std::make_shared<TurnedSource>(constant));
}

/// A bias [n] (leading ones may stand before it).
bool is_bias(const Graph& graph, ValueId value, int64_t n) {
  const auto& constant = graph.value(value).constant;
  return constant && !constant->encoding() && is_f32_or_short(constant->dtype()) &&
         constant->shape().rank() >= 1 && constant->shape().back() == n &&
         constant->shape().checked_elements() == n;
}

}  // namespace

/// MatMul(x, weights) -> Gemm with the weights turned, as every recipe and kernel of linear layers has them;
/// an Add of a bias behind it becomes its C.
int linear_to_gemm(Graph& graph) {
  const OpSchema* gemm = find_op("Gemm");
  PassConstants constants(graph);
  int changes = 0;
  std::map<ValueId, std::vector<Node*>> products;  // by their weights
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "MatMul" || !node.use_encodings.empty()) continue;
    if (!has_codes(graph, node) && !is_weight(graph, node.inputs[1])) continue;
    const Value& x = graph.value(node.inputs[0]);
    if (x.type.shape.rank() < 2 || !is_f32_or_short(x.type.dtype) || x.constant) continue;
    products[node.inputs[1]].push_back(&node);
  }
  const std::vector<std::vector<int>> users = graph.users();
  const UseMap uses(graph);
  for (auto& [weights, nodes] : products) {
    // Weights that nobody else reads keep their name.
    const bool others = users[static_cast<size_t>(weights)].size() != nodes.size() || uses.is_output(weights);
    Constant turned = turned_weights(graph.value(weights));
    ValueId id = weights;
    if (others) {
      id = constants.add(graph.value(weights).name + ".turned", std::move(turned));
    } else {
      graph.value(id).type.shape = turned.shape();
      graph.value(id).constant = std::move(turned);
    }
    for (Node* node : nodes) {
      node->schema = gemm;
      node->inputs[1] = id;
      node->attributes = {{"transB", int64_t{1}}};
      ++changes;
    }
  }

  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < gone.size(); ++n) {
    const Node& add = graph.nodes()[n];
    if (add.schema->name != "Add" || !add.use_encodings.empty()) continue;
    for (size_t side : {size_t{0}, size_t{1}}) {
      const ValueId product = add.inputs[side], other = add.inputs[1 - side];
      const Node* layer = uses.made_by(product, "Gemm");
      if (!layer || layer->inputs.size() > 2 || layer->attributes.has("activation") ||
          !uses.only_feeds_one(product) || !(graph.value(product).type == graph.value(add.outputs[0]).type) ||
          !is_bias(graph, other, graph.value(product).type.shape.back()))
        continue;
      ValueId bias = other;
      if (graph.value(other).type.shape.rank() > 2)
        bias = constants.add(
            graph.value(other).name + ".row",
            Constant(graph.value(other).constant->load().reshaped({graph.value(other).type.shape.back()})));
      Node& fused = graph.nodes()[static_cast<size_t>(uses.maker(product))];
      fused.inputs.push_back(bias);
      fused.outputs[0] = add.outputs[0];
      gone[n] = true;
      ++changes;
      break;
    }
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
