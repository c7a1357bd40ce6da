#pragma once

#include "graph/graph.h"

namespace halftone {

/// Whether the operator only moves or selects numbers of its first input (of all inputs: Concat).
bool moves_numbers(const Node& node);
/// Whether the operator has integer arithmetic by polynomials (LayerNormalization, Softmax, Attention), which
/// only a graph without floating point asks for.
bool works_on_codes_by_polynomials(const Graph& graph, const Node& node);
/// Whether the operator has integer kernels beside those with weights, and reads activations here.
bool works_on_codes(const Graph& graph, const Node& node);

/// Whether input `i` of an operator carries numbers that it works on, not sizes, bounds or weights.
bool carries_numbers(const Node& node, size_t i);
/// Whether a value is floating and computed at run time.
bool is_float_activation(const Graph& graph, ValueId id);

}  // namespace halftone
