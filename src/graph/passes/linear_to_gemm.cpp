#include <algorithm>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

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
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "MatMul" || !node.use_encodings.empty() || !is_weight(graph, node.inputs[1]))
      continue;
    const ValueType& x = graph.value(node.inputs[0]).type;
    if (x.shape.rank() < 2 || x.dtype != DType::f32 || graph.value(node.inputs[0]).constant) continue;
    const Shape shape = graph.value(node.inputs[1]).type.shape;
    const std::string name = graph.value(node.inputs[1]).name + ".turned";
    auto source = std::make_shared<TurnedSource>(*graph.value(node.inputs[1]).constant);
    const ValueId turned = add_pass_constant(graph, name, Constant(DType::f32, {shape[1], shape[0]}, source));
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
