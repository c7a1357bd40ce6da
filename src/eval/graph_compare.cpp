#include "eval/graph_compare.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "quant/targets.h"
#include "runtime/session.h"

namespace halftone {
namespace {

std::shared_ptr<const Plan> compiled(const Graph& graph, const CompareOptions& options, bool exact) {
  CompileOptions how;
  how.backend = options.backend;
  how.exact = exact;
  return compile(graph, how, *options.threads);
}

/// Encodings of the weights of layers, by the name of what each makes.
std::map<std::string, std::string> layer_weights(const Graph& graph) {
  std::map<std::string, std::string> weights;
  for (const Node& node : graph.nodes()) {
    if (!has_weights(node) || node.inputs.size() < 2 || node.inputs[1] == kNoValue) continue;
    const auto& constant = graph.value(node.inputs[1]).constant;
    if (!constant) continue;
    weights[graph.value(node.outputs[0]).name] = constant->encoding() ? constant->encoding()->str() : "";
  }
  return weights;
}

/// By the name of each value of a graph as it is stored: the encoding of the weights of the layer that made
/// it, or that made last what operators without weights (normalizations, activations, sums) made it of.
/// Compiling may have folded these into the layer, and decoded its weights for that.
std::map<std::string, std::string> stored_weights(const Graph& graph) {
  std::vector<int> made_by(graph.values().size(), -1);
  std::vector<std::string> encodings;
  std::map<std::string, std::string> weights;
  const std::map<std::string, std::string> layers = layer_weights(graph);
  for (const Node& node : graph.nodes()) {
    const auto layer = layers.find(graph.value(node.outputs[0]).name);
    int latest = -1;
    for (ValueId input : node.inputs)
      if (input != kNoValue) latest = std::max(latest, made_by[static_cast<size_t>(input)]);
    if (layer != layers.end()) {
      latest = static_cast<int>(encodings.size());
      encodings.push_back(layer->second);
    }
    for (ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      made_by[static_cast<size_t>(output)] = latest;
      if (latest >= 0) weights[graph.value(output).name] = encodings[static_cast<size_t>(latest)];
    }
  }
  return weights;
}

struct Compared {
  LayerDifference difference;
  ClosenessMeter meter{};
};

Tensor copy_of(const TensorView& view) {
  Tensor copy = Tensor::allocate(view.dtype, view.shape);
  std::ranges::copy(view.bytes(), copy.mutable_view().bytes().begin());
  return copy;
}

std::map<std::string, TensorView> views(const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, TensorView> seen;
  for (const auto& [name, tensor] : tensors) seen[name] = tensor.view();
  return seen;
}

}  // namespace

ModelComparison compare_graphs(const Graph& original, const Graph& other, const CalibrationData& data,
                               const CompareOptions& options) {
  const auto first = compiled(original, options, true), second = compiled(other, options, false);
  const std::map<std::string, std::string> layers = layer_weights(first->graph()),
                                           there = layer_weights(second->graph()),
                                           stored = stored_weights(other);
  std::vector<std::string> order;
  std::map<std::string, Compared> compared;
  for (const Node& node : first->graph().nodes()) {
    const std::string& name = first->graph().value(node.outputs[0]).name;
    const auto twin = there.find(name);
    if (layers.count(name) == 0 || twin == there.end()) continue;
    const auto as_stored = stored.find(name);
    const bool decoded = twin->second.empty() && as_stored != stored.end();
    // Static int8 divides the channels of convolutions by factors.
    const std::optional<int> channels =
        node.schema->name == "Conv" ? std::optional<int>(1) : std::optional<int>();
    compared.insert_or_assign(
        name, Compared{{name, decoded ? as_stored->second : twin->second, {}}, ClosenessMeter(channels)});
    order.push_back(name);
  }
  std::map<std::string, Compared> outputs;
  for (const std::string& name : first->graph().output_names())
    if (std::ranges::count(second->graph().output_names(), name) > 0) outputs[name] = {{name, "", {}}};
  if (order.empty() && outputs.empty())
    throw InputError("{} and {} have neither a layer nor an output in common", original.name, other.name);

  Session wanted(first, *options.threads), made(second, *options.threads);
  std::map<std::string, Tensor> kept;
  wanted.observe([&](const Value& value, const TensorView& tensor) {
    if (compared.count(value.name) > 0) kept[value.name] = copy_of(tensor);
  });
  made.observe([&](const Value& value, const TensorView& tensor) {
    if (const auto found = kept.find(value.name); found != kept.end())
      compared.at(value.name).meter.add(tensor, found->second.view());
  });
  for (int s = 0; s < data.samples(); ++s) {
    if (options.progress) options.progress(s, data.samples());
    const std::map<std::string, Tensor> sample = data.sample(s);
    wanted.run(views(sample));
    made.run(views(sample));
    for (auto& [name, output] : outputs)
      if (is_float(wanted.output(name).dtype)) output.meter.add(made.output(name), wanted.output(name));
  }
  if (options.progress) options.progress(data.samples(), data.samples());

  ModelComparison comparison;
  const auto finish = [](Compared& one) {
    one.difference.closeness = one.meter.result();
    return one.difference;
  };
  for (const std::string& name : order) comparison.layers.push_back(finish(compared.at(name)));
  for (const std::string& name : first->graph().output_names())
    if (outputs.count(name) > 0) comparison.outputs.push_back(finish(outputs.at(name)));
  return comparison;
}

}  // namespace halftone
