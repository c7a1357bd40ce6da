#include <algorithm>

#include "graph/passes/pass.h"
#include "graph/passes/quantized_nodes.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// A constant matrix, turned when it is asked for.
class TurnedSource : public ConstantSource {
 public:
  explicit TurnedSource(Constant original) : original_(std::move(original)) {}

  Tensor load() const override {
    const Tensor from = to_f32(original_.load());
    const int64_t rows = from.shape()[0], columns = from.shape()[1];
    Tensor to = Tensor::allocate(DType::f32, {columns, rows});
    const float* source = from.span<float>().data();
    float* target = to.mutable_view().span<float>().data();
    constexpr int64_t kBlock = 32;
    for (int64_t r = 0; r < rows; r += kBlock)
      for (int64_t c = 0; c < columns; c += kBlock)
        for (int64_t i = r; i < std::min(r + kBlock, rows); ++i)
          for (int64_t j = c; j < std::min(c + kBlock, columns); ++j)
            target[j * rows + i] = source[i * columns + j];
    return to;
  }

 private:
  Constant original_;
};

/// Codes [in, out] with a scale for each output or for all, as [out, in].
std::shared_ptr<const QuantizedTensor> turned_codes(const QuantizedTensor& from, const std::string& name) {
  QuantizedTensor::Parts parts;
  parts.encoding = from.encoding();
  if (parts.encoding.granularity.kind == Granularity::Kind::per_axis)
    parts.encoding.granularity = Granularity::per_axis(0);
  parts.shape = {from.columns(), from.rows()};
  parts.codes = Tensor::allocate(DType::u8, parts.shape);
  const auto to = parts.codes.mutable_view().span<uint8_t>();
  std::vector<uint8_t> row(static_cast<size_t>(from.columns()));
  for (int64_t r = 0; r < from.rows(); ++r) {
    from.row_codes(r, row);
    for (size_t c = 0; c < row.size(); ++c)
      to[c * static_cast<size_t>(from.rows()) + static_cast<size_t>(r)] = row[c];
  }
  parts.scales = from.parts().scales.reshaped({from.grid().groups, 1});
  return std::make_shared<QuantizedTensor>(std::move(parts), name);
}

/// Whether a MatMul has weights that encode_weights() made: int8, a scale for each output or for all.
bool has_codes(const Graph& graph, const UseMap& uses, const Node& node) {
  const auto& constant = graph.value(node.inputs[1]).constant;
  if (!constant || !constant->encoding() || constant->shape().rank() != 2) return false;
  const Encoding& encoding = *constant->encoding();
  const Granularity& granularity = encoding.granularity;
  return encoding.format->name() == "int8" && encoding.symmetric && encoding.double_quant_block == 0 &&
         (granularity == Granularity::per_axis(1) || granularity == Granularity::per_tensor()) &&
         source_codes(graph, uses, node.inputs[0]).has_value();
}

/// A linear layer's weights [in, out].
bool is_weight(const Graph& graph, ValueId value) {
  const auto& constant = graph.value(value).constant;
  return constant && !constant->encoding() && constant->dtype() == DType::f32 &&
         constant->shape().rank() == 2 && constant->shape().elements() > 0;
}

/// A bias [n] (leading ones may stand before it).
bool is_bias(const Graph& graph, ValueId value, int64_t n) {
  const auto& constant = graph.value(value).constant;
  return constant && !constant->encoding() && constant->dtype() == DType::f32 &&
         constant->shape().rank() >= 1 && constant->shape().back() == n &&
         constant->shape().checked_elements() == n;
}

}  // namespace

/// MatMul(x, weights) -> Gemm with the weights turned, as every recipe and kernel of linear layers has them;
/// an Add of a bias behind it becomes its C.
int linear_to_gemm(Graph& graph) {
  const OpSchema* gemm = find_op("Gemm");
  int changes = 0;
  const UseMap before(graph);
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "MatMul" || !node.use_encodings.empty()) continue;
    const bool codes = has_codes(graph, before, node);
    if (!codes && !is_weight(graph, node.inputs[1])) continue;
    const ValueType& x = graph.value(node.inputs[0]).type;
    if (x.shape.rank() < 2 || x.dtype != DType::f32 || graph.value(node.inputs[0]).constant) continue;
    const Shape shape = graph.value(node.inputs[1]).type.shape;
    const std::string name = graph.value(node.inputs[1]).name + ".turned";
    const Constant& weights = *graph.value(node.inputs[1]).constant;
    const ValueId turned = add_pass_constant(
        graph, name,
        codes ? Constant(turned_codes(*weights.load_encoded(name), name))
              : Constant(DType::f32, {shape[1], shape[0]}, std::make_shared<TurnedSource>(weights)));
    node.schema = gemm;
    node.inputs[1] = turned;
    node.attributes = {{"transB", int64_t{1}}};
    ++changes;
  }

  const UseMap uses(graph);
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
        bias = add_pass_constant(
            graph, graph.value(other).name + ".row",
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
