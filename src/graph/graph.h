#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

using ValueId = int32_t;
constexpr ValueId kNoValue = -1;  ///< an absent optional input

/// A value: a graph input, a constant, or an output of one node.
struct Value {
  std::string name;
  ValueType type;
  std::optional<Constant> constant;
  Storage storage = {};  ///< of an activation; graph inputs, outputs and constants are plain
};

/// One operator applied. Inputs may hold kNoValue.
struct Node {
  const OpSchema* schema = nullptr;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  /// Activation encodings by input slot (empty or shorter: none).
  std::vector<std::optional<Encoding>> use_encodings;
};

/// A symbolic dimension: "tokens", 1 to 4096.
struct Symbol {
  std::string name;
  int64_t min = 0;
  int64_t max = 0;
};

/// A model: values and nodes in SSA form, nodes in an order in which each value is made before it is used.
///
/// Passes change a graph by building nodes and rerouting uses; verify() is called after each of them.
class Graph {
 public:
  std::string name;

  /// A dimension for shapes; the same name gives the same symbol.
  int64_t symbol(const std::string& name, int64_t min, int64_t max);
  const std::vector<Symbol>& symbols() const { return symbols_; }

  ValueId add_input(std::string name, const ValueType& type);
  ValueId add_constant(std::string name, Constant constant);
  /// Appends a node; output types come from its shape rule (InputError when they do not fit). Names of
  /// outputs are NAME, or NAME.1, NAME.2 after the first. `outputs`: how many it has, when optional ones are
  /// asked for.
  std::vector<ValueId> add_node(const OpSchema& schema, std::string name, std::vector<ValueId> inputs,
                                Attributes attributes = {}, size_t outputs = 0);
  void add_output(ValueId value, std::string name);

  /// Values keep their addresses while others are added: what a pass refers to stays where it is.
  const std::deque<Value>& values() const { return values_; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const std::vector<std::string>& output_names() const { return output_names_; }

  /// What a node's schema, kernels and costs see of it.
  OpSite site(const Node& node) const;
  /// Nodes (by position) that read each value.
  std::vector<std::vector<int>> users() const;
  /// Every use of `from` (graph outputs too) becomes a use of `to`.
  void replace_uses(ValueId from, ValueId to);
  /// Removes the nodes marked in `gone` (one flag a node).
  void remove_nodes(const std::vector<bool>& gone);
  /// A fresh value for a node that a pass makes.
  ValueId add_value(std::string name, const ValueType& type);

 private:
  std::vector<Symbol> symbols_;
  std::deque<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<std::string> output_names_;
};

/// Checks SSA (made once, before use), names (unique, not empty), types against the shape rules, encodings
/// against shapes. Throws std::logic_error that names the node: a graph that fails is a bug of ours, since
/// importers check their input.
void verify(const Graph& graph);

/// The graph as text: symbols, inputs, constants (type, encoding), a line a node, outputs. Goldens compare
/// it.
std::string graph_text(const Graph& graph);

}  // namespace halftone
