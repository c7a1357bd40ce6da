#include <cmath>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

#include "base/error.h"
#include "graph/graph.h"

namespace halftone {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::logic_error("invalid graph: " + what);
}

void verify_encodings(const Graph& graph, const Node& node) {
  if (node.use_encodings.size() > node.inputs.size()) fail(node.name + ": more use encodings than inputs");
  for (size_t i = 0; i < node.use_encodings.size(); ++i) {
    if (!node.use_encodings[i]) continue;
    if (node.inputs[i] == kNoValue) fail(node.name + ": an encoding on an absent input");
    if (!node.use_encodings[i]->format) fail(node.name + ": an encoding without a number format");
    if (graph.value(node.inputs[i]).constant) fail(node.name + ": an activation encoding on a constant");
  }
}

void verify_storage(const Value& value) {
  const Storage& storage = value.storage;
  if (storage.order == Storage::Order::channels_last && value.type.shape.rank() < 3)
    fail(value.name + ": channels-last, but of fewer than three dimensions");
  if (!storage.codes) return;
  if (!is_float(value.type.dtype)) fail(value.name + ": codes of a value that is not floating");
  if (!(storage.codes->scale > 0) || !std::isfinite(storage.codes->scale))
    fail(value.name + ": codes without a positive scale");
}

}  // namespace

void verify(const Graph& graph) {
  std::unordered_set<std::string_view> names;
  std::vector<bool> made(graph.values().size(), false);
  auto make = [&](ValueId id, const std::string& where) {
    if (id < 0 || static_cast<size_t>(id) >= made.size()) fail(where + ": a value that does not exist");
    if (made[static_cast<size_t>(id)]) fail(where + ": " + graph.value(id).name + " is made twice");
    made[static_cast<size_t>(id)] = true;
  };
  for (ValueId input : graph.inputs()) make(input, "inputs");
  for (size_t i = 0; i < made.size(); ++i) {
    const Value& value = graph.values()[i];
    if (!value.constant) continue;
    make(static_cast<ValueId>(i), "constants");
    if (!(value.type == ValueType{value.constant->dtype(), value.constant->shape()}))
      fail(value.name + ": the constant has another type than the value");
    if (value.constant->encoding()) scale_grid(value.constant->encoding()->granularity, value.type.shape);
  }
  for (const Node& node : graph.nodes()) {
    if (!node.schema) fail(node.name + ": no operator");
    for (ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      if (input < 0 || static_cast<size_t>(input) >= made.size())
        fail(node.name + ": reads a value that does not exist");
      if (!made[static_cast<size_t>(input)])
        fail(node.name + ": reads " + graph.value(input).name + " before it is made");
    }
    verify_encodings(graph, node);
    const std::vector<ValueType> types = node.schema->infer(graph.site(node));
    if (node.outputs.size() > types.size() ||
        node.outputs.size() + node.schema->optional_outputs < types.size())
      fail(node.name + ": wrong number of outputs");
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      make(node.outputs[i], node.name);
      if (!(graph.value(node.outputs[i]).type == types[i]))
        fail(node.name + ": output type differs from the shape rule");
    }
  }
  for (size_t i = 0; i < made.size(); ++i) {
    const std::string& name = graph.values()[i].name;
    if (!made[i]) continue;
    verify_storage(graph.values()[i]);
    if (name.empty()) fail(fmt::format("value {} has no name", i));
    if (!names.insert(name).second) fail("two values are named " + name);
  }
  for (ValueId input : graph.inputs())
    if (!graph.value(input).storage.plain()) fail(graph.value(input).name + ": an input that is not plain");
  for (ValueId output : graph.outputs()) {
    if (output < 0 || static_cast<size_t>(output) >= made.size() || !made[static_cast<size_t>(output)])
      fail("an output that nothing makes");
    if (!graph.value(output).storage.plain())
      fail(graph.value(output).name + ": an output that is not plain");
  }
}

}  // namespace halftone
