#include "graph/passes/fuse_gains.h"

#include <utility>

#include "graph/passes/pattern.h"
#include "ops/conv/conv_integer.h"

namespace halftone {
namespace {

class GainFusion {
 public:
  explicit GainFusion(Graph& graph) : graph_(graph), uses_(graph), users_(graph.users()), constants_(graph) {}

  int run() {
    std::vector<bool> gone(graph_.nodes().size(), false);
    int changes = 0;
    for (size_t n = 0; n < gone.size(); ++n) {
      const Node& product = graph_.nodes()[n];
      if (product.schema->name != "Mul") continue;
      const int stored = finest_codes(product.outputs[0]);
      if (stored < 0) continue;
      const ValueId codes = node(stored).outputs[0];
      const auto fuses = [&](size_t side) {
        const Node* conv = only_maker(product.inputs[side], "Conv");
        return conv && fuse(*conv, product.inputs[1 - side], codes);
      };
      if (!fuses(0) && !fuses(1)) continue;
      gone[static_cast<size_t>(stored)] = true;
      gone[n] = !convert_from(codes, static_cast<int>(n));
      ++changes;
    }
    graph_.remove_nodes(gone);
    return changes;
  }

 private:
  Node& node(int position) { return graph_.nodes()[static_cast<size_t>(position)]; }

  /// The Identity that stores a value of floats as the finest codes, or -1.
  int finest_codes(ValueId floats) {
    int finest = -1;
    for (const int reader : users_[static_cast<size_t>(floats)]) {
      const auto& codes = graph_.value(node(reader).outputs[0]).storage.codes;
      if (node(reader).schema->name != "Identity" || !codes) continue;
      if (finest < 0 || codes->scale < graph_.value(node(finest).outputs[0]).storage.codes->scale)
        finest = reader;
    }
    return finest;
  }

  /// Whoever stores what node `product` makes as other codes converts `codes`; whoever reads the floats gets
  /// them decoded, by the node itself. False where nobody does.
  bool convert_from(ValueId codes, int product) {
    const ValueId floats = node(product).outputs[0];
    bool read = uses_.is_output(floats);
    for (const int reader : users_[static_cast<size_t>(floats)]) {
      const ValueId y = node(reader).outputs[0];
      if (y == codes) continue;
      if (node(reader).schema->name == "Identity" && graph_.value(y).storage.codes)
        node(reader).inputs[0] = codes;
      else
        read = true;
    }
    if (read) node(product) = {find_op("Identity"), node(product).name, {codes}, {floats}, {}, {}};
    return read;
  }

  /// The node that makes a plain value in floats which feeds one node alone, if it is that operator.
  const Node* only_maker(ValueId value, std::string_view op) const {
    const Node* node = uses_.made_by(value, op);
    return node && uses_.only_feeds_one(value) && !graph_.value(value).storage.codes ? node : nullptr;
  }

  bool fuse(const Node& conv, ValueId factors, ValueId output) {
    const ValueId floats = conv.outputs[0];
    const Value& sum = graph_.value(floats);
    const Value& codes = graph_.value(output);
    if (!(codes.type == sum.type) || codes.storage.order != sum.storage.order ||
        conv.inputs.size() > kConvGains)
      return false;
    const Tensor gains = channel_constant(graph_, factors, sum.type.shape);
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
    const auto maker = static_cast<size_t>(uses_.maker(floats));
    fused.inputs[kConvGains] = constants_.add(fused.name + "/gains", constant);
    graph_.nodes()[maker] = std::move(fused);
    std::swap(graph_.value(floats).name, graph_.value(output).name);
    return true;
  }

  Graph& graph_;
  const UseMap uses_;
  const std::vector<std::vector<int>> users_;
  PassConstants constants_;
};

}  // namespace

int fuse_gains(Graph& graph) {
  return GainFusion(graph).run();
}

}  // namespace halftone
