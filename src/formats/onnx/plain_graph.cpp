#include "formats/onnx/plain_graph.h"

#include <cmath>

#include "base/error.h"
#include "ops/attention/attention.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

/// x sigmoid(alpha x).
ValueId swish(PlainGraph& to, const std::string& name, ValueId x, float alpha = 1) {
  ValueId inside = x;
  if (alpha != 1) inside = to.node("Mul", name + "/scaled", {x, to.number(name + "/alpha", alpha)});
  const ValueId sigmoid = to.node("Sigmoid", name + "/sigmoid", {inside});
  return to.node("Mul", name, {x, sigmoid});
}

ValueId gelu(PlainGraph& to, const std::string& name, ValueId x, bool by_tanh) {
  return to.node("Gelu", name, {x}, {{"approximate", std::string(by_tanh ? "tanh" : "none")}});
}

ValueId gated_activation(PlainGraph& to, const OpSite& site, const std::vector<ValueId>& inputs) {
  const std::string name(site.name), kind = site.attributes->get_string("activation", "");
  const ValueId gate = kind == "silu" ? swish(to, name + "/gate", inputs[0])
                                      : gelu(to, name + "/gate", inputs[0], kind == "gelu_tanh");
  return to.node("Mul", name, {gate, inputs[1]});
}

/// [batch, length, heads * dim] -> [batch, heads, length, dim].
ValueId part_heads(PlainGraph& to, const std::string& name, ValueId x, int64_t heads) {
  const ValueId shape = to.integers(name + "/parts", {0, 0, heads, -1});
  const ValueId parted = to.node("Reshape", name + "/parted", {x, shape});
  return to.node("Transpose", name + "/heads", {parted}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
}

ValueId attention(PlainGraph& to, const OpSite& site, const std::vector<ValueId>& inputs) {
  const std::string name(site.name);
  const Attributes& attributes = *site.attributes;
  const HeadsExtent q = heads_extent(site, 0, "q_num_heads"), k = heads_extent(site, 1, "kv_num_heads");
  if (q.heads != k.heads || site.input_shape(0).rank() < 3 || inputs.size() > 4 || site.outputs.size() > 1 ||
      attributes.get_int("is_causal", 0) != 0 || attributes.get_int("window", 0) != 0 ||
      attributes.get_float("softcap", 0) != 0)
    throw UnsupportedError(
        "{} (Attention): written in other operators only without causal mask, cap, caches and shared heads",
        name);
  const std::string parts[] = {name + "/q", name + "/k", name + "/v"};
  ValueId heads[3];
  for (size_t i = 0; i < 3; ++i)
    heads[i] = q.packed ? part_heads(to, parts[i], inputs[i], q.heads) : inputs[i];
  const ValueId turned =
      to.node("Transpose", name + "/k/turned", {heads[1]}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  const ValueId product = to.node("MatMul", name + "/product", {heads[0], turned});
  const float scale = attributes.get_float("scale", 1 / std::sqrt(static_cast<float>(q.dim)));
  ValueId scores = to.node("Mul", name + "/scores", {product, to.number(name + "/scale", scale)});
  if (site.has_input(3)) {
    if (to.type(inputs[3]).dtype == DType::boolean)
      throw UnsupportedError("{} (Attention): a boolean mask has no spelling in other operators", name);
    scores = to.node("Add", name + "/masked", {scores, inputs[3]});
  }
  const ValueId weights = to.node("Softmax", name + "/weights", {scores}, {{"axis", int64_t{-1}}});
  if (!q.packed) return to.node("MatMul", name, {weights, heads[2]});
  const ValueId context = to.node("MatMul", name + "/context", {weights, heads[2]});
  const ValueId rows =
      to.node("Transpose", name + "/rows", {context}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  return to.node(
      "Reshape", name,
      {rows, to.integers(name + "/shape", {0, 0, q.heads * heads_extent(site, 2, "kv_num_heads").dim})});
}

/// Rows of more dimensions than two: MatMul and Add.
ValueId wide_gemm(PlainGraph& to, const OpSite& site, const std::vector<ValueId>& inputs) {
  const std::string name(site.name);
  const Attributes& attributes = *site.attributes;
  if (attributes.get_float("alpha", 1) != 1 || attributes.get_float("beta", 1) != 1)
    throw UnsupportedError("{} (Gemm): over {} dimensions, with alpha or beta", name,
                           site.input_shape(0).rank());
  const bool turn = attributes.get_int("transB", 0) != 0, bias = site.has_input(2);
  const ValueId b =
      turn ? to.node("Transpose", name + "/turned", {inputs[1]}, {{"perm", std::vector<int64_t>{1, 0}}})
           : inputs[1];
  const ValueId product = to.node("MatMul", bias ? name + "/product" : name, {inputs[0], b});
  return bias ? to.node("Add", name, {product, inputs[2]}) : product;
}

}  // namespace

std::string PlainGraph::unique(const std::string& name) {
  std::string made = name;
  for (int n = 1; !names_.insert(made).second; ++n) made = fmt::format("{}_{}", name, n);
  return made;
}

ValueId PlainGraph::node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                         Attributes attributes) {
  return graph.add_node(*find_op(op), unique(name), std::move(inputs), std::move(attributes)).front();
}

std::vector<ValueId> PlainGraph::nodes(const OpSchema& schema, const std::string& name,
                                       std::vector<ValueId> inputs, Attributes attributes, size_t outputs) {
  const std::vector<ValueId> made =
      graph.add_node(schema, unique(name), std::move(inputs), std::move(attributes), outputs);
  for (size_t i = 1; i < made.size(); ++i) graph.value(made[i]).name = unique(graph.value(made[i]).name);
  return made;
}

ValueId PlainGraph::constant(const std::string& name, const Tensor& tensor) {
  return graph.add_constant(unique(name), Constant(tensor));
}
ValueId PlainGraph::number(const std::string& name, float value) {
  return constant(name, Tensor::from<float>({}, {value}));
}
ValueId PlainGraph::integers(const std::string& name, const std::vector<int64_t>& values) {
  return constant(name, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ValueId spell_activation(PlainGraph& to, const std::string& name, const FusedActivation& activation,
                         ValueId x) {
  switch (activation.kind) {
    case Kind::none:
      return x;
    case Kind::relu:
      return to.node("Relu", name, {x});
    case Kind::clip: {
      const auto bound = [&](const char* which, float value) {
        return std::isfinite(value) ? to.number(name + which, value) : kNoValue;
      };
      return to.node("Clip", name, {x, bound("/min", activation.a), bound("/max", activation.b)});
    }
    case Kind::leaky_relu:
      return to.node("LeakyRelu", name, {x}, {{"alpha", activation.a}});
    case Kind::sigmoid:
      return to.node("Sigmoid", name, {x});
    case Kind::silu:
      return swish(to, name, x);
    case Kind::hard_sigmoid:
      return to.node("HardSigmoid", name, {x}, {{"alpha", activation.a}, {"beta", activation.b}});
    case Kind::hard_swish:
      return to.node("HardSwish", name, {x});
    case Kind::tanh:
      return to.node("Tanh", name, {x});
    case Kind::gelu:
    case Kind::gelu_tanh:
      return gelu(to, name, x, activation.kind == Kind::gelu_tanh);
  }
  return x;
}

ValueId spell_out(PlainGraph& to, const OpSite& site, const std::vector<ValueId>& inputs) {
  const std::string_view op = site.schema->name;
  if (op == "Swish")
    return swish(to, std::string(site.name), inputs[0], site.attributes->get_float("alpha", 1));
  if (op == "GatedActivation") return gated_activation(to, site, inputs);
  if (op == "Attention") return attention(to, site, inputs);
  if (op == "Gemm" && site.input_shape(0).rank() > 2) return wide_gemm(to, site, inputs);
  if (!site.schema->domain.empty())
    throw UnsupportedError("{}: {} is an operator of Halftone's own, which ONNX has not", site.name, op);
  return kNoValue;
}

}  // namespace halftone
