#pragma once

#include "graph/graph.h"

namespace halftone {

/// Puts a dynamic int8 encoding on the activation of every Gemm whose weights have an integer encoding and
/// whose activation has none: the fast path, made visible in the graph. Groups of weights get one scale a
/// token as well. Returns how many it set.
int add_dynamic_activations(Graph& graph);

/// Takes every dynamic activation encoding away (--exact).
int remove_dynamic_activations(Graph& graph);

/// Takes only those away that round to bf16: for devices, whose products of bf16 weights are their own.
int remove_rounded_activations(Graph& graph);

}  // namespace halftone
