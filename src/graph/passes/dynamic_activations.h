#pragma once

#include "graph/graph.h"

namespace halftone {

/// Puts a dynamic int8 encoding on the activation of every Gemm whose weights have an integer encoding and
/// whose activation has none: the fast path, made visible in the graph. Groups of weights get one scale a
/// token as well. Returns how many it set.
int add_dynamic_activations(Graph& graph);

/// Takes every dynamic activation encoding away (--exact).
int remove_dynamic_activations(Graph& graph);

/// Puts the encoding bf16 on the inputs of every Gemm and Conv whose weights are stored in bf16 and whose
/// input has no encoding. Convolutions of few input channels or of groups are left out: they are no products
/// of matrices. Returns how many it set.
int round_activations(Graph& graph);

/// Takes only those away that round to bf16: for devices, whose products of bf16 weights are their own.
int remove_rounded_activations(Graph& graph);

}  // namespace halftone
