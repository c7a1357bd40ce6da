#include "runtime/widen_short_floats.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_set>

#include "core/short_floats.h"
#include "ops/onnx_type.h"
#include "ops/widened_constant.h"

namespace halftone {
namespace {

bool takes(const Backend& backend, const OpSite& site) {
  return std::ranges::any_of(backend.kernels(), [&](const Kernel& kernel) {
    return kernel.op == site.schema->name && cpu_has(kernel.isa) && kernel.refusal(site).empty();
  });
}

bool is_short(const SiteInput& input) {
  return input.present && is_short_float(input.type.dtype) && !input.storage.codes &&
         !(input.constant && input.constant->encoding());
}

class Widening {
 public:
  Widening(Graph& graph, const Backend& backend) : graph_(graph), backend_(backend) {
    for (const Value& value : graph.values()) names_.insert(value.name);
  }

  int run() {
    std::vector<Node> before = std::move(graph_.nodes());
    graph_.nodes().clear();
    for (Node& node : before) place(std::move(node));
    return changes_;
  }

 private:
  /// How a node is to read its inputs.
  enum class How { as_they_are, activations_widened, all_widened };

  void place(Node node) {
    const How how = best(node);
    if (how == How::as_they_are) return graph_.nodes().push_back(std::move(node));
    ++changes_;
    for (size_t i : widened_inputs(node, how)) node.inputs[i] = wide(node.inputs[i]);
    std::vector<Node> casts;
    for (ValueId& output : node.outputs)
      if (is_short_float(graph_.value(output).type.dtype) && !graph_.value(output).storage.codes) {
        const ValueId rounded = output;
        output = add_wide_value(rounded);
        casts.push_back(cast(graph_.value(rounded).name, output, rounded));
      }
    graph_.nodes().push_back(std::move(node));
    std::ranges::move(casts, std::back_inserter(graph_.nodes()));
  }

  std::vector<size_t> widened_inputs(const Node& node, How how) const {
    const OpSite site = graph_.site(node);
    std::vector<size_t> found;
    for (size_t i = 0; i < site.inputs.size(); ++i)
      if (is_short(site.inputs[i]) && (!site.inputs[i].constant || how == How::all_widened))
        found.push_back(i);
    return found;
  }

  How best(const Node& node) const {
    const OpSite site = graph_.site(node);
    const auto is_short_output = [&](size_t i) {
      return is_short_float(site.outputs[i].dtype) && !site.storage_of_output(i).codes;
    };
    bool any = std::ranges::any_of(site.inputs, is_short);
    for (size_t i = 0; i < site.outputs.size(); ++i) any |= is_short_output(i);
    if (!any || site.is_alias() || node.schema->of_shapes || node.schema->name == "Cast" ||
        takes(backend_, site))
      return How::as_they_are;
    for (const How how : {How::activations_widened, How::all_widened}) {
      OpSite wide = site;
      std::deque<Constant> constants;
      for (SiteInput& input : wide.inputs) {
        if (!is_short(input) || (input.constant && how != How::all_widened)) continue;
        input.type.dtype = DType::f32;
        if (input.constant) input.constant = &constants.emplace_back(widened(*input.constant));
      }
      for (size_t i = 0; i < wide.outputs.size(); ++i)
        if (is_short_output(i)) wide.outputs[i].dtype = DType::f32;
      if (has_types(wide) && takes(backend_, wide)) return how;
    }
    return How::as_they_are;
  }

  /// Whether the shape rule takes the inputs and gives the outputs.
  static bool has_types(const OpSite& site) {
    try {
      const std::vector<ValueType> types = site.schema->infer(site);
      for (size_t i = 0; i < site.outputs.size(); ++i)
        if (types.at(i).dtype != site.outputs[i].dtype) return false;
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  ValueId wide(ValueId value) {
    auto [found, fresh] = wide_.try_emplace(value, kNoValue);
    if (!fresh) return found->second;
    const Value& narrow = graph_.value(value);
    if (narrow.constant) {
      Constant constant = widened(*narrow.constant);
      return found->second = graph_.add_constant(free_name(narrow.name), std::move(constant));
    }
    const ValueId made = add_wide_value(value);
    graph_.nodes().push_back(cast(graph_.value(made).name, value, made));
    return found->second = made;
  }

  /// A value as `of`, of f32.
  ValueId add_wide_value(ValueId of) {
    const ValueType type{DType::f32, graph_.value(of).type.shape};
    const Storage storage = graph_.value(of).storage;
    const ValueId made = graph_.add_value(free_name(graph_.value(of).name), type);
    graph_.value(made).storage = storage;
    return made;
  }

  std::string free_name(const std::string& name) {
    std::string made = name + ".f32";
    while (!names_.insert(made).second) made = fmt::format("{}.f32.{}", name, ++tries_);
    return made;
  }

  Node cast(const std::string& name, ValueId from, ValueId to) const {
    const int64_t type = onnx_from_dtype(graph_.value(to).type.dtype);
    return {find_op("Cast"), name, {from}, {to}, {{"to", type}}, {}};
  }

  Graph& graph_;
  const Backend& backend_;
  std::map<ValueId, ValueId> wide_;
  std::unordered_set<std::string> names_;
  int changes_ = 0, tries_ = 0;
};

}  // namespace

int widen_short_floats(Graph& graph, const Backend& backend) {
  return Widening(graph, backend).run();
}

}  // namespace halftone
