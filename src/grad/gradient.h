#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A value and the gradient of the loss with respect to it, of the same shape.
struct ValueGradient {
  ValueId value;
  ValueId gradient;
};

/// Reverse mode: appends to `graph` the nodes that compute the gradients of a loss with respect to each value
/// of `wrt`, from its gradients with respect to some outputs of nodes (`seeds`). Forward values that rules
/// need are read where the graph has them, so one run gives both.
///
/// Returns the gradients in the order of `wrt`; kNoValue where no seed depends on the value. Activation
/// encodings on uses are passed straight through. Throws UnsupportedError naming the node where an operator
/// on the way has no rule, or a rule does not know this use.
std::vector<ValueId> add_gradients(Graph& graph, std::span<const ValueGradient> seeds,
                                   std::span<const ValueId> wrt);

/// By value: whether it depends on one of `wrt` (itself counted) through floating-point values.
std::vector<bool> depends_on(const Graph& graph, std::span<const ValueId> wrt);

/// Whether gradients.inc has a rule for the operator.
bool has_gradient(std::string_view op);

}  // namespace halftone
