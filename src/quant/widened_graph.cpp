#include "quant/widened_graph.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/short_floats.h"
#include "ops/onnx_type.h"
#include "ops/widened_constant.h"

namespace halftone {
namespace {

bool is_short(const Value& value) {
  return is_short_float(value.type.dtype);
}

bool can_be_widened(const Graph& graph) {
  const auto& values = graph.values();
  return std::ranges::any_of(values, [](const Value& value) { return is_short(value) && !value.constant; }) &&
         std::ranges::none_of(values, [](const Value& value) {
           return value.type.dtype == DType::state || (value.constant && value.constant->encoding());
         });
}

class Widening {
 public:
  explicit Widening(Graph& graph) : graph_(graph) {
    for (const Value& value : graph.values()) names_.insert(value.name);
  }

  std::map<std::string, double> run() {
    for (Node& node : graph_.nodes()) ask_for_f32(node);
    std::vector<Node> nodes = std::exchange(graph_.nodes(), {});
    for (Node& node : nodes) {
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (!may_stay_short(node, i)) node.inputs[i] = wide(node.inputs[i]);
      make_wide(node);
      if (!casts_to_the_same(node)) graph_.nodes().push_back(std::move(node));
    }
    std::ranges::move(ends_, std::back_inserter(graph_.nodes()));
    verify(graph_);
    return std::move(bytes_);
  }

 private:
  /// Operators that say what they make.
  static void ask_for_f32(Node& node) {
    for (const char* key : {"to", "output_dtype"}) {
      const auto dtype = dtype_from_onnx(node.attributes.get_int(key, 0));
      if (dtype && is_short_float(*dtype)) node.attributes.set(key, onnx_from_dtype(DType::f32));
    }
  }

  bool may_stay_short(const Node& node, size_t slot) const {
    if (node.inputs[slot] == kNoValue) return true;
    const bool layer = node.schema->name == "Conv" || node.schema->name == "Gemm";
    return layer && slot == 1 && graph_.value(node.inputs[slot]).constant;
  }

  /// The value to read in the place of one of a short type.
  ValueId wide(ValueId id) {
    if (const auto found = wide_.find(id); found != wide_.end()) return found->second;
    if (!is_short(graph_.value(id))) return id;
    const Value value = graph_.value(id);
    if (value.constant) {
      bytes_[value.name] = value.constant->stored_bytes();
      return wide_[id] = renamed(id, graph_.add_constant(free_name(value.name), widened(*value.constant)));
    }
    // An input of the graph: whatever nodes make is wide already.
    const ValueId made = graph_.add_value(free_name(value.name), {DType::f32, value.type.shape});
    graph_.nodes().push_back(cast(id, made));
    return wide_[id] = made;
  }

  void make_wide(Node& node) {
    const std::vector<ValueType> types = node.schema->infer(graph_.site(node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (output == kNoValue || !is_short(graph_.value(output))) continue;
      const DType dtype = types[i].dtype;
      if (std::ranges::count(graph_.outputs(), output) == 0) {
        graph_.value(output).type.dtype = dtype;
        continue;
      }
      const Value value = graph_.value(output);
      const ValueId made = graph_.add_value(free_name(value.name), {dtype, value.type.shape});
      node.outputs[i] = wide_[output] = made;
      ends_.push_back(cast(made, output));
    }
  }

  /// Of a Cast between f32 and a short type nothing is left: what reads it reads its input.
  bool casts_to_the_same(const Node& node) {
    if (node.schema->name != "Cast") return false;
    const ValueId from = node.inputs[0], to = node.outputs[0];
    if (graph_.value(from).type.dtype != DType::f32 || graph_.value(to).type.dtype != DType::f32)
      return false;
    if (std::ranges::count(graph_.outputs(), to) != 0) return false;
    if (!ends_.empty() && ends_.back().inputs[0] == to) return false;
    wide_[to] = from;
    return true;
  }

  /// The constant in use has the name that rules and reports know.
  ValueId renamed(ValueId from, ValueId to) {
    if (std::ranges::count(graph_.outputs(), from) == 0)
      std::swap(graph_.value(from).name, graph_.value(to).name);
    return to;
  }

  Node cast(ValueId from, ValueId to) {
    const Attributes type = {{"to", onnx_from_dtype(graph_.value(to).type.dtype)}};
    return {find_op("Cast"), graph_.value(to).name, {from}, {to}, type, {}};
  }

  std::string free_name(const std::string& name) {
    std::string made = name + ".f32";
    for (int tries = 1; !names_.insert(made).second; ++tries) made = name + ".f32." + std::to_string(tries);
    return made;
  }

  Graph& graph_;
  std::map<ValueId, ValueId> wide_;
  std::vector<Node> ends_;
  std::set<std::string> names_;
  std::map<std::string, double> bytes_;
};

}  // namespace

std::map<std::string, double> compute_in_f32(Graph& graph) {
  if (!can_be_widened(graph)) return {};
  return Widening(graph).run();
}

}  // namespace halftone
