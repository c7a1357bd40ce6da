#include <algorithm>

#include "graph/passes/pass.h"
#include "graph/passes/quantized_nodes.h"
#include "ops/code_sum.h"
#include "ops/conv/conv_integer.h"

namespace halftone {
namespace {

/// A DequantizeLinear whose codes a QuantizeLinear of one scale makes, and which feeds one node.
struct Reread {
  int position;
  const Node* quantize;
  CodeScale codes;
};

class Settling {
 public:
  explicit Settling(Graph& graph) : graph_(graph), uses_(graph) {}

  int run() {
    int changes = 0;
    for (Node& node : graph_.nodes())
      if (node.schema->name == "Add")
        changes += settle_sum(node) || settle_residual(node, 0) || settle_residual(node, 1);
    return changes;
  }

 private:
  std::optional<Reread> reread(ValueId value) const {
    const Node* node = uses_.made_by(value, "DequantizeLinear");
    const Node* quantize = node ? uses_.made_by(node->inputs[0], "QuantizeLinear") : nullptr;
    const auto codes = quantize ? linear_codes(graph_, *quantize) : std::nullopt;
    if (!codes || !uses_.only_feeds_one(value)) return std::nullopt;
    return Reread{uses_.maker(value), quantize, *codes};
  }

  bool has_scales(const Reread& reread, const std::vector<float>& wanted) const {
    const Tensor scales =
        float_constant(graph_, graph_.nodes()[static_cast<size_t>(reread.position)].inputs[1]);
    return !scales.empty() && std::ranges::equal(scales.span<float>(), wanted);
  }

  /// Gives it the scale of its QuantizeLinear.
  void settle(const Reread& reread) {
    Node& node = graph_.nodes()[static_cast<size_t>(reread.position)];
    std::vector<ValueId> inputs = reread.quantize->inputs;
    inputs[0] = node.inputs[0];
    node.inputs = std::move(inputs);
    node.attributes = {};
  }

  /// Add(Add(a, b), half of the last bit).
  bool settle_sum(Node& node) {
    const auto half = scalar_constant(graph_, node.inputs[1]);
    const Node* terms = half ? uses_.made_by(node.inputs[0], "Add") : nullptr;
    if (!terms || !uses_.only_feeds_one(node.inputs[0]) || !uses_.only_feeds_one(node.outputs[0]))
      return false;
    const auto a = reread(terms->inputs[0]), b = reread(terms->inputs[1]);
    const auto out = made_from(node.outputs[0]);
    if (!a || !b || !out) return false;
    const CodeSum sum(a->codes, b->codes, *out);
    if (*half != sum.stands_for(0.5, *out) || !has_scales(*a, {sum.stands_for(sum.a, *out)}) ||
        !has_scales(*b, {sum.stands_for(sum.b, *out)}))
      return false;
    node.inputs = terms->inputs;
    settle(*a);
    settle(*b);
    return true;
  }

  /// The codes that the one reader of `value` makes of it.
  std::optional<CodeScale> made_from(ValueId value) const {
    const Node* node = uses_.read_by(value);
    if (!node || node->schema->name != "QuantizeLinear" || node->inputs[0] != value) return std::nullopt;
    return linear_codes(graph_, *node);
  }

  /// Add(Conv, r).
  bool settle_residual(Node& node, size_t side) {
    const Node* conv = uses_.made_by(node.inputs[1 - side], "Conv");
    const auto residual = reread(node.inputs[side]);
    if (!conv || !residual || conv->inputs.size() > 3) return false;
    const Value& weights = graph_.value(conv->inputs[1]);
    OpSite site = graph_.site(*conv);
    site.inputs.resize(4);
    site.inputs[0].storage.codes = source_codes(graph_, uses_, conv->inputs[0]);
    site.inputs[3].present = true;
    site.inputs[3].storage.codes = residual->codes;
    if (!integer_conv_refusal(site).empty() ||
        !has_scales(*residual, residual_scales(site, *weights.constant->load_encoded(weights.name))))
      return false;
    settle(*residual);
    return true;
  }

  Graph& graph_;
  const UseMap uses_;
};

}  // namespace

/// The scales under which an exported model reads the terms of its integer sums (formats/onnx/onnx_export.h),
/// which are what their integer factors stand for -> the scales from which these factors follow.
int settle_scales(Graph& graph) {
  return Settling(graph).run();
}

}  // namespace halftone
