#include "graph/passes/fuse_gains.h"

#include "graph/passes/pattern.h"
#include "ops/conv/conv_integer.h"

namespace halftone {
namespace {

/// The constant as gains of `type`'s channels, or an empty tensor.
Tensor channel_factors(const Graph& graph, ValueId constant, const ValueType& type) {
  const Tensor factors = float_constant(graph, constant);
  const int missing = type.shape.rank() - factors.shape().rank();
  if (factors.empty() || type.shape.rank() < 2 || missing < 0) return {};
  const int64_t channels = type.shape[1];
  if (factors.shape().elements() != channels) return {};
  if (channels > 1 && (missing > 1 || factors.shape()[1 - missing] != channels)) return {};
  return Tensor::from<float>({channels}, factors.span<float>());
}

class GainFusion {
 public:
  explicit GainFusion(Graph& graph) : graph_(graph), uses_(graph), constants_(graph) {}

  int run() {
    const size_t count = graph_.nodes().size();
    std::vector<bool> gone(count, false);
    int changes = 0;
    for (size_t n = 0; n < count; ++n) {
      const Node& stored = graph_.nodes()[n];
      if (stored.schema->name != "Identity" || !stored.use_encodings.empty()) continue;
      const Node* mul = only_maker(stored.inputs[0], "Mul");
      for (size_t side = 0; mul && side < 2; ++side) {
        const Node* conv = only_maker(mul->inputs[side], "Conv");
        if (!conv || !fuse(*conv, mul->inputs[1 - side], stored.outputs[0])) continue;
        gone[n] = gone[static_cast<size_t>(uses_.maker(stored.inputs[0]))] = true;
        ++changes;
        break;
      }
    }
    graph_.remove_nodes(gone);
    return changes;
  }

 private:
  /// The node that makes a plain value in floats which feeds one node alone, if it is that operator.
  const Node* only_maker(ValueId value, std::string_view op) const {
    const Node* node = uses_.made_by(value, op);
    return node && uses_.only_feeds_one(value) && !graph_.value(value).storage.codes ? node : nullptr;
  }

  bool fuse(const Node& conv, ValueId factors, ValueId output) {
    const Value& sum = graph_.value(conv.outputs[0]);
    const Value& codes = graph_.value(output);
    if (!(codes.type == sum.type) || codes.storage.order != sum.storage.order ||
        conv.inputs.size() > kConvGains)
      return false;
    const Tensor gains = channel_factors(graph_, factors, sum.type);
    if (gains.empty()) return false;
    Node fused = conv;
    fused.inputs.resize(kConvGains + 1, kNoValue);
    fused.outputs = {output};
    const Constant constant(gains);
    OpSite site = graph_.site(conv);
    site.inputs.resize(kConvGains + 1);
    site.inputs[kConvGains] = {true, {DType::f32, gains.shape()}, &constant};
    site.output_storage = {codes.storage};
    if (!integer_conv_refusal(site).empty()) return false;
    const auto maker = static_cast<size_t>(uses_.maker(conv.outputs[0]));
    fused.inputs[kConvGains] = constants_.add(fused.name + "/gains", constant);
    graph_.nodes()[maker] = std::move(fused);
    return true;
  }

  Graph& graph_;
  const UseMap uses_;
  PassConstants constants_;
};

}  // namespace

int fuse_gains(Graph& graph) {
  return GainFusion(graph).run();
}

}  // namespace halftone
