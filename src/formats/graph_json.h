#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "graph/graph.h"

namespace halftone {

/// A graph without the numbers of its constants: symbols, inputs, constants (type and encoding), nodes
/// (operator, attributes, names of inputs and outputs, activation encodings), outputs. Constants that nothing
/// reads are left out.
OrderedJson graph_to_json(const Graph& graph);

/// Finds the numbers of a constant that a graph names.
using ConstantFinder = std::function<Constant(const std::string& name, const ValueType& type,
                                              const std::optional<Encoding>& encoding)>;

/// The graph back. Everything is checked as of unknown origin: operators and their inputs, names (unique,
/// made before use), attributes, shapes (at most 2^56 elements with symbols at their largest), encodings.
/// Throws InputError that begins with `source`.
Graph graph_from_json(const Json& json, const std::string& source, const ConstantFinder& find_constant);

/// Whether something (a node, an output) reads the constant: those are what a saved graph holds.
std::vector<bool> constants_in_use(const Graph& graph);

}  // namespace halftone
