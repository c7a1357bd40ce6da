#include "formats/onnx/onnx_export.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/error.h"
#include "formats/onnx/exported_weights.h"
#include "formats/onnx/plain_graph.h"
#include "graph/static_codes.h"
#include "ops/code_sum.h"
#include "ops/conv/conv_integer.h"
#include "ops/integer_meaning.h"
#include "ops/requantizer.h"

namespace halftone {
namespace {

using Codes = std::optional<CodeScale>;

/// Attributes that say how Halftone computes a node, not what.
constexpr std::array<std::string_view, 11> kOurs = {
    "activation",        "activation_a",   "activation_b", "codes_in",          "even_channels", "codes_out",
    "outlier_threshold", "requantization", "window",       "softmax_precision", "known_dims"};

Attributes onnx_attributes(const Node& node) {
  Attributes kept;
  for (const auto& [name, value] : node.attributes)
    if (std::find(kOurs.begin(), kOurs.end(), name) == kOurs.end()) kept.set(name, value);
  return kept;
}

bool is_layer(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  return (op == "Conv" || op == "Gemm" || op == "MatMul") && graph.value(node.inputs[1]).constant;
}

class Exporter {
 public:
  Exporter(const Graph& from, const OnnxExportOptions& options) : from_(from), options_(options) {}

  OnnxExport run() {
    to_.graph.name = from_.name;
    for (const Symbol& symbol : from_.symbols()) to_.graph.symbol(symbol.name, symbol.min, symbol.max);
    made_.assign(from_.values().size(), kNoValue);
    stored_.resize(from_.values().size());
    for (const Value& value : from_.values()) to_.reserve(value.name);
    for (ValueId input : from_.inputs())
      made(input) = to_.graph.add_input(from_.value(input).name, from_.value(input).type);
    for (const Node& node : from_.nodes()) add(node);
    add_outputs();
    verify(to_.graph);
    result_.graph = std::move(to_.graph);
    return std::move(result_);
  }

 private:
  ValueId& made(ValueId value) { return made_[static_cast<size_t>(value)]; }
  Codes& stored(ValueId value) { return stored_[static_cast<size_t>(value)]; }

  void add(const Node& node) {
    OpSite site = from_.site(node);
    std::vector<Codes> codes(node.inputs.size());
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (options_.pairs && node.inputs[i] != kNoValue && !from_.value(node.inputs[i]).constant)
        site.inputs[i].storage.codes = codes[i] = codes_of_use(node, i);
      inputs.push_back(node.inputs[i] == kNoValue || is_parameter(node, i) ? kNoValue
                                                                           : read(node.inputs[i], codes[i]));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i)
      site.output_storage[i].codes = codes_made(node, i, codes);
    const std::vector<ValueId> outputs = compute(node, site, inputs);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      stored(output) = site.output_storage[i].codes;
      made(output) =
          stored(output) ? pair(outputs[i], *stored(output), from_.value(output).name) : outputs[i];
      take_name(made(output), from_.value(output).name);
    }
  }

  /// As passes/lower_codes.h has it: what the use says; an alias keeps the codes of its input.
  Codes codes_of_use(const Node& node, size_t i) {
    Codes codes = codes_in(node, i);
    if (!codes && node.schema->alias && i == 0) codes = stored(node.inputs[i]);
    return codes;
  }
  Codes codes_made(const Node& node, size_t i, const std::vector<Codes>& inputs) const {
    if (!options_.pairs) return std::nullopt;
    return node.schema->alias && i == 0 ? inputs[0] : codes_out(node, i);
  }

  /// Weights and bias of a layer: how they are written, weighted() decides.
  bool is_parameter(const Node& node, size_t i) const { return (i == 1 || i == 2) && is_layer(from_, node); }

  ValueId read(ValueId value, const Codes& wanted) {
    if (made(value) == kNoValue) made(value) = constant(value);
    if (!wanted || stored(value) == wanted) return made(value);
    for (const auto& [codes, converted] : converted_[value])
      if (codes == *wanted) return converted;
    const ValueId converted = pair(made(value), *wanted, from_.value(value).name + "/codes");
    converted_[value].emplace_back(*wanted, converted);
    return converted;
  }

  ValueId constant(ValueId id) {
    const Value& value = from_.value(id);
    if (!value.constant->encoding()) return to_.graph.add_constant(value.name, *value.constant);
    if (!options_.pairs) return to_.graph.add_constant(value.name, Constant(value.constant->load()));
    return dequantized(to_, value.name, *value.constant->load_encoded(value.name));
  }

  /// x rounded to codes, as numbers.
  ValueId pair(ValueId x, const CodeScale& codes, const std::string& name) {
    if (options_.tensorrt && codes.zero != 128)
      throw UnsupportedError(
          "{}: codes with zero point {}: TensorRT takes symmetric ones; quantize with static_activations: "
          "{{symmetric: "
          "true}}, or with quantize --format onnx-qdq --target tensorrt",
          name, codes.zero);
    ++result_.pairs;
    const ValueId scale = to_.number(name + "/scale", codes.scale);
    const ValueId zero = to_.constant(
        name + "/zero", options_.tensorrt ? Tensor::zeros(DType::i8, {})
                        : codes.wide()    ? Tensor::zeros(DType::i16, {})
                                          : Tensor::from<uint8_t>({}, {static_cast<uint8_t>(codes.zero)}));
    const ValueId stored = to_.node("QuantizeLinear", name + "/quantized", {x, scale, zero});
    const ValueId numbers = to_.node("DequantizeLinear", name + "/dequantized", {stored, scale, zero});
    quantized_[numbers] = stored;
    return numbers;
  }

  /// The codes of what pair() made, read under other scales: one, or one a channel.
  ValueId reread(ValueId numbers, const CodeScale& codes, const std::vector<float>& scales,
                 const std::string& name) {
    const auto count = static_cast<int64_t>(scales.size());
    const Shape shape = count == 1 ? Shape{} : Shape{count};
    const std::vector<uint8_t> zeros(scales.size(), static_cast<uint8_t>(codes.zero));
    Attributes attributes;
    if (count > 1) attributes.set("axis", int64_t{1});
    return to_.node(
        "DequantizeLinear", name,
        {quantized_.at(numbers), to_.constant(name + "/scale", Tensor::from<float>(shape, scales)),
         to_.constant(name + "/zero", Tensor::from<uint8_t>(shape, zeros))},
        attributes);
  }

  std::shared_ptr<const QuantizedTensor> encoded_weights(const Node& node) const {
    const Value& weights = from_.value(node.inputs[1]);
    return weights.constant->load_encoded(weights.name);
  }

  /// Whether the integers of a site are followed to the last bit that the file can say: TensorRT has its own.
  bool follows_integers(const OpSite& site) const {
    return options_.pairs && !options_.tensorrt && integer_meaning(site);
  }

  /// A sum of codes: its factors have 14 bits, so the terms are read under the scales that these stand for;
  /// it rounds halves up, so half of the last bit is added.
  ValueId integer_sum(const OpSite& site, const std::vector<ValueId>& inputs) {
    const CodeScale a = *site.inputs[0].storage.codes, b = *site.inputs[1].storage.codes,
                    out = *site.output_storage[0].codes;
    const CodeSum sum(a, b, out);
    const std::string name(site.name);
    const ValueId terms = to_.node("Add", name + "/terms",
                                   {reread(inputs[0], a, {sum.stands_for(sum.a, out)}, name + "/a"),
                                    reread(inputs[1], b, {sum.stands_for(sum.b, out)}, name + "/b")});
    return to_.node("Add", name, {terms, to_.number(name + "/half", sum.stands_for(0.5, out))});
  }

  std::vector<ValueId> compute(const Node& node, const OpSite& site, std::vector<ValueId>& inputs) {
    if (node.schema->name == "Conv" && site.has_input(kConvGains))
      throw UnsupportedError("{} (Conv): gains are not exported", node.name);
    if (is_layer(from_, node)) return {layer(node, site, inputs)};
    if (node.schema->name == "Add" && follows_integers(site) && !site.any_wide())
      return {integer_sum(site, inputs)};
    if (node.attributes.has("gate_scale")) return {rounded_gate(node, inputs[0])};
    if (const ValueId spelled = spell_out(to_, site, inputs); spelled != kNoValue) return {spelled};
    return to_.nodes(*node.schema, node.name, inputs, onnx_attributes(node), node.outputs.size());
  }

  /// A Swish whose gate is rounded to codes.
  ValueId rounded_gate(const Node& node, ValueId x) {
    const CodeScale codes{node.attributes.get_float("gate_scale", 1),
                          static_cast<uint8_t>(node.attributes.get_int("gate_zero", 0))};
    ValueId gate = to_.node("Sigmoid", node.name + "/sigmoid", {x});
    if (options_.pairs) gate = pair(gate, codes, node.name + "/gate");
    return to_.node("Mul", node.name, {x, gate});
  }

  /// Conv, Gemm or MatMul of constant weights: the sum, the residual, the activation.
  ValueId layer(const Node& node, const OpSite& site, std::vector<ValueId>& inputs) {
    ValueId residual = node.schema->name == "Conv" && site.has_input(3) ? inputs[3] : kNoValue;
    if (node.schema->name == "Conv") inputs.resize(std::min<size_t>(inputs.size(), 3));
    const FusedActivation activation = fused_activation(site);
    const std::string name = node.name;
    const bool last = residual == kNoValue && activation.kind == FusedActivation::Kind::none;
    ValueId sum = weighted(node, site, inputs, last ? name : name + "/sum");
    if (residual != kNoValue && follows_integers(site))
      residual = reread(residual, *site.inputs[3].storage.codes,
                        residual_scales(site, *encoded_weights(node)), name + "/r");
    if (residual != kNoValue) sum = to_.node("Add", name + "/residual", {sum, residual});
    if (const Codes codes = site.storage_of_output(0).codes;
        codes && has_table(activation, requantization(site)) && !options_.tensorrt)
      sum = pair(sum, table_scale(activation, *codes), name + "/inner");
    return spell_activation(to_, name, activation, sum);
  }

  ValueId weighted(const Node& node, const OpSite& site, std::vector<ValueId> inputs,
                   const std::string& name) {
    const Value& weights = from_.value(node.inputs[1]);
    const bool codes = options_.pairs && weights.constant->encoding() && integer_meaning(site);
    (codes                                            ? result_.integers
     : options_.pairs && weights.constant->encoding() ? result_.weights_only
                                                      : result_.floating)
        .push_back(node.name);
    const bool wide = node.schema->name == "Gemm" && site.input_shape(0).rank() > 2;
    if (codes) {
      const ExportedWeights exported =
          export_integer_layer(to_, node, site, *encoded_weights(node), weights.name,
                               {.turned = wide, .floating_bias = options_.tensorrt});
      inputs[1] = exported.weights;
      if (exported.bias != kNoValue) inputs[2] = exported.bias;
    } else {
      for (size_t i = 1; i < std::min<size_t>(inputs.size(), 3); ++i)
        if (site.has_input(i)) inputs[i] = read(node.inputs[i], std::nullopt);
    }
    if (!wide) return to_.nodes(*node.schema, name, inputs, onnx_attributes(node), 1).front();
    if (!codes) return spell_out(to_, site, inputs);
    const bool bias = site.has_input(2);
    const ValueId product = to_.node("MatMul", bias ? name + "/product" : name, {inputs[0], inputs[1]});
    return bias ? to_.node("Add", name, {product, inputs[2]}) : product;
  }

  /// The value that stands for one of the source's has its name.
  void take_name(ValueId value, const std::string& name) { to_.graph.value(value).name = name; }

  void add_outputs() {
    std::map<std::string, ValueId> holders;
    for (size_t id = 0; id < to_.graph.values().size(); ++id)
      holders[to_.graph.values()[id].name] = static_cast<ValueId>(id);
    std::vector<ValueId> taken;
    for (size_t i = 0; i < from_.outputs().size(); ++i) {
      const std::string& name = from_.output_names()[i];
      ValueId value = read(from_.outputs()[i], std::nullopt);
      const auto holder = holders.find(name);
      const bool named = holder != holders.end() && holder->second == value;
      const bool fixed = to_.graph.value(value).constant ||
                         std::count(to_.graph.inputs().begin(), to_.graph.inputs().end(), value) ||
                         std::count(taken.begin(), taken.end(), value);
      if (!named && holder != holders.end())
        throw UnsupportedError("output \"{}\": another value has that name", name);
      if (!named && fixed) {
        if (to_.graph.value(value).name == name) take_name(value, to_.unique(name + "/value"));
        value = to_.node("Identity", name, {value});
      }
      take_name(value, name);
      taken.push_back(value);
      to_.graph.add_output(value, name);
    }
  }

  const Graph& from_;
  const OnnxExportOptions& options_;
  OnnxExport result_;
  PlainGraph to_;
  std::vector<ValueId> made_;  ///< by value of from_: its numbers in to_
  std::vector<Codes> stored_;  ///< by value of from_: the codes that these are rounded to
  std::map<ValueId, std::vector<std::pair<CodeScale, ValueId>>> converted_;
  std::map<ValueId, ValueId> quantized_;  ///< by what pair() returned: its codes
};

}  // namespace

OnnxExport export_onnx(const Graph& graph, const OnnxExportOptions& options) {
  return Exporter(graph, options).run();
}

}  // namespace halftone
