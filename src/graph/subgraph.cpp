#include "graph/subgraph.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace halftone {
namespace {

size_t index(ValueId id) {
  return static_cast<size_t>(id);
}

/// Position of the node that makes each value; -1: none does.
std::vector<int> makers(const Graph& graph) {
  std::vector<int> maker(graph.values().size(), -1);
  for (size_t n = 0; n < graph.nodes().size(); ++n)
    for (ValueId output : graph.nodes()[n].outputs)
      if (output != kNoValue) maker[index(output)] = static_cast<int>(n);
  return maker;
}

bool is_state(const Graph& graph, ValueId id) {
  return graph.value(id).type.dtype == DType::state;
}

/// Which nodes `outputs` need, `given` being there already. A state asks for no node: what it holds is not
/// made anew.
std::vector<bool> needed_nodes(const Graph& whole, const std::vector<bool>& given,
                               std::span<const ValueId> outputs) {
  const std::vector<int> maker = makers(whole);
  std::vector<bool> needed(whole.nodes().size());
  std::vector<ValueId> open;
  auto want = [&](ValueId id) {
    if (id == kNoValue || given[index(id)] || maker[index(id)] < 0) return;
    if (!needed[static_cast<size_t>(maker[index(id)])]) open.push_back(id);
  };
  for (ValueId output : outputs) want(output);
  while (!open.empty()) {
    const size_t node = static_cast<size_t>(maker[index(open.back())]);
    open.pop_back();
    if (needed[node]) continue;
    needed[node] = true;
    for (ValueId input : whole.nodes()[node].inputs)
      if (input != kNoValue && !is_state(whole, input)) want(input);
  }
  return needed;
}

class Extraction {
 public:
  explicit Extraction(const Graph& whole) : whole_(whole) {
    result_.graph.name = whole.name;
    result_.copy.assign(whole.values().size(), kNoValue);
    for (const Symbol& symbol : whole.symbols()) result_.graph.symbol(symbol.name, symbol.min, symbol.max);
  }

  void add_input(ValueId id) {
    if (result_.to_copy(id) != kNoValue) return;
    const Value& value = whole_.value(id);
    if (value.constant) return remember(id, result_.graph.add_constant(value.name, *value.constant));
    remember(id, result_.graph.add_input(value.name, value.type));
  }

  void add_node(const Node& node) {
    Node copy = node;
    for (ValueId& input : copy.inputs) {
      if (input == kNoValue) continue;
      add_input(input);  // what no node of the part makes
      input = result_.to_copy(input);
    }
    copy.outputs.clear();
    const std::vector<ValueType> types = node.schema->infer(result_.graph.site(copy));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (output == kNoValue) {
        copy.outputs.push_back(kNoValue);
        continue;
      }
      const ValueId made = result_.graph.add_value(whole_.value(output).name, types[i]);
      result_.graph.value(made) = whole_.value(output);
      result_.graph.value(made).type = types[i];
      remember(output, made);
      copy.outputs.push_back(made);
    }
    result_.graph.nodes().push_back(std::move(copy));
  }

  Subgraph finish(std::span<const ValueId> outputs) {
    for (ValueId output : outputs) {
      add_input(output);  // an output that is given passes through
      result_.graph.add_output(result_.to_copy(output), whole_.value(output).name);
    }
    return std::move(result_);
  }

 private:
  void remember(ValueId id, ValueId copy) {
    result_.copy[index(id)] = copy;
    result_.origin.resize(index(copy) + 1, kNoValue);
    result_.origin[index(copy)] = id;
  }

  const Graph& whole_;
  Subgraph result_;
};

}  // namespace

Subgraph extract(const Graph& whole, std::span<const ValueId> inputs, std::span<const ValueId> outputs) {
  std::vector<bool> given(whole.values().size());
  for (ValueId id : inputs) given[index(id)] = true;
  const std::vector<bool> needed = needed_nodes(whole, given, outputs);
  Extraction extraction(whole);
  for (ValueId id : inputs) extraction.add_input(id);
  for (size_t n = 0; n < needed.size(); ++n)
    if (needed[n]) extraction.add_node(whole.nodes()[n]);
  return extraction.finish(outputs);
}

void splice(Graph& whole, int first, int last, const Graph& part) {
  std::map<std::string, ValueId> names;
  for (size_t i = 0; i < whole.values().size(); ++i)
    names.emplace(whole.values()[i].name, static_cast<ValueId>(i));
  const std::vector<std::vector<int>> users = whole.users();
  auto used_outside = [&](ValueId id) {
    return std::any_of(users[index(id)].begin(), users[index(id)].end(),
                       [&](int node) { return node < first || node >= last; });
  };

  std::vector<ValueId> place(part.values().size(), kNoValue);  // of the part's values in the whole
  for (size_t i = 0; i < part.values().size(); ++i) {
    const Value& value = part.values()[i];
    const auto found = names.find(value.name);
    if (found == names.end()) {
      place[i] = whole.add_value(value.name, value.type);
      whole.value(place[i]) = value;
      continue;
    }
    place[i] = found->second;
    Value& known = whole.value(place[i]);
    if (known.constant && value.constant && !used_outside(place[i])) known = value;
  }
  auto placed = [&](ValueId id) { return id == kNoValue ? kNoValue : place[index(id)]; };
  const std::vector<int> maker = makers(whole);
  auto is_made_outside = [&](ValueId id) {
    const int node = id == kNoValue ? -1 : maker[index(placed(id))];
    return node >= 0 && (node < first || node >= last);
  };

  std::vector<Node> nodes(std::make_move_iterator(whole.nodes().begin()),
                          std::make_move_iterator(whole.nodes().begin() + first));
  for (Node node : part.nodes()) {
    if (std::ranges::any_of(node.outputs, is_made_outside)) continue;
    for (ValueId& input : node.inputs) input = placed(input);
    for (ValueId& output : node.outputs) output = placed(output);
    const std::vector<ValueType> types = node.schema->infer(whole.site(node));
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue) whole.value(node.outputs[i]).type = types[i];
    nodes.push_back(std::move(node));
  }
  std::move(whole.nodes().begin() + last, whole.nodes().end(), std::back_inserter(nodes));
  whole.nodes() = std::move(nodes);

  verify(whole);
}

}  // namespace halftone
